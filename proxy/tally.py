"""What is counted while requests are served: plain numbers that whoever shows metrics reads.

There are no locks and no labels here. A count lives as long as what it is about: those of a backend
go with the backend, so that discovery which brings new addresses every day does not fill the
memory, or the metrics.
"""

from itertools import accumulate

from proxy import errors
from proxy.errors import Reason

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations."""

BYTES = tuple(256.0 * 4**power for power in range(11))
"""The same of sizes: 256 bytes to 256 MB."""


class Histogram:
    """Counts of numbers by bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, number: float) -> None:
        """Count one number."""
        index = 0
        for bound in self.bounds:  # from below, where most numbers are; a bisection costs more
            if number <= bound:
                break
            index += 1
        self.counts[index] += 1
        self.total += number

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, count up to it) as Prometheus wants them."""
        bounds = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


_ENDS = (
    errors.SOCKET_MISSING,
    errors.PERMISSION_DENIED,
    errors.CONNECT_REFUSED,
    errors.CONNECT_TIMEOUT,
    errors.CONNECT_FAILED,
    errors.SEND_TIMEOUT,
    errors.READ_TIMEOUT,
    errors.EOF_BEFORE_HEADERS,
    errors.RESET_BEFORE_HEADERS,
    errors.EOF_MID_HEADERS,
    errors.EOF_MID_BODY,
    errors.RESET_MID_BODY,
    errors.READ_TIMEOUT_MID_BODY,
    errors.BAD_REPLY_HEAD,
    errors.REPLY_HEAD_TOO_LARGE,
    errors.BAD_REPLY_BODY,
    errors.NOT_UWSGI,
    errors.CLIENT_GONE,
)
"""How an attempt mostly ends that does not end well: counted from zero on. Others may come."""

RETRIED = (
    *(reason.word for reason in _ENDS[:10]),
    errors.BAD_REPLY_HEAD.word,
    errors.REPLY_HEAD_TOO_LARGE.word,
    errors.NOT_UWSGI.word,
    *(f"http_{status}" for status in (403, 404, 429, 500, 503)),
)
"""What a request may be tried again for: the list of `proxy.upstream.retry`."""


class UpstreamTally:
    """What is counted for all backends of an upstream together."""

    __slots__ = ("connects", "retries", "waits")

    def __init__(self) -> None:
        self.connects = Histogram()
        self.waits = Histogram()
        """Of requests that had to wait in line."""
        self.retries = dict.fromkeys(RETRIED, 0)

    def count_retry(self, reason: Reason | None, status: int | None) -> None:
        """Count a request that was tried again, for a failure or for the status of a reply."""
        word = f"http_{status}" if reason is None else reason.word
        self.retries[word] = self.retries.get(word, 0) + 1


class BackendTally:
    """What is counted for one backend."""

    __slots__ = ("failures", "first_bytes", "full", "good", "upstream")

    def __init__(self, upstream: UpstreamTally | None = None) -> None:
        self.upstream = upstream or UpstreamTally()
        self.good = 0
        """Attempts that got a reply, whatever its status."""
        self.failures = {reason.word: 0 for reason in _ENDS}
        self.first_bytes = Histogram()
        """From the begin of an attempt."""
        self.full = 0
        """Connects that found the listen queue full."""

    def count_failure(self, reason: Reason) -> None:
        """Count an attempt that failed."""
        self.failures[reason.word] = self.failures.get(reason.word, 0) + 1


class SpoolTally:
    """What rests in spools now, and how many files were needed so far."""

    __slots__ = ("files", "in_files", "in_memory")

    def __init__(self) -> None:
        self.in_memory = 0
        self.in_files = 0
        self.files = 0


class Spools:
    """The spools of a server by what they hold."""

    __slots__ = ("replies", "requests")

    def __init__(self) -> None:
        self.requests = SpoolTally()
        self.replies = SpoolTally()
