"""Numbers for Prometheus: plain integers on the hot path, exposition text when asked.

`prometheus_client` renders; its own counters take locks on every increment, so the sink counts for
itself and a collector shows the counts. All label values come from closed sets, and all reasons
stand at zero from the start: `rate()` works from the first event.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy import __version__, errors
from proxy.record import Record

PREFIX = "uwsgi_frontend_"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
OTHER = "other"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the duration histograms, in seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts of durations by bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, count up to it) as Prometheus wants them."""
        bounds = [*(str(float(bound)) for bound in BUCKETS_S), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


class Metrics:
    """A sink that counts, and what shows the counts."""

    def __init__(self, in_flight: Callable[[], int], connections: Callable[[], int]) -> None:
        self._requests: dict[tuple[bytes, int], int] = {}
        self._durations: dict[bytes, Histogram] = {}
        self._errors = dict.fromkeys(errors.ALL, 0)
        self._attempts: dict[tuple[str, str], int] = {}
        self._first_bytes: dict[str, Histogram] = {}
        self._received = self._sent = 0
        self._in_flight = in_flight
        self._connections = connections
        self._methods = {name.encode() for name in METHODS}
        self._registry = CollectorRegistry()
        self.show(self.collect)

    def show(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Render these metric families, too."""
        self._registry.register(_Show(collect))

    def __call__(self, record: Record) -> None:
        """Count one exchange."""
        request = record.request
        method = request.method if request is not None else b""
        key = (method if method in self._methods else b"other", record.status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._durations.get(key[0])
        if histogram is None:
            histogram = self._durations[key[0]] = Histogram()
        histogram.observe(record.ended - record.started)
        self._received += record.request_bytes + record.body_bytes
        self._sent += record.sent_bytes
        if record.reason is not None:
            self._errors[record.reason.word] += 1
        for attempt in record.attempts:
            self._count_attempt(
                attempt.backend, attempt.reason, attempt.started, attempt.first_byte
            )

    def _count_attempt(
        self, backend: str, reason: errors.Reason | None, started: float, first: float | None
    ) -> None:
        key = (backend, "ok" if reason is None else reason.word)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if first is not None:
            histogram = self._first_bytes.get(backend)
            if histogram is None:
                histogram = self._first_bytes[backend] = Histogram()
            histogram.observe(first - started)

    def families(self) -> list[Metric]:
        """Return everything that is shown: this process's share, see `exposition.merge`."""
        return list(self._registry.collect())

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Return the metric families, for `prometheus_client`."""
        yield InfoMetricFamily(PREFIX + "build", "Version", {"version": __version__})
        requests = CounterMetricFamily(
            PREFIX + "http_requests", "Exchanges by method and status", labels=("method", "code")
        )
        for (method, code), count in self._requests.items():
            requests.add_metric((method.decode(), str(code)), count)
        yield requests
        yield _histograms(
            "http_request_duration_seconds",
            "From the first byte of a request to the last of its response",
            "method",
            {method.decode(): histogram for method, histogram in self._durations.items()},
        )
        yield GaugeMetricFamily(
            PREFIX + "http_requests_in_flight", "Exchanges that run now", self._in_flight()
        )
        yield GaugeMetricFamily(
            PREFIX + "client_connections", "Open client connections", self._connections()
        )
        yield CounterMetricFamily(
            PREFIX + "received_bytes", "Request heads and bodies received", self._received
        )
        yield CounterMetricFamily(PREFIX + "sent_bytes", "Response bytes written", self._sent)
        failures = CounterMetricFamily(
            PREFIX + "errors", "Failed exchanges by reason", labels=("reason", "blame")
        )
        for word, count in self._errors.items():
            failures.add_metric((word, errors.ALL[word].blame.value), count)
        yield failures
        attempts = CounterMetricFamily(
            PREFIX + "upstream_attempts", "Tries at backends", labels=("backend", "result")
        )
        for (backend, result), count in self._attempts.items():
            attempts.add_metric((backend, result), count)
        yield attempts
        yield _histograms(
            "upstream_first_byte_seconds",
            "From the begin of a try to the first byte of its reply",
            "backend",
            self._first_bytes,
        )


def _histograms(name: str, help_text: str, label: str, values: dict[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, help_text, labels=(label,))
    for value, histogram in values.items():
        family.add_metric((value,), histogram.cumulative(), sum_value=histogram.total)
    return family


class _Show(Collector):
    """What `prometheus_client` asks for metrics."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()
