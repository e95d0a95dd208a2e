"""When a worker that has ended is started again, and when there is no sense in it any more.

At once as a rule, since the others serve meanwhile; a worker that ends again and again has to wait
longer each time. Decides only: `decide(event, now)` says what to do.
"""

from dataclasses import dataclass

FIRST_PAUSE_S = 0.1
"""Before the first restart. Whoever stops all processes of a group stops us a moment later."""

MAX_PAUSE_S = 30.0
"""At most; each time it is twice as long as the last time."""

STEADY_S = 10.0
"""After so long in service an end is a new story, not part of the last one."""

MAX_FAILED_STARTS = 5
"""In a row, of one worker, while no other serves: then it is hopeless."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker has begun to serve."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has ended without having been asked to."""

    number: int


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again, after a while."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No worker serves, and this one cannot: end the whole, for somebody else to start it again."""

    failed_starts: int


@dataclass(slots=True)
class _History:
    serving_since: float | None = None
    ends_in_a_row: int = 0
    failed_starts: int = 0


class Restarts:
    """See the module."""

    def __init__(self) -> None:
        self._workers: dict[int, _History] = {}

    def decide(self, event: Serving | Ended, now: float) -> Restart | GiveUp | None:
        """Take note of an event; return what to do because of it."""
        worker = self._workers.setdefault(event.number, _History())
        if isinstance(event, Serving):
            worker.serving_since, worker.failed_starts = now, 0
            return None
        since, worker.serving_since = worker.serving_since, None
        if since is None:
            worker.failed_starts += 1
        elif now - since >= STEADY_S:
            worker.ends_in_a_row = 0
        if worker.failed_starts >= MAX_FAILED_STARTS and not self._somebody_serves:
            return GiveUp(worker.failed_starts)
        pause_s = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0**worker.ends_in_a_row)
        worker.ends_in_a_row = min(worker.ends_in_a_row + 1, 30)  # no overflow, ever
        return Restart(pause_s)

    @property
    def _somebody_serves(self) -> bool:
        return any(worker.serving_since is not None for worker in self._workers.values())
