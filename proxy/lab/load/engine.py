"""Many connections to one address, over one epoll: a request out, an outcome back.

It owns sockets, answers' ends and time limits; who asks what and when is the business of `loops`.
Written for little CPU time per request, since it shares the machine with what it measures.

An outcome is the status of a whole answer, or a word: `refused`, `connect` (could not connect for
another reason), `tls` (no handshake, see `secure`), `reset` (before any byte of the answer),
`empty` (closed in good order before any byte), `truncated` (closed or reset within the answer),
`timeout`, `malformed`. When a server closes a connection that was kept before a byte of the next
answer, the request is sent once more on a new one, as browsers do; `retried` counts these.
"""

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

from proxy.lab.load.answer import Answer, BadReply
from proxy.lab.load.ask import Ask

_READ_BYTES: Final = 256 * 1024
_SWEEP_S: Final = 0.1
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR
Outcome = int | str


class Client:
    """One connection, and the one request that may run on it."""

    __slots__ = ("answer", "ask", "connected", "fresh", "left", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.connected = False
        self.fresh = True
        """Whether nothing has been answered on this connection yet."""
        self.ask: Ask | None = None
        self.answer = Answer()
        self.left: memoryview | None = None
        """Of the request, what the socket has not taken yet."""


Finished = Callable[[Client, Ask, Outcome, float], None]
"""Called with the outcome and the time when a request has ended, however it has."""


class Engine:
    """All connections of one load. Use as a context manager: it closes them."""

    def __init__(
        self,
        address: tuple[str, int],
        timeout_s: float,
        finished: Finished,
        keep_alive: bool = True,
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._finished = finished
        self._keep_alive = keep_alive
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._broken: deque[tuple[Client, Outcome]] = deque()
        """Ended while being sent: told at the next poll, not from within `send`."""
        self._next_sweep_s = 0.0
        self.running = 0
        """Requests that have not ended."""
        self.retried = 0
        self.bytes_in = 0

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
        now = time.perf_counter()
        ask.deadline_s = now + self._timeout_s
        ask.sent_s = now
        client.ask = ask
        client.answer = Answer(ask.no_body)
        self.running += 1
        if client.sock is None:
            self._connect(client)
        elif client.connected:
            self._write(client, memoryview(ask.wire))

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
        if timeout_s > 0:
            # epoll waits for whole milliseconds, select for microseconds, and an epoll instance
            # is a descriptor like any other.
            select.select((self._epoll,), (), (), timeout_s)
        for number, event in self._epoll.poll(0):
            client = self._clients.get(number)
            if client is None:
                continue  # closed earlier in this turn
            if not client.connected:
                self._connected(client)
                continue
            if event & _READABLE:
                self._read(client)
            if event & select.EPOLLOUT and client.left is not None:
                self._write(client, client.left)

    def _connect(self, client: Client) -> None:
        client.connected, client.fresh, client.left = False, True, None
        try:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            self._break(client, "connect")
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sock = sock
        code = sock.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            self._break(client, _why_not(code))
            return
        self._clients[sock.fileno()] = client
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def _connected(self, client: Client) -> None:
        assert client.sock is not None
        if code := client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break(client, _why_not(code))
            return
        self._ready(client)

    def _ready(self, client: Client) -> None:
        assert client.sock is not None
        client.connected = True
        self._epoll.modify(client.sock, select.EPOLLIN)
        if client.ask is not None:
            self._write(client, memoryview(client.ask.wire))

    def _write(self, client: Client, data: memoryview) -> None:
        assert client.sock is not None
        try:
            sent = client.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # It does not want the rest, but may have answered: reading tells.
            sent = len(data)
        waited, client.left = client.left is not None, data[sent:] if sent < len(data) else None
        if waited != (client.left is not None):
            both = select.EPOLLIN | select.EPOLLOUT
            self._epoll.modify(client.sock, both if client.left is not None else select.EPOLLIN)

    def _read(self, client: Client) -> None:
        assert client.sock is not None
        try:
            data = client.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._broken_off(client, "reset")
            return
        if not data:
            self._broken_off(client, "empty")
            return
        self.bytes_in += len(data)
        try:
            done = client.answer.feed(data)
            if client.ask is None:
                raise BadReply("nothing was asked")
        except BadReply:
            self._break(client, "malformed")
            return
        if done:
            self._answered(client)

    def _answered(self, client: Client) -> None:
        head = client.answer.head
        assert head is not None
        # Also when not all of the request was taken: what is left of it would be the next one.
        if head.close or not self._keep_alive or client.left is not None:
            self._close(client)
        client.fresh = False
        self._end(client, head.status)

    def _broken_off(self, client: Client, how: str) -> None:
        """The server has closed (`empty`) or reset the connection."""
        answer = client.answer
        if client.ask is None or not answer.bytes_in:
            if client.ask is not None and not client.fresh:
                self._retry(client)
            else:
                self._break(client, how)
        elif how == "empty" and answer.ended():
            self._answered(client)
        else:
            self._break(client, "truncated")

    def _retry(self, client: Client) -> None:
        self.retried += 1
        self._close(client)
        self._connect(client)

    def _end(self, client: Client, outcome: Outcome) -> None:
        ask, client.ask = client.ask, None
        if ask is not None:
            self.running -= 1
            self._finished(client, ask, outcome, time.perf_counter())

    def _break(self, client: Client, outcome: Outcome) -> None:
        self._close(client)
        if client.ask is not None:
            self._broken.append((client, outcome))

    def _close(self, client: Client) -> None:
        if client.sock is not None:
            self._clients.pop(client.sock.fileno(), None)
            client.sock.close()  # which takes it out of the epoll
            client.sock, client.connected, client.left = None, False, None

    def _sweep(self, now: float) -> None:
        for client in list(self._clients.values()):
            if client.ask is not None and client.ask.deadline_s <= now:
                self._break(client, "timeout")


def _why_not(code: int) -> str:
    return "refused" if code == errno.ECONNREFUSED else "connect"
