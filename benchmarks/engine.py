"""Many keep-alive connections to one port, over one epoll: a request out, an answer or a kind back.

It owns sockets, answers' ends and timeouts; who asks what and when is the business of `loops`.
Written for little CPU time per request, since it shares the machine with what it measures.
"""

import errno
import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

from benchmarks.clients import HOST, BadReply
from benchmarks.tally import kind_of

_HEAD_LIMIT_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_SWEEP_S = 0.5
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ?")


class Head(NamedTuple):
    """What of a response head matters here."""

    status: int
    body_bytes: int
    close: bool
    """Whether the server closes the connection after it."""


@lru_cache(maxsize=64)
def read_head(head: bytes) -> Head:
    """Read a head, its empty line included. Servers in trouble repeat themselves: it is cached.

    Raises:
        BadReply: it is no response head, or has no length.
    """
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if status is None or length is None:
        raise BadReply(repr(head[:200]))
    close = _CLOSE.search(head) is not None or head.startswith(b"HTTP/1.0")
    return Head(int(status[1]), int(length[1]), close)


@dataclass(slots=True)
class Ask:
    """One request."""

    path: str
    since_s: float
    """When it was meant to be sent, by `time.perf_counter`; its latency counts from here."""
    quick: bool = True
    deadline_s: float = 0.0
    """When the engine gives it up."""


class Client:
    """One connection, and the one request that may run on it."""

    __slots__ = ("ask", "connected", "got", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.connected = False
        self.ask: Ask | None = None
        self.got = b""


Finished = Callable[[Client, Ask, str, float], None]
"""Called with the kind (see `tally`) and the time when a request has ended, however it has."""


class Engine:
    """All connections of one load. Use as a context manager: it closes them."""

    def __init__(
        self, port: int, timeout_s: float, finished: Finished, body_bytes: int = 0
    ) -> None:
        self._rest = b" HTTP/1.1\r\nHost: bench\r\n\r\n"
        self._method = b"GET "
        if body_bytes:
            length = b"Content-Length: %d\r\n\r\n" % body_bytes
            self._rest = self._rest[:-2] + length + bytes(body_bytes)
            self._method = b"POST "
        self._address = (HOST, port)
        self._timeout_s = timeout_s
        self._finished = finished
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._broken: deque[tuple[Client, str]] = deque()
        """Ended while being sent: told at the next poll, not from within `send`."""
        self._next_sweep_s = 0.0
        self.running = 0
        """Requests that have not ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in list(self._clients.values()):
            self._close(client)
        self._epoll.close()

    def open(self) -> Client:
        """Return a client that begins to connect."""
        client = Client()
        self._connect(client)
        return client

    def settle(self, clients: Sequence[Client]) -> None:
        """Wait until these are connected.

        Raises:
            OSError: one could not, or not within the timeout.
        """
        deadline_s = time.perf_counter() + self._timeout_s
        while not all(each.connected for each in clients):
            if any(each.sock is None for each in clients):
                raise ConnectionRefusedError(errno.ECONNREFUSED, "a client could not connect")
            if time.perf_counter() > deadline_s:
                raise TimeoutError(errno.ETIMEDOUT, "connecting took too long")
            self._turn(0.1)

    def send(self, client: Client, ask: Ask) -> None:
        """Begin a request on a client that has none; connects again if need be. Calls nobody."""
        ask.deadline_s = time.perf_counter() + self._timeout_s
        client.ask = ask
        self.running += 1
        if client.sock is None:
            self._connect(client)
        elif client.connected:
            self._write(client, ask)

    def poll(self, timeout_s: float) -> None:
        """Wait for something to happen, at most `timeout_s`, and tell `finished` what has ended."""
        self._turn(0.0 if self._broken else timeout_s)
        for _ in range(len(self._broken)):
            self._end(*self._broken.popleft())
        now = time.perf_counter()
        if now >= self._next_sweep_s:
            self._next_sweep_s = now + _SWEEP_S
            self._sweep(now)

    def _turn(self, timeout_s: float) -> None:
        for number, event in self._epoll.poll(timeout_s):
            client = self._clients.get(number)
            if client is None:
                continue  # closed earlier in this turn
            if event & select.EPOLLOUT and not client.connected:
                self._connected(client)
            elif event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self._read(client)

    def _connect(self, client: Client) -> None:
        sock = socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sock, client.connected, client.got = sock, False, b""
        if sock.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            self._break(client, "refused")
            return
        self._clients[sock.fileno()] = client
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def _connected(self, client: Client) -> None:
        assert client.sock is not None
        if client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break(client, "refused")
            return
        client.connected = True
        self._epoll.modify(client.sock, select.EPOLLIN)
        if client.ask is not None:
            self._write(client, client.ask)

    def _write(self, client: Client, ask: Ask) -> None:
        assert client.sock is not None
        text = self._method + ask.path.encode() + self._rest
        try:
            sent = client.sock.send(text)
        except OSError:
            sent = 0
        if sent != len(text):  # an empty socket buffer takes far more than that
            self._break(client, "reset")

    def _read(self, client: Client) -> None:
        assert client.sock is not None
        try:
            data = client.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._break(client, "reset" if client.connected else "refused")
            return
        client.got = client.got + data if client.got else data
        try:
            head = self._answer(client.got)
        except BadReply:
            self._break(client, "malformed")
            return
        if head is not None:
            if head.close:
                self._close(client)
            self._end(client, kind_of(head.status))

    @staticmethod
    def _answer(got: bytes) -> Head | None:
        """Return the head of a whole answer; None while there is more to come."""
        end = got.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(got) > _HEAD_LIMIT_BYTES:
                raise BadReply("endless head")
            return None
        head = read_head(got[:end])
        missing = end + head.body_bytes - len(got)
        if missing < 0:
            raise BadReply("more than its length")
        return None if missing else head

    def _end(self, client: Client, kind: str) -> None:
        ask, client.ask, client.got = client.ask, None, b""
        if ask is not None:
            self.running -= 1
            self._finished(client, ask, kind, time.perf_counter())

    def _break(self, client: Client, kind: str) -> None:
        self._close(client)
        if client.ask is not None:
            self._broken.append((client, kind))

    def _close(self, client: Client) -> None:
        if client.sock is not None:
            self._clients.pop(client.sock.fileno(), None)
            client.sock.close()  # which takes it out of the epoll
            client.sock, client.connected = None, False

    def _sweep(self, now: float) -> None:
        for client in list(self._clients.values()):
            if client.ask is not None and client.ask.deadline_s <= now:
                self._break(client, "timeout")
