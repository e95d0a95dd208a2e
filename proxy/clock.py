"""Deadlines, cheap enough to set one for every phase of every request.

A deadline that is met costs two dictionary operations: no timer, no look at the clock. There is one
queue for each length of time: within a queue the deadlines are in order by themselves, so to find
the ones that have passed is to look at the front. Time comes in with `expire` (seconds, monotonic):
the caller owns the clock, and a test can own the caller.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

CallLater = Callable[[float, Callable[[], None]], object]
"""An event loop's `call_later`: a delay in seconds, and what to call then."""

TICK_S: Final = 0.1
"""How often `Deadlines.expire` is to be called. A deadline fires up to two ticks late, never early:
it counts from the tick behind the moment it was set."""


class Deadlines:
    """All deadlines of a server. `now` is the time of the first tick.

    `queues`, by the length of time, and `next_tick` are for `Expirable`: it sets deadlines, several
    for each request.
    """

    def __init__(self, now: float) -> None:
        self.queues: defaultdict[float, dict[Expirable, float]] = defaultdict(dict)
        self.next_tick = now + TICK_S

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.queues.values())

    def __bool__(self) -> bool:  # or mypyc takes an empty one for true
        return len(self) > 0

    def expire(self, now: float) -> int:
        """Call `on_deadline` of everything whose time has come; return how many they were."""
        self.next_tick = now + TICK_S
        due = []
        for queue in self.queues.values():
            for who, when in queue.items():
                if when > now:
                    break
                due.append(who)
        for who in due:
            who.disarm()
        for who in due:
            if not who.armed:  # else another's end was the begin of its next phase
                who.on_deadline()
        return len(due)


class Expirable:
    """Something that can have one deadline at a time.

    `expired` says whether it has passed, until `arm` or `disarm`.
    """

    __slots__ = ("_deadlines", "_queue", "expired")

    def __init__(self, deadlines: Deadlines) -> None:
        self.expired = False
        self._deadlines = deadlines
        self._queue: dict[Expirable, float] | None = None

    @property
    def armed(self) -> bool:
        """Whether a deadline is set, and has not passed."""
        return self._queue is not None

    def arm(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now; that of the last phase is forgotten."""
        self.expired = False
        if self._queue is not None:
            del self._queue[self]
        deadlines = self._deadlines
        queue = self._queue = deadlines.queues[seconds]
        queue[self] = deadlines.next_tick + seconds

    def disarm(self) -> None:
        """Forget the deadline: the phase is over."""
        if self._queue is not None:
            del self._queue[self]
            self._queue = None
        self.expired = False

    def on_deadline(self) -> None:
        """Called by `Deadlines` once the deadline has passed."""
        self.expired = True
