r"""A whole front end in memory, so that a test reads as a transcript of the wire.

    wire = Harness()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.backend.channel.end(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert client.received().endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert wire.records[0].status == 200

Real are the connection, the exchange and all they use, except for sockets, time and the event loop.
"""

from itertools import count
from random import Random

from protocol.headers import HeaderDigest
from protocol.http1.libraries import choose_engine
from protocol.http1.reader import RequestReader
from protocol.http1.writer import HeadWriter
from protocol.identity import BeginSpan, Identifier, count_variables, withheld_names
from protocol.params import PacketBuilder, withheld_headers
from protocol.reply import ReplyParser
from proxy.connection import Connection, Serve, Terms
from proxy.disclosure import choose_disclosure
from proxy.exchange import Means
from proxy.listener import find_facts
from proxy.record import Record
from proxy.settings import Address, BackendSettings, Settings
from proxy.stream import Stream
from proxy.tally import Spools
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.connector import UpstreamMeans
from proxy.upstream.pool import Pool
from proxy.upstream.timing import Timing
from proxy.waiting import Vigil

DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"
"""In every response that the harness writes."""


class Harness:
    """A front end with `backends` backends in memory.

    Args:
        settings: all but the addresses of the backends.
        max_fails: of each backend; 0 pauses none, whatever fails.
        serve: what serves the requests; by default exchanges with the backends.
        begin_span: what reports spans, where requests have a trace.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        backends: int = 1,
        max_fails: int = 1,
        serve: Serve | None = None,
        begin_span: BeginSpan | None = None,
    ) -> None:
        self._begin_span = begin_span
        self.settings = settings or Settings()
        self.clock = FakeClock()
        self.backends = [
            MemoryBackend(Address(path=f"/run/{number}.sock")) for number in range(backends)
        ]
        self.network = MemoryNetwork(self.clock, self.backends)
        timing = Timing(self.clock, self.clock.call_soon, self.clock.call_later, Random(1))
        self.pool = Pool(self.settings.upstream, timing)
        for backend in self.backends:
            options = BackendSettings(backend.address, max_fails=max_fails)
            self.pool.add(options, backend.address)
        self.records: list[Record] = []
        """One for each finished exchange, in order."""
        self.escaped: list[BaseException] = []
        """What has ended a connection although nothing should: bugs."""
        self.connections: set[Connection] = set()
        self.spools = Spools()
        """What rests in the spools of all exchanges."""
        self.terms = self._make_terms(serve or self._make_serve())

    @property
    def backend(self) -> MemoryBackend:
        """The first backend."""
        return self.backends[0]

    @property
    def in_flight(self) -> int:
        """Leases that have not been returned."""
        return sum(backend.in_flight for backend in self.pool.backends)

    def client(
        self,
        peername: tuple[str, int] | str = ("192.0.2.1", 40000),
        sockname: tuple[str, int] | str = ("192.0.2.99", 80),
    ) -> MemoryClient:
        """Connect a client."""
        return MemoryClient(self.clock, self._new_stream, peername, sockname)

    def part(self) -> None:
        """Do to the connections what a server does in its drain delay."""
        self.terms.parting = True
        for connection in self.connections:
            connection.part()
        self.clock.settle()

    def drain(self) -> None:
        """Do to the connections what a server does that stops."""
        self.terms.draining = True
        for connection in list(self.connections):
            connection.drain()
        self.clock.settle()

    def cut(self) -> None:
        """Do to the connections what a server does that cannot wait any longer."""
        for connection in list(self.connections):
            connection.cut()
        self.clock.settle()

    def _new_stream(self) -> Stream:
        vigil = Vigil(self.clock.deadlines, self.clock)
        return Stream(vigil, self._on_connect, self.clock.call_soon)

    def _on_connect(self, stream: Stream) -> None:
        connection = Connection(stream, find_facts(stream.transport), self.terms)
        self.connections.add(connection)

        def on_end(error: BaseException | None) -> None:
            self.connections.discard(connection)
            if error is not None:
                self.escaped.append(error)

        stream.vigil.wake.start(connection.run(), on_end)

    def _make_terms(self, serve: Serve) -> Terms:
        settings, packet = self.settings, self.settings.packet
        engine = choose_engine(settings.server.http_parser)
        withheld = withheld_headers(packet) | withheld_names(settings.identity)
        digest = HeaderDigest(settings.client, packet, withheld)
        writer = HeadWriter(settings.server.server_header)
        writer.set_date(DATE)

        def new_reader() -> RequestReader:
            allow_control = packet.dangerously_pass_control_characters
            return RequestReader(settings.client, digest, engine, allow_control)

        disclose = choose_disclosure(settings.identity)
        return Terms(settings.client, new_reader, writer, serve, self.records.append, disclose)

    def _make_serve(self) -> Serve:
        settings = self.settings
        parser = ReplyParser(settings.upstream, settings.packet.dangerously_pass_control_characters)
        # What all exchanges share; here for tests to look at.
        self.upstream = UpstreamMeans(settings.upstream, self.pool, self.network, parser)
        means = Means(
            settings,
            PacketBuilder(settings.packet, count_variables(settings.identity)),
            lambda request: self.upstream,
            self.clock.call_later,
            self.spools,
        )
        if count_variables(settings.identity):
            numbers = count(1)
            means.identify = Identifier(
                settings.identity,
                lambda size: next(numbers).to_bytes(size, "big"),
                self._begin_span,
            )
        return means.serve
