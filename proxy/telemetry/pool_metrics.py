"""The pools for Prometheus: who waits, how each backend is doing, and its queue in the kernel.

Nothing is counted here: the numbers are read from the pools when somebody asks. Labels are the
names of upstreams and backends, which come from settings and from discovery, never from clients;
a backend that has gone takes its series along.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from prometheus_client.core import Metric

from proxy.tally import Histogram
from proxy.telemetry import catalogue
from proxy.telemetry.catalogue import Entry
from proxy.telemetry.family import add, add_histogram
from proxy.upstream.backend import Backend
from proxy.upstream.group import Upstream
from proxy.upstream.health import State

Value = float | None
"""None where there is nothing to tell."""


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
        yield from _attempts(upstreams)
        yield from _of_upstreams(upstreams)
        yield self._states(upstreams)
        yield from _of_backends(upstreams)
        yield _checks(upstreams)
        events = catalogue.SUBSCRIPTIONS.family()
        for event, count in self._subscriptions().items():
            add(events, (event,), count)
        yield events

    def _states(self, upstreams: Sequence[Upstream]) -> Metric:
        family, now = catalogue.STATE.family(), self._now()
        for name, backend in _all(upstreams):
            found = backend.health.state(now)
            for each in State:
                add(family, (name, backend.name, each.value), float(each is found))
        return family


def _all(upstreams: Iterable[Upstream]) -> Iterator[tuple[str, Backend]]:
    return chain.from_iterable(
        ((upstream.settings.name, backend) for backend in upstream.pool.backends)
        for upstream in upstreams
    )


def _attempts(upstreams: Sequence[Upstream]) -> Iterator[Metric]:
    attempts = catalogue.ATTEMPTS.family()
    for name, backend in _all(upstreams):
        tally = backend.tally
        for result, count in (("ok", tally.good), *tally.failures.items()):
            add(attempts, (name, backend.name, result), count)
    yield attempts
    retries = catalogue.RETRIES.family()
    for upstream in upstreams:
        for reason, count in upstream.pool.tally.retries.items():
            add(retries, (upstream.settings.name, reason), count)
    yield retries


def _of_upstreams(upstreams: Sequence[Upstream]) -> Iterator[Metric]:
    for entry, find in _HISTOGRAMS.items():
        family = entry.family()
        for upstream in upstreams:
            add_histogram(family, (upstream.settings.name,), find(upstream))
        yield family
    for entry, read in _LINES.items():
        family = entry.family()
        for upstream in upstreams:
            add(family, (upstream.settings.name,), read(upstream))
        yield family


def _of_backends(upstreams: Sequence[Upstream]) -> Iterator[Metric]:
    for entry, read in _BACKENDS.items():
        family = entry.family()
        for name, backend in _all(upstreams):
            value = read(backend)
            if value is not None:
                add(family, (name, backend.name), value)
        yield family
    first_bytes = catalogue.FIRST_BYTES.family()
    for name, backend in _all(upstreams):
        add_histogram(first_bytes, (name, backend.name), backend.tally.first_bytes)
    yield first_bytes


def _checks(upstreams: Sequence[Upstream]) -> Metric:
    done = catalogue.CHECKS.family()
    for upstream in upstreams:
        if upstream.checks is None:
            continue
        for backend in upstream.pool.backends:
            tally = upstream.checks.tally(backend)
            for result, count in (
                ("good", tally.passes),
                ("bad", tally.fails),
                ("busy", tally.busy),
                ("unknown", tally.unknown),
            ):
                add(done, (upstream.settings.name, backend.name, result), count)
    return done


def _listen_queue(backend: Backend) -> Value:
    return None if backend.backlog is None else backend.backlog.pending


def _listen_queue_limit(backend: Backend) -> Value:
    return None if backend.backlog is None else backend.backlog.limit


_BACKENDS: Mapping[Entry, Callable[[Backend], Value]] = {
    catalogue.BACKEND_IN_FLIGHT: lambda one: one.in_flight,
    catalogue.MAX_CONNS: lambda one: one.cap,
    catalogue.WEIGHT: lambda one: one.weight,
    catalogue.SERVES: lambda one: float(one.serves),
    catalogue.BACKLOG_FULL: lambda one: one.tally.full,
    catalogue.EJECTIONS: lambda one: one.health.ejected,
    catalogue.LISTEN_QUEUE: _listen_queue,
    catalogue.LISTEN_QUEUE_LIMIT: _listen_queue_limit,
    catalogue.IDLE: lambda one: len(one.idle),
    catalogue.REUSED: lambda one: one.idle.reused,
}

_LINES: Mapping[Entry, Callable[[Upstream], float]] = {
    catalogue.QUEUE_LENGTH: lambda one: len(one.pool.line),
    catalogue.QUEUE_LIMIT: lambda one: one.pool.line.max_waiting,
    catalogue.QUEUE_REFUSED: lambda one: one.pool.line.refused,
    catalogue.RETRIES_IN_FLIGHT: lambda one: one.means.budget.running,
    catalogue.RETRIES_REFUSED: lambda one: one.means.budget.refused,
    catalogue.PANIC: lambda one: float(one.pool.is_panicking),
}

_HISTOGRAMS: Mapping[Entry, Callable[[Upstream], Histogram]] = {
    catalogue.CONNECTS: lambda one: one.pool.tally.connects,
    catalogue.WAITS: lambda one: one.pool.tally.waits,
}
