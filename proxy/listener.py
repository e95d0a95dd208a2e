"""Accepts client connections: TCP, unix sockets, ports chosen by the kernel.

Owns the listening sockets and the set of open connections, and finds out the facts about each
client. What a connection does is in `proxy.connection`.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import replace
from heapq import nsmallest
from logging import getLogger
from typing import cast

from protocol.messages import ConnectionFacts
from proxy.clock import Deadlines
from proxy.connection import Connection, Phase, Terms
from proxy.descriptors import Allowance, DescriptorWatch
from proxy.settings import Address
from proxy.stream import CallSoon, Stream
from proxy.tls.handshakes import Handshakes
from proxy.tls.stream import TlsStream
from proxy.waiting import Vigil

log = getLogger(__name__)

_WITHOUT_REQUEST = {
    Phase.IDLE: 0,
    Phase.ASLEEP: 0,
    Phase.NEW: 1,
    Phase.HEAD: 1,
    Phase.CLOSING: 1,
}
"""Phases in which a connection can give way to another one, the best of them first."""

MAX_AT_ONCE = 4
"""Connections that asyncio accepts before it turns to anything else."""

_IDLE = {Phase.IDLE: 0, Phase.ASLEEP: 0}
"""Those in which nobody can have noticed."""


def bind(address: Address, backlog: int, *, private: bool = False) -> socket.socket:
    """Return a listening socket. A unix socket that nobody serves any more is replaced.

    `private`: the file of a unix socket is for its owner and its group only.

    Raises:
        OSError: the address cannot be used.
    """
    if address.path:
        return _bind_unix(address.path, backlog, private)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With its protocol named: only then does asyncio turn Nagle's algorithm off for connections.
    sock = OwnSocket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def set_buffers(sock: socket.socket, send_bytes: int, receive_bytes: int) -> None:
    """Set the kernel's buffers of connections to come; 0 leaves one to the kernel.

    They are inherited from the listening socket, by TCP only: on Linux a connection to a unix
    socket has the system's default, whatever its listener has.
    """
    if send_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)


def _bind_unix(path: str, backlog: int, private: bool) -> socket.socket:
    _remove_stale(path)
    sock = OwnSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        if private and not path.startswith("\0"):
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & 0o770)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket file that its server has left behind, and nothing else."""
    if path.startswith("\0"):
        return
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            except OSError:
                pass


def bound_address(sock: socket.socket) -> Address:
    """Return where a socket really listens: port 0 has become a real one."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return Address(path=name if isinstance(name, str) else name.decode(errors="replace"))
    return Address(host=name[0], port=name[1])


def url_of(address: Address) -> str:
    """Return what to type into a client: `http://127.0.0.1:8080`, or `unix:/path`."""
    if address.path:
        return address.plain
    return f"{'https' if address.tls else 'http'}://{address.plain}"


class OwnSocket(socket.socket):
    """A listening socket of one process. Its queue has the length that it was given first."""

    _listens = False

    def listen(self, backlog: int = 0) -> None:
        """Listen, once: what an event loop says later is how many it accepts at once."""
        if not self._listens:
            self._listens = True
            super().listen(backlog)


class SharedSocket(socket.socket):
    """A listening socket that several processes accept from.

    A connection waits in its queue for whoever comes first, so none is lost with a process that
    dies. Its file and the length of its queue are the business of whoever has bound it.
    """

    def listen(self, backlog: int = 0) -> None:
        """Leave the queue as it is: what an event loop says here is how many it accepts at once."""


def accept_at_once(sock: socket.socket, loop: asyncio.AbstractEventLoop, backlog: int) -> int:
    """Return the backlog to give to an event loop, so that processes that share a socket get equal
    parts, and none takes more than it has descriptors for.

    asyncio takes it for the number of connections to accept in one go: with all of them, one
    process gets a whole burst, and nobody looks at it before it is there. Out of descriptors, it
    also reports an error for each. uvloop always accepts one, and gives the number to the kernel.
    """
    if not isinstance(loop, asyncio.BaseEventLoop):
        return backlog
    if isinstance(sock, SharedSocket):
        return 1
    return min(backlog, MAX_AT_ONCE) if isinstance(sock, OwnSocket) else backlog


class SocketFile:
    """The file of a unix socket that we have bound; nothing for other sockets."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._inode = _inode(address)

    def remove(self) -> None:
        """Remove it, unless somebody else's is there by now."""
        if self._inode is not None and _inode(self._address) == self._inode:
            with contextlib.suppress(OSError):
                os.unlink(self._address.path)


class Listener:
    """One listening socket and its open connections."""

    def __init__(
        self,
        sock: socket.socket,
        terms: Terms,
        deadlines: Deadlines,
        clock: Callable[[], float],
        on_connection_end: Callable[[], None],
        handshakes: Handshakes | None = None,
    ) -> None:
        """Prepare; with `handshakes`, clients speak TLS here."""
        self.handshakes = handshakes
        self.address = replace(bound_address(sock), tls=handshakes is not None)
        self.terms = terms
        self.connections: set[Connection] = set()
        self.accepted = 0
        """Connections so far."""
        self.max_connections = 0
        """At a time; 0 for no limit. One without a request gives way, else the new one goes."""
        self.turned_away = 0
        """New connections for which there was no room."""
        self.allowance: Allowance | None = None
        """When it is used up, one that idles gives way, else the new one goes."""
        self.watch: DescriptorWatch | None = None
        """Is told when that happens."""
        self._sock = sock
        self._deadlines = deadlines
        self._clock = clock
        self._on_connection_end = on_connection_end
        self._server: asyncio.AbstractServer | None = None
        self._file = None if isinstance(sock, SharedSocket) else SocketFile(self.address)
        self._call_soon: CallSoon

    @property
    def url(self) -> str:
        """What to type into a client."""
        return url_of(self.address)

    async def start(self, loop: asyncio.AbstractEventLoop, backlog: int) -> None:
        """Begin to accept. `backlog` is that of the socket: the event loop sets it once more."""
        self._call_soon = loop.call_soon
        backlog = accept_at_once(self._sock, loop, backlog)
        # For unix sockets, too: `create_unix_server` removes the file when it closes, since Python
        # 3.13, and with it the way to those who still accept from a shared socket.
        create = loop.create_server
        try:
            # In two steps: asyncio waits a turn behind its second, and whoever is cancelled then
            # must know what has been made.
            self._server = await create(
                self._new_stream, sock=self._sock, backlog=backlog, start_serving=False
            )
            await self._server.start_serving()
        except BaseException:
            self.stop()
            self._sock.close()
            raise

    def part(self) -> None:
        """Go on accepting, but tell each client with its response to come back elsewhere."""
        self.terms.parting = True
        for connection in self.connections:
            connection.part()

    def stop(self) -> None:
        """Stop accepting, and drain: idle connections close, the others finish what runs."""
        if self._server is not None:
            self._server.close()
            self._server = None
            if self._file is not None:
                self._file.remove()
        self.terms.draining = True
        if self.handshakes is not None:
            self.handshakes.stop()
        for connection in list(self.connections):
            connection.drain()

    def cut(self) -> int:
        """End every connection at once; return how many were in the middle of an exchange."""
        busy = sum(connection.record is not None for connection in self.connections)
        for connection in list(self.connections):
            connection.cut()
        return busy

    def _new_stream(self) -> asyncio.Protocol:
        vigil = Vigil(self._deadlines, self._clock)
        if self.handshakes is not None:
            stream: Stream = self.handshakes.new_stream(vigil, self._on_connect, self._call_soon)
        else:
            stream = Stream(vigil, self._on_connect, self._call_soon)
        return cast(asyncio.Protocol, stream)  # it is one in all but its bases

    @property
    def open(self) -> int:
        """Clients that are connected."""
        return len(self.connections) + self.shaking

    @property
    def shaking(self) -> int:
        """Clients in the middle of a TLS handshake."""
        return len(self.handshakes.running) if self.handshakes is not None else 0

    def _has_room(self, stream: Stream) -> bool:
        """Return whether there is room for one more connection, after another has left."""
        if self.max_connections and self.open >= self.max_connections:
            return self._let_go(_WITHOUT_REQUEST, 1) > 0
        if self.allowance is None:
            return True
        newest = stream.transport.get_extra_info("socket").fileno()
        surplus = self.allowance.surplus(newest, self.open + 1, self._clock())
        if surplus <= 0:
            return True
        let_go = self._let_go(_IDLE, surplus)
        has_room = let_go > 0 or newest <= self.allowance.highest
        if self.watch is not None:
            self.watch.note(gave_way=let_go, turned_away=not has_room)
        return has_room

    def _let_go(self, phases: dict[Phase, int], most: int) -> int:
        """End so many connections that are in one of these phases, and return how many there were.

        Those are such that have no request to answer: idle, or else those that have taken longest
        to send a head, or to take their last answer. So clients that are slow with theirs, on
        purpose or not, keep nobody out.
        """
        waiting = [one for one in self.connections if one.phase in phases]
        chosen = nsmallest(most, waiting, key=lambda one: (phases[one.phase], one.head_started))
        for connection in chosen:
            self.connections.discard(connection)  # not to be chosen again before it has ended
            connection.cut()
        return len(chosen)

    def _on_connect(self, stream: Stream) -> None:
        if not self._has_room(stream):
            self.turned_away += 1
            stream.abort()
            return
        self.accepted += 1
        facts = find_facts(stream.transport)
        if self.handshakes is None:
            self._begin(stream, facts)
        else:
            assert isinstance(stream, TlsStream)
            self.handshakes.begin(stream, facts, self._begin, self._on_connection_end)

    def _begin(self, stream: Stream, facts: ConnectionFacts) -> None:
        connection = Connection(stream, facts, self.terms)
        self.connections.add(connection)

        def on_end(error: BaseException | None) -> None:
            self.connections.discard(connection)
            self._on_connection_end()
            if error is not None:
                log.error("internal_error: a connection ended in a bug", exc_info=error)

        stream.vigil.wake.start(connection.run(), on_end)


def _inode(address: Address) -> tuple[int, int] | None:
    if not address.path or address.path.startswith("\0"):
        return None
    with contextlib.suppress(OSError):
        facts = os.stat(address.path)
        return facts.st_dev, facts.st_ino
    return None


def find_facts(transport: asyncio.BaseTransport) -> ConnectionFacts:
    """Return what the kernel knows about a client connection."""
    peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not isinstance(peer, tuple) or not isinstance(local, tuple):
        return ConnectionFacts()
    return ConnectionFacts(
        remote_addr=str(peer[0]).encode(),
        remote_port=str(peer[1]).encode(),
        server_port=str(local[1]).encode(),
    )
