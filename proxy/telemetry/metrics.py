"""The sink that counts exchanges, and the place where all metrics come together.

`prometheus_client`'s own counters take a lock on every increment, so the sink counts for itself:
one dictionary look-up by method and status leads to everything that has to be counted there. All
series of the usual statuses stand at zero from the start, so that `rate()` sees the first event.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from proxy import errors
from proxy.record import AttemptRecord, Record
from proxy.tally import BYTES, Histogram
from proxy.telemetry import catalogue, exposition
from proxy.telemetry.family import add, add_histogram
from proxy.telemetry.reading import Reading

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
OTHER = "other"
"""Stands for every method that is not one of those: a client must not make labels."""

CODES = (
    *(200, 201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409),
    *(410, 413, 414, 422, 429, 431, 499, 500, 501, 502, 503, 504),
)
"""Statuses that are counted from zero on. Others appear with their first response."""

CLASSES = ("2xx", "3xx", "4xx", "5xx")
"""Of durations, likewise."""

PHASES = ("request", "queue", "backend", "response")
"""What a client has waited for when it left: see `phase_of`."""

_METHOD_WORDS = {name.encode(): name for name in METHODS}


class Slot:
    """What is counted for one method and status. `durations` is shared by its class of statuses."""

    __slots__ = ("durations", "exchanges")

    def __init__(self, durations: Histogram) -> None:
        self.exchanges = 0
        self.durations = durations


class Metrics:
    """See the module."""

    def __init__(self) -> None:
        self._durations = {
            (method, one): Histogram() for method in (*METHODS, OTHER) for one in CLASSES
        }
        self._slots: dict[tuple[bytes, int], Slot] = {}
        for method in (*_METHOD_WORDS, OTHER.encode()):
            for code in CODES:
                self._slot(method, code)
        self._request_sizes = Histogram(BYTES)
        self._response_sizes = Histogram(BYTES)
        self._errors = dict.fromkeys(errors.ALL, 0)
        self._aborts = dict.fromkeys(PHASES, 0)
        self._registry = CollectorRegistry()
        self.show(self.collect)

    def _slot(self, method: bytes, code: int) -> Slot:
        """Return the place of a method and a status, which may be new.

        Methods outside the list share one place, and so do statuses that HTTP does not know: -1.
        0 is that of clients that got none.
        """
        method = method if method in _METHOD_WORDS else OTHER.encode()
        code = code if 100 <= code <= 599 or not code else -1
        slot = self._slots.get((method, code))
        if slot is None:
            of_class = f"{code // 100}xx" if code > 0 else OTHER
            key = _METHOD_WORDS.get(method, OTHER), of_class
            slot = Slot(self._durations.setdefault(key, Histogram()))
            self._slots[method, code] = slot
        return slot

    # -- the sink -------------------------------------------------------------------------------

    def __call__(self, record: Record) -> None:
        """Count one exchange."""
        request = record.request
        method = request.method if request is not None else b""
        slot = self._slots.get((method, record.status)) or self._slot(method, record.status)
        slot.exchanges += 1
        slot.durations.observe(record.ended - record.started)
        self._request_sizes.observe(record.request_bytes + record.body_bytes)
        self._response_sizes.observe(record.sent_bytes)
        for attempt in record.attempts:
            tally = attempt.tally
            if attempt.first_byte is not None:
                tally.first_bytes.observe(attempt.first_byte - attempt.started)
            if attempt.connected is not None:
                tally.upstream.connects.observe(attempt.connected - attempt.started)
            if attempt.reason is None and not attempt.retried:
                tally.good += 1
            else:
                self._count_trouble(attempt, is_last=attempt is record.attempts[-1])
        if record.waited_at is not None:
            record.waited_at.waits.observe(record.waited_s)
        if record.reason is not None:
            self._count_failure(record, record.reason)

    def _count_trouble(self, attempt: AttemptRecord, *, is_last: bool) -> None:
        """Count an attempt that failed, or that was not the last for another reason."""
        tally = attempt.tally
        if attempt.reason is None:
            tally.good += 1
        else:
            tally.count_failure(attempt.reason)
        if attempt.retried and not is_last:
            tally.upstream.count_retry(attempt.reason, attempt.status)

    def _count_failure(self, record: Record, reason: errors.Reason) -> None:
        self._errors[reason.word] += 1
        if reason is errors.CLIENT_GONE:
            self._aborts[phase_of(record)] += 1

    # -- what is shown --------------------------------------------------------------------------

    def show(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Show these metric families, too."""
        self._registry.register(_Show(collect))

    def families(self) -> list[Metric]:
        """Return everything that is shown: this process's share, see `exposition.merge`."""
        return list(self._registry.collect())

    def reading(self) -> Reading:
        """Return the same as something to be asked for single numbers."""
        return Reading(self._registry.collect())

    def numbers(self) -> dict[str, Any]:
        """Return the few that a page shows each second: some forty times cheaper than `families`.

        Durations are those of all requests together, by upper bound, each with the smaller ones.
        """
        codes: dict[str, int] = {}
        for (_, code), slot in self._slots.items():
            if slot.exchanges:
                codes[str(code)] = codes.get(str(code), 0) + slot.exchanges
        together = Histogram()
        counts = (histogram.counts for histogram in self._durations.values())
        together.counts = [sum(column) for column in zip(*counts, strict=True)]
        return {
            "requests": sum(codes.values()),
            "codes": codes,
            "errors": {word: count for word, count in self._errors.items() if count},
            "received_bytes": self._request_sizes.total,
            "sent_bytes": self._response_sizes.total,
            "duration": dict(together.cumulative()),
        }

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return everything as text, and its content type; see `exposition.render`."""
        return exposition.render(self.families(), accept)

    def collect(self) -> Iterator[Metric]:
        """Return the families of what is counted here."""
        requests = catalogue.REQUESTS.family()
        for (method, code), slot in self._slots.items():
            add(requests, (method.decode(), f"{code:03d}" if code >= 0 else OTHER), slot.exchanges)
        yield requests
        durations = catalogue.DURATIONS.family()
        for labels, histogram in self._durations.items():
            add_histogram(durations, labels, histogram)
        yield durations
        for entry, sizes in (
            (catalogue.REQUEST_SIZES, self._request_sizes),
            (catalogue.RESPONSE_SIZES, self._response_sizes),
        ):
            family = entry.family()
            add_histogram(family, (), sizes)
            yield family
        for entry, sizes in (
            (catalogue.RECEIVED, self._request_sizes),
            (catalogue.SENT, self._response_sizes),
        ):
            family = entry.family()
            add(family, (), sizes.total)
            yield family
        aborts = catalogue.ABORTS.family()
        for phase, count in self._aborts.items():
            add(aborts, (phase,), count)
        yield aborts
        failures = catalogue.ERRORS.family()
        for word, count in self._errors.items():
            add(failures, (word, errors.ALL[word].blame.value), count)
        yield failures


def phase_of(record: Record) -> str:
    """Return what a client has waited for when it left."""
    if record.sent_bytes:
        return "response"
    if record.attempts:
        return "backend"
    return "queue" if record.waited_at is not None else "request"


class _Show(Collector):
    """What `prometheus_client` asks for metrics."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()
