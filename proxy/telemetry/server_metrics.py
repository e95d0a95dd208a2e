"""A running server for Prometheus: its connections, what they hold in memory, the event loop.

Read when somebody asks, in one pass over the connections; only the lag of the event loop is
measured all the time, by the server's own tick. The numbers of the process (descriptors, CPU,
memory) are `prometheus_client`'s, under the names that everybody knows.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from proxy import __version__
from proxy.compiled import is_compiled
from proxy.connection import Connection, Phase
from proxy.descriptors import DescriptorWatch
from proxy.tally import Histogram, Spools
from proxy.telemetry import catalogue
from proxy.telemetry.family import add, add_histogram

STATES = {
    Phase.NEW: "new",
    Phase.HEAD: "reading",
    Phase.EXCHANGE: "active",
    Phase.IDLE: "idle",
    Phase.ASLEEP: "idle",
    Phase.CLOSING: "closing",
}
"""What a connection does, in the words of the label."""


class Door(Protocol):
    """What is asked of a listener."""

    accepted: int

    @property
    def connections(self) -> Iterable[Connection]:
        """Those that are open."""


class Desk(Protocol):
    """What is asked of the reception."""

    lag: Histogram
    descriptors: DescriptorWatch

    @property
    def parser(self) -> str:
        """The library that reads heads."""


class ServerMetrics:
    """What shows a server. `listeners` are its public ones."""

    def __init__(
        self, listeners: Callable[[], Iterable[Door]], spools: Spools, desk: Desk, loop: str
    ) -> None:
        self._listeners = listeners
        self._spools = spools
        self._desk = desk
        self._build = {
            "version": __version__,
            "python": platform.python_version(),
            "loop": loop,
            "parser": desk.parser,
            "compiled": "yes" if is_compiled() else "no",
        }
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, for `prometheus_client`."""
        yield from self._connections()
        yield from self._files()
        lag = catalogue.LOOP_LAG.family()
        add_histogram(lag, (), self._desk.lag)
        yield lag
        build = catalogue.BUILD.family()
        add(build, self._build.values(), 1)
        yield build
        yield from self._process.collect()

    def _connections(self) -> Iterator[Metric]:
        accepted = unsent = unread = running = 0
        states = Counter(dict.fromkeys(STATES.values(), 0))
        for listener in self._listeners():
            accepted += listener.accepted
            for connection in listener.connections:
                states[STATES[connection.phase]] += 1
                running += connection.record is not None
                unsent += connection.unsent_bytes
                unread += connection.unread_bytes
        in_flight = catalogue.IN_FLIGHT.family()
        add(in_flight, (), running)
        yield in_flight
        connections = catalogue.CONNECTIONS.family()
        for state, count in states.items():
            add(connections, (state,), count)
        yield connections
        total = catalogue.ACCEPTED.family()
        add(total, (), accepted)
        yield total
        shed, watch = catalogue.SHED.family(), self._desk.descriptors
        add(shed, ("turned_away",), watch.turned_away)
        add(shed, ("gave_way",), watch.gave_way)
        yield shed
        buffered = catalogue.BUFFERED.family()
        for what, size in (
            ("request_bodies", self._spools.requests.in_memory),
            ("replies", self._spools.replies.in_memory),
            ("unread", unread),
            ("unsent", unsent),
        ):
            add(buffered, (what,), size)
        yield buffered

    def _files(self) -> Iterator[Metric]:
        size, count = catalogue.TEMP_FILE_BYTES.family(), catalogue.TEMP_FILES.family()
        for what, tally in (
            ("request_bodies", self._spools.requests),
            ("replies", self._spools.replies),
        ):
            add(size, (what,), tally.in_files)
            add(count, (what,), tally.files)
        yield size
        yield count
