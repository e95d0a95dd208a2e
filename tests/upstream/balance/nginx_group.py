"""A real nginx in front of a group of small servers, and what a group of ours does beside it.

nginx tells for each request which servers it tried, in order (`$upstream_addr`). `Rotation` plays
the same requests on an algorithm, with nginx's rules for failures, so that the two can be compared
request by request.
"""

import contextlib
import queue
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Literal, Self

from proxy.settings import Address, Algorithm, BackendSettings, BalanceSettings
from proxy.testing import Close, FakeBackend, Pause, Received, Send, Step, missing, refuse
from proxy.upstream.backend import Backend
from proxy.upstream.balance import Query, make_balance
from tests.differential.nginx import Nginx, listener
from tests.upstream.balance.members import member

DEADLINE_S = 20.0

_GROUP = """
upstream group {{ {directive} {servers} }}
server {{
    listen {listen};
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    add_header X-Tried $upstream_addr always;
    location / {{ uwsgi_pass group; }}
}}
"""

_REPLY = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@dataclass(frozen=True)
class Server:
    """One line of a group. Failures are remembered for longer than any test runs."""

    weight: int = 1
    kind: Literal["tcp", "unix", "refusing", "missing"] = "tcp"
    down: bool = False
    max_fails: int = 1

    def line(self, address: Address) -> str:
        """Return it as nginx reads it."""
        down = " down" if self.down else ""
        rest = f"weight={self.weight} max_fails={self.max_fails} fail_timeout=1h{down}"
        return f"server {address} {rest};"

    @property
    def is_alive(self) -> bool:
        """Whether anybody answers there."""
        return self.kind in ("tcp", "unix")


class Group:
    """nginx, with this algorithm's directive, and its servers.

    A server closes instead of replying when the path is `/fail/N` and it is the N-th, and holds a
    request to `/hold/...` until it is released.
    """

    def __init__(
        self, prefix: Path, directive: str, servers: Sequence[Server], listen: str = "tcp"
    ) -> None:
        self.servers = servers
        self._prefix = prefix
        self._directive = directive
        self._listen = listen
        self._arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._gates: dict[bytes, Event] = {}
        self._held: dict[bytes, socket.socket] = {}
        self._stack = contextlib.ExitStack()
        self.addresses: list[Address] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.addresses = [self._place(i, one, stack) for i, one in enumerate(self.servers)]
            sock, self._address = listener(self._listen, self._prefix, "front")
            stack.enter_context(sock)
            lines = [
                server.line(address)
                for server, address in zip(self.servers, self.addresses, strict=True)
            ]
            block = _GROUP.format(
                directive=self._directive, servers=" ".join(lines), listen=self._address
            )
            nginx = Nginx(self._prefix, block, [sock])
            stack.callback(nginx.stop)
            stack.callback(self._hang_up)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _hang_up(self) -> None:
        for connection in self._held.values():
            connection.close()

    def _place(self, number: int, server: Server, stack: contextlib.ExitStack) -> Address:
        match server.kind:
            case "tcp" | "unix":

                def script(received: Received) -> Sequence[Step]:
                    return self._answer(number, received)

                return stack.enter_context(FakeBackend(script, server.kind)).address
            case "refusing":
                return stack.enter_context(refuse("tcp"))
            case "missing":
                return stack.enter_context(missing())

    def _answer(self, number: int, received: Received) -> Sequence[Step]:
        path = received.value("REQUEST_URI")
        if path == b"/fail/%d" % number:
            return (Close(),)
        if path in self._gates:
            self._arrivals.put(number)
            return (Pause(self._gates[path]), _REPLY)
        return (_REPLY,)

    def ask(self, path: bytes = b"/", *headers: bytes) -> list[int]:
        """Return the numbers of the servers that nginx tried for one request, in order."""
        with self._send(path, *headers) as connection:
            return self._tried(connection)

    def hold(self, name: bytes) -> int:
        """Send a request that will be held; return the number of the server that has got it."""
        path = b"/hold/" + name
        self._gates[path] = Event()
        self._held[path] = self._send(path)
        return self._arrivals.get(timeout=DEADLINE_S)

    def release(self, name: bytes) -> None:
        """Let a held request end, and wait for that."""
        path = b"/hold/" + name
        self._gates[path].set()
        with self._held.pop(path) as connection:
            self._tried(connection)

    def _send(self, path: bytes, *headers: bytes) -> socket.socket:
        where = self._address
        connection = socket.socket(socket.AF_UNIX if where.is_unix else socket.AF_INET)
        connection.settimeout(DEADLINE_S)
        connection.connect(where.path or (where.host, where.port))
        head = b"\r\n".join((b"GET %b HTTP/1.0" % path, *headers, b"", b""))
        connection.sendall(head)
        return connection

    def _tried(self, connection: socket.socket) -> list[int]:
        answer = b""
        while data := connection.recv(65536):
            answer += data
        head = answer.partition(b"\r\n\r\n")[0].decode()
        assert head.startswith("HTTP/1.1 200"), head
        (line,) = [line for line in head.split("\r\n") if line.startswith("X-Tried: ")]
        names = [str(address) for address in self.addresses]
        return [names.index(one) for one in line.removeprefix("X-Tried: ").split(", ")]


class Rotation:
    """An algorithm of ours over the same servers, failing like them, by nginx's rules."""

    def __init__(self, algorithm: Algorithm, group: Group, rng: random.Random) -> None:
        self.backends = tuple(
            member(
                str(number),
                BackendSettings(address, weight=one.weight, down=one.down, max_fails=one.max_fails),
            )
            for number, (one, address) in enumerate(
                zip(group.servers, group.addresses, strict=True)
            )
        )
        self._group = group
        self._balance = make_balance(BalanceSettings(algorithm), rng)
        self._fails = [0] * len(self.backends)

    def ask(self, query: Query, failing: int | None = None) -> list[int]:
        """Return the servers that one request tries, in order."""
        tried: list[int] = []
        while True:
            backend = self.choose(query, tried)
            number = self.backends.index(backend)
            tried.append(number)
            if self._group.servers[number].is_alive and number != failing:
                return tried
            self._fails[number] += 1
            lost = backend.weight // backend.settings.max_fails
            backend.effective_weight = max(0, backend.effective_weight - lost)

    def choose(self, query: Query, tried: Sequence[int] = ()) -> Backend:
        """Return the choice among those that nginx would hold for usable."""
        usable = [
            backend
            for number, backend in enumerate(self.backends)
            if number not in tried
            and not backend.down
            and self._fails[number] < backend.settings.max_fails
        ]
        chosen = self._balance.choose(self.backends, usable, query)
        assert chosen in usable
        return chosen
