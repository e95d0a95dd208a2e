"""Least time: how long a backend would need for what it has and one request more.

Score: its average time, times (1 + requests in flight), per weight (nginx rule 6.24). Averages are
fed by `observe_times` with successful attempts only, or a backend that fails fast would look good.
"""

from collections.abc import Callable, Sequence

from proxy.upstream.backend import Backend
from proxy.upstream.balance.measures import lightest, load
from proxy.upstream.balance.query import Query
from proxy.upstream.balance.round_robin import settle

NEW_SHARE = 0.05
"""Of one more sample in an average."""

MAX_MS = 5000
"""Averages over it are equally bad: only requests in flight count then."""

STEP_MS = 20
"""Averages that fall between the same two multiples of it are equal, and take turns."""

Average = Callable[[Backend], float]


def observe_times(backend: Backend, header_ms: float, last_byte_ms: float, now: float) -> None:
    """Take the times of a good attempt into the backend's averages.

    Args:
        backend: which has replied.
        header_ms: from the begin of the attempt to the whole reply head.
        last_byte_ms: to the end of the reply.
        now: seconds, monotonic.
    """
    backend.header_ms = _moved(backend.header_ms, header_ms)
    backend.last_byte_ms = _moved(backend.last_byte_ms, last_byte_ms)
    backend.timed_at = now


def _moved(average_ms: float, sample_ms: float) -> float:
    """Return the average with a sample in it; the first sample is the average."""
    if not average_ms:
        return sample_ms
    return sample_ms * NEW_SHARE + average_ms * (1 - NEW_SHARE)


def header_time(backend: Backend) -> float:
    """Return the average time to a reply head, in ms."""
    return backend.header_ms


def last_byte_time(backend: Backend) -> float:
    """Return the average time to the end of a reply, in ms."""
    return backend.last_byte_ms


class LeastTime:
    """The one that is soonest done; among equals, by turns."""

    def __init__(self, average: Average) -> None:
        self._average = average

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`.

        A backend that gets a request because it was silent for long gets one: its time stamp is
        renewed here, and its average counts in full again until a reply has changed it.
        """
        now = query.now
        best = settle(lightest(usable, lambda backend: self._score(backend, now)))
        if _silences(best, now):
            best.timed_at = now
        return best

    def _score(self, backend: Backend, now: float) -> int:
        average_ms = int(self._average(backend)) >> _silences(backend, now)
        if average_ms > MAX_MS:
            average_ms = MAX_MS
        else:
            average_ms += STEP_MS - average_ms % STEP_MS
        return average_ms * (1 + load(backend))


def _silences(backend: Backend, now: float) -> int:
    """Return how many fail_timeouts have passed without news: each halves the average, once.

    A slow backend would never be tried again otherwise. One second more than the fail_timeout, as
    nginx counts in whole seconds.
    """
    return max(0, int((now - backend.timed_at) / (backend.settings.fail_timeout_s + 1)))
