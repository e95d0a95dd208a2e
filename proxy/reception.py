"""What the listeners of one event loop have in common: time, the Date header, how heads are read.

Makes listeners from sockets; who serves their requests is told for each. A server has one for the
public and the admin listeners together; the supervisor of several workers has one for the admin
listener alone.
"""

import asyncio
import errno
import time
from collections.abc import Callable
from email.utils import formatdate
from socket import socket

from protocol.headers import HeaderDigest
from protocol.http1.libraries import choose_engine
from protocol.http1.reader import RequestReader
from protocol.http1.writer import HeadWriter
from protocol.identity import withheld_names
from protocol.params import withheld_headers
from proxy.clock import TICK_S, Deadlines
from proxy.connection import Serve, Terms
from proxy.descriptors import Allowance, DescriptorWatch, highest_for_clients
from proxy.disclosure import choose_disclosure
from proxy.exits import StartError
from proxy.listener import Listener, bind, set_buffers
from proxy.record import Sink
from proxy.settings import Address, ClientSettings, PacketSettings, ServerSettings, Settings
from proxy.tally import Histogram
from proxy.tls.handshakes import Handshakes


def open_listener(address: Address, backlog: int, *, private: bool = False) -> socket:
    """Return a listening socket; see `bind` for `private`.

    Raises:
        StartError: the address cannot be used.
    """
    try:
        return bind(address, backlog, private=private)
    except OSError as error:
        why = error.strerror or str(error)
        if remedy := _remedy(error.errno, address):
            why += f"; {remedy}"
        raise StartError(f"cannot listen on {address}: {why}") from error


def _remedy(number: int | None, address: Address) -> str:
    """Say what to do about an address that cannot be had; empty if nobody knows."""
    if number == errno.EADDRINUSE:
        shown = "ss -lxp" if address.is_unix else "ss -ltnp"
        return f"another program listens there ({shown} shows which): stop it, or take another"
    if number == errno.EADDRNOTAVAIL:
        return "no interface of this machine has this address; write :PORT to listen on all of them"
    if number == errno.EACCES and address.is_unix:
        return "its directory must be writable for this user"
    if number == errno.EACCES:
        return (
            "low ports are for root: give the process CAP_NET_BIND_SERVICE "
            "(AmbientCapabilities= of systemd), or take one above 1023"
        )
    return ""


def open_public(address: Address, server: ServerSettings) -> socket:
    """Return a listening socket for clients.

    Raises:
        StartError: the address cannot be used.
    """
    sock = open_listener(address, server.backlog)
    set_buffers(sock, server.send_buffer_bytes, server.receive_buffer_bytes)
    return sock


class Reception:
    """See the module. It ticks from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        packet: PacketSettings,
        loop: asyncio.AbstractEventLoop,
        on_connection_end: Callable[[], None],
        on_tick: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            packet: what applications are told, which is not what is configured in all cases.
            on_connection_end: called when a connection of any listener has ended.
            on_tick: called several times a second.
        """
        self.deadlines = Deadlines(time.monotonic())
        self.lag = Histogram()
        """How much later than planned the event loop ticks."""
        self._due = time.monotonic()
        self.descriptors = DescriptorWatch()
        self._settings = settings
        self._loop = loop
        self._on_connection_end = on_connection_end
        self._on_tick = on_tick
        self._engine = choose_engine(settings.server.http_parser)
        self._writer = HeadWriter(settings.server.server_header)
        self._packet = packet
        self._withheld = withheld_headers(packet) | withheld_names(settings.identity)
        self._disclose = choose_disclosure(settings.identity)
        self._ticking: asyncio.TimerHandle | None = None
        self._date = 0

    @property
    def parser(self) -> str:
        """The library that reads heads."""
        return self._engine.name

    def start(self) -> None:
        """Let time pass."""
        self._due = time.monotonic()
        self._tick()

    def stop(self) -> None:
        """Let it stand still. May be called twice."""
        if self._ticking is not None:
            self._ticking.cancel()

    async def listen(
        self,
        sock: socket,
        serve: Serve,
        publish: Sink,
        client: ClientSettings | None = None,
        handshakes: Handshakes | None = None,
    ) -> Listener:
        """Begin to accept from a listening socket, which is owned from here on.

        `client` is what its connections may do, if that is not what is configured. With
        `handshakes` they speak TLS.
        """
        settings = self._settings
        is_public = client is None
        disclose = self._disclose if is_public else None
        client = client or settings.client
        digest = HeaderDigest(client, self._packet, self._withheld)
        allow_control = settings.packet.dangerously_pass_control_characters

        def new_reader() -> RequestReader:
            return RequestReader(client, digest, self._engine, allow_control)

        terms = Terms(client, new_reader, self._writer, serve, publish, disclose)
        on_end = self._on_connection_end
        listener = Listener(sock, terms, self.deadlines, time.monotonic, on_end, handshakes)
        if is_public:
            listener.allowance = Allowance(highest_for_clients())
            listener.watch = self.descriptors
        await listener.start(self._loop, settings.server.backlog)
        return listener

    def _tick(self) -> None:
        try:
            self._let_pass(time.monotonic())
        finally:  # whatever goes wrong: without ticks no deadline would ever end
            self._due = time.monotonic() + TICK_S
            self._ticking = self._loop.call_later(TICK_S, self._tick)

    def _let_pass(self, now: float) -> None:
        self.lag.observe(max(0.0, now - self._due))
        self.deadlines.expire(now)
        second = int(time.time())
        if second != self._date:
            self._date = second
            self._writer.set_date(formatdate(second, usegmt=True).encode())
            self.descriptors.look(now)
        self._on_tick()
