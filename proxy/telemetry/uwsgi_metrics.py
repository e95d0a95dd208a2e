"""What uWSGI says about itself, under the names that uwsgi_exporter has given to it.

The numbers are those of the last `--check stats`: nothing is asked when somebody scrapes. When the
last question got no good answer, or is long ago, `uwsgi_up` is 0 and there are no numbers: old ones
would look like an instance that rests.

The text comes from the backend, so what it may fill is bounded: workers, sockets, length of names.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

from prometheus_client.core import Metric

from proxy.settings import Address, CheckSettings
from proxy.telemetry import uwsgi_catalogue as uwsgi
from proxy.telemetry.catalogue import Entry
from proxy.telemetry.family import add
from proxy.upstream.backend import Backend
from proxy.upstream.checks.runner import Checks
from proxy.upstream.checks.stats import SocketFacts, StatsFacts, WorkerFacts
from proxy.upstream.checks.verdict import Verdict
from proxy.upstream.group import Upstream

MAX_WORKERS = 256
"""Of one instance that are shown."""

MAX_SOCKETS = 32
"""Likewise."""

MAX_NAME = 200
"""Characters of the name of a socket that are shown."""

STALE_ROUNDS = 3
"""Checks that may be missing before their last answer counts no more."""

US = 1e-6

Labels = tuple[str, str]


class Instance(NamedTuple):
    """One stats server, and what it has said; None for nothing that counts now."""

    labels: Labels
    facts: StatsFacts | None


class UwsgiMetrics:
    """What shows them. `upstreams` are those of the moment, `now` is seconds, monotonic."""

    def __init__(
        self, upstreams: Callable[[], Iterable[Upstream]], now: Callable[[], float]
    ) -> None:
        self._upstreams = upstreams
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, for `prometheus_client`; none if no uWSGI is asked."""
        found = self._instances()
        if not found:
            return
        up = uwsgi.UP.family()
        for labels, facts in found:
            add(up, labels, float(facts is not None))
        yield up
        yield from _numbers([(labels, facts) for labels, facts in found if facts is not None])

    def _instances(self) -> list[Instance]:
        """Return every stats server once: a backend may be in several upstreams."""
        found: dict[Labels, Instance] = {}
        now = self._now()
        for upstream in self._upstreams():
            checks = upstream.checks
            if checks is None or not is_asked(upstream.settings.check):
                continue
            for backend in upstream.pool.backends:
                if backend.settings.stats is not None:
                    labels = backend.name, uri_of(backend.settings.stats)
                    known = found.get(labels)
                    if known is None or known.facts is None:
                        settings = upstream.settings.check
                        facts = fresh_facts(checks, backend, settings, now)
                        found[labels] = Instance(labels, facts)
        return list(found.values())


def _numbers(told: list[tuple[Labels, StatsFacts]]) -> Iterator[Metric]:
    for entry, read in _MAIN.items():
        family = entry.family()
        for labels, facts in told:
            add(family, labels, read(facts))
        yield family
    for entry, of_socket in _SOCKETS.items():
        family = entry.family()
        for labels, facts in told:
            for (name, proto), socket in _sockets(facts).items():
                add(family, (*labels, name, proto), of_socket(socket))
        yield family
    for entry, of_worker in _WORKERS.items():
        family = entry.family()
        for labels, facts in told:
            for number, worker in _workers(facts).items():
                add(family, (*labels, str(number)), of_worker(worker))
        yield family


def is_asked(settings: CheckSettings) -> bool:
    """Whether stats servers are asked at all."""
    return any(spec.kind == "stats" for spec in settings.checks)


def fresh_facts(
    checks: Checks, backend: Backend, settings: CheckSettings, now: float
) -> StatsFacts | None:
    """Return what a stats server has said, if that was its last answer and not long ago."""
    longest_s = max(settings.interval_s, settings.fast_interval_s, settings.down_interval_s)
    for result in checks.results(backend):
        if result.check == "stats" and result.finding.verdict is not Verdict.UNKNOWN:
            age_s = now - result.at
            if age_s <= STALE_ROUNDS * longest_s + settings.timeout_s:
                return checks.facts(backend)
    return None


def uri_of(address: Address) -> str:
    """Return an address as uwsgi_exporter writes it."""
    return f"unix://{address.path}" if address.path else f"tcp://{address}"


def _workers(facts: StatsFacts) -> dict[int, WorkerFacts]:
    """Return them by their number. One without a number is a place that is not used."""
    workers = [worker for worker in facts.each_worker if worker.id]
    return {worker.id: worker for worker in reversed(workers[:MAX_WORKERS])}


def _sockets(facts: StatsFacts) -> dict[tuple[str, str], SocketFacts]:
    """Return them by name and protocol; of those that share both only the first."""
    return {
        (socket.name[:MAX_NAME], socket.proto[:MAX_NAME]): socket
        for socket in reversed(facts.each_socket[:MAX_SOCKETS])
    }


def _in_seconds(name: str) -> Callable[[WorkerFacts], float]:
    read = attrgetter(name)
    return lambda worker: float(read(worker)) * US


def _is(status: str) -> Callable[[WorkerFacts], float]:
    return lambda worker: float(worker.status == status)


_MAIN: dict[Entry, Callable[[StatsFacts], float]] = {
    uwsgi.WORKERS: lambda facts: len(_workers(facts)),
    uwsgi.LISTEN_QUEUE: attrgetter("listen_queue"),
    uwsgi.LISTEN_QUEUE_ERRORS: attrgetter("listen_queue_errors"),
    uwsgi.SIGNAL_QUEUE: attrgetter("signal_queue"),
}

_SOCKETS: dict[Entry, Callable[[SocketFacts], float]] = {
    uwsgi.SOCKET_QUEUE: attrgetter("queue"),
    uwsgi.SOCKET_MAX_QUEUE: attrgetter("max_queue"),
    uwsgi.SOCKET_SHARED: attrgetter("shared"),
    uwsgi.SOCKET_CAN_OFFLOAD: attrgetter("can_offload"),
}

_WORKERS: dict[Entry, Callable[[WorkerFacts], float]] = {
    uwsgi.BUSY: _is("busy"),
    uwsgi.IDLE: _is("idle"),
    uwsgi.CHEAP: _is("cheap"),
    uwsgi.ACCEPTING: attrgetter("accepting"),
    uwsgi.REQUESTS: attrgetter("requests"),
    uwsgi.DELTA_REQUESTS: attrgetter("delta_requests"),
    uwsgi.EXCEPTIONS: attrgetter("exceptions"),
    uwsgi.HARAKIRI: attrgetter("harakiri_count"),
    uwsgi.RESPAWNS: attrgetter("respawn_count"),
    uwsgi.SIGNALS: attrgetter("signals"),
    uwsgi.WORKER_SIGNAL_QUEUE: attrgetter("signal_queue"),
    uwsgi.TRANSMITTED: attrgetter("tx"),
    uwsgi.RSS: attrgetter("rss"),
    uwsgi.VSZ: attrgetter("vsz"),
    uwsgi.RESPONSE_TIME: _in_seconds("avg_rt"),
    uwsgi.RUNNING_TIME: _in_seconds("running_time"),
    uwsgi.LAST_SPAWN: attrgetter("last_spawn"),
    uwsgi.APPS: attrgetter("apps"),
    uwsgi.CORES: attrgetter("cores"),
}
