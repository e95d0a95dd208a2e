"""The pools for Prometheus: who waits, how each backend is doing, and its queue in the kernel.

Nothing is counted here: the numbers are read from the pools when somebody asks. Labels are the
names of upstreams and backends, which come from settings and from discovery, never from clients.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from proxy.telemetry.metrics import PREFIX
from proxy.upstream.backend import Backend
from proxy.upstream.group import Upstream
from proxy.upstream.health import State

Value = float | None
"""None where there is nothing to tell."""

_BACKEND = ("upstream", "backend")


class PoolMetrics:
    """What shows the pools. `upstreams` are those of the moment, `now` is seconds, monotonic."""

    def __init__(
        self,
        upstreams: Callable[[], Iterable[Upstream]],
        subscriptions: Callable[[], dict[str, int]],
        now: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._subscriptions = subscriptions
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, for `prometheus_client`."""
        upstreams = list(self._upstreams())
        yield from self._lines(upstreams)
        yield from self._backends(upstreams)
        yield from self._checks(upstreams)
        events = CounterMetricFamily(
            PREFIX + "subscription_events",
            "Announcements of uWSGI instances, and what became of them",
            labels=("event",),
        )
        for event, count in self._subscriptions().items():
            events.add_metric((event,), count)
        yield events

    def _lines(self, upstreams: Sequence[Upstream]) -> Iterator[Metric]:
        for family, name, text, read in _LINES:
            metric = family(PREFIX + "upstream_" + name, text, labels=("upstream",))
            for upstream in upstreams:
                metric.add_metric((upstream.settings.name,), read(upstream))
            yield metric

    def _backends(self, upstreams: Sequence[Upstream]) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            PREFIX + "backend_state",
            "1 for the state that a backend is in, 0 for the others",
            labels=(*_BACKEND, "state"),
        )
        for name, backend in _all(upstreams):
            found = backend.health.state(self._now())
            for each in State:
                state.add_metric((name, backend.name, each.value), float(each is found))
        yield state
        for suffix, text, read in _GAUGES:
            gauge = GaugeMetricFamily(PREFIX + "backend_" + suffix, text, labels=_BACKEND)
            for name, backend in _all(upstreams):
                value = read(backend)
                if value is not None:
                    gauge.add_metric((name, backend.name), value)
            yield gauge
        reused = CounterMetricFamily(
            PREFIX + "backend_connections_reused",
            "Requests on a connection that had served another",
            labels=_BACKEND,
        )
        for name, backend in _all(upstreams):
            reused.add_metric((name, backend.name), backend.idle.reused)
        yield reused

    def _checks(self, upstreams: Sequence[Upstream]) -> Iterator[Metric]:
        done = CounterMetricFamily(
            PREFIX + "backend_checks", "Active checks", labels=(*_BACKEND, "result")
        )
        for upstream in upstreams:
            if upstream.checks is None:
                continue
            for backend in upstream.pool.backends:
                tally = upstream.checks.tally(backend)
                names = (upstream.settings.name, backend.name)
                for result, count in (
                    ("good", tally.passes),
                    ("bad", tally.fails),
                    ("busy", tally.busy),
                    ("unknown", tally.unknown),
                ):
                    done.add_metric((*names, result), count)
        yield done


def _all(upstreams: Iterable[Upstream]) -> Iterator[tuple[str, Backend]]:
    return chain.from_iterable(
        ((upstream.settings.name, backend) for backend in upstream.pool.backends)
        for upstream in upstreams
    )


def _listen_queue(backend: Backend) -> Value:
    return None if backend.backlog is None else backend.backlog.pending


def _listen_queue_limit(backend: Backend) -> Value:
    return None if backend.backlog is None else backend.backlog.limit


_GAUGES: tuple[tuple[str, str, Callable[[Backend], Value]], ...] = (
    ("in_flight", "Requests at a backend", lambda one: one.in_flight),
    ("max_conns", "Requests that a backend takes at a time; 0 for any number", lambda b: b.cap),
    ("weight", "Share of a backend", lambda one: one.weight),
    ("serves", "Whether a backend is meant to get requests", lambda one: float(one.serves)),
    ("idle_connections", "Connections kept open to a backend", lambda one: len(one.idle)),
    ("listen_queue", "Connections that wait in the kernel to be accepted", _listen_queue),
    ("listen_queue_limit", "Connections that may wait there", _listen_queue_limit),
)

_LINES: tuple[
    tuple[
        type[GaugeMetricFamily] | type[CounterMetricFamily], str, str, Callable[[Upstream], float]
    ],
    ...,
] = (
    (
        GaugeMetricFamily,
        "queue_length",
        "Requests in line for a backend",
        lambda one: len(one.pool.line),
    ),
    (
        GaugeMetricFamily,
        "queue_limit",
        "Requests that may be in line",
        lambda one: one.pool.line.max_waiting,
    ),
    (
        GaugeMetricFamily,
        "retries_in_flight",
        "Requests that run again after a failure",
        lambda one: one.means.budget.running,
    ),
    (
        CounterMetricFamily,
        "queue_refused",
        "Requests that found the line full",
        lambda one: one.pool.line.refused,
    ),
    (
        CounterMetricFamily,
        "retries_refused",
        "Retries that the budget did not allow",
        lambda one: one.means.budget.refused,
    ),
)
