"""Slow clients: some upload a few bytes per second, some read a long reply a few bytes per second.

They hold whatever a server gives a client until its last byte. A front end that buffers gives them
a buffer; a server that does not gives them a worker. Standard library only, one epoll-free loop:
there are few of them and they do little.
"""

import dataclasses
import json
import select
import socket
import time
from dataclasses import dataclass
from typing import IO, Any, Literal, Self

_RECEIVE_BUFFER_BYTES = 4096
"""Small, or the kernel would take a long reply for a client that does not read it."""
_STEP_S = 0.2


@dataclass(frozen=True, slots=True)
class SlowPlan:
    """Some slow clients; they stay until they are told to leave, or `seconds` have passed."""

    port: int
    host: str = "127.0.0.1"
    clients: int = 4
    way: Literal["up", "down"] = "up"
    path: str = "/"
    bytes_per_s: int = 5
    body_bytes: int = 100_000
    """That an uploading client announces; it never comes to its end."""
    seconds: float = 60.0

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        said: dict[str, Any] = json.loads(text)
        return cls(**said)


class SlowClient:
    """One of them."""

    def __init__(self, plan: SlowPlan) -> None:
        self._plan = plan
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._sock.settimeout(10.0)
        self._sock.connect((plan.host, plan.port))
        self._sock.sendall(self._head())
        self._sock.setblocking(False)
        self.moved = 0
        """Body bytes sent, or bytes read."""
        self.ended = False
        """Whether the server has answered an upload before its end, or closed."""

    def _head(self) -> bytes:
        plan = self._plan
        host = f"Host: {plan.host}:{plan.port}\r\n"
        if plan.way == "down":
            return f"GET {plan.path} HTTP/1.1\r\n{host}\r\n".encode("latin-1")
        length = f"Content-Length: {plan.body_bytes}\r\n"
        return f"POST {plan.path} HTTP/1.1\r\n{host}{length}\r\n".encode("latin-1")

    def step(self, allowed: int) -> None:
        """Move bytes, until `allowed` in all have been moved."""
        count = min(allowed, self._plan.body_bytes - 1) - self.moved
        if self.ended or count <= 0:
            return
        try:
            if self._plan.way == "down":
                data = self._sock.recv(count)
                self.ended = not data
                self.moved += len(data)
            elif select.select((self._sock,), (), (), 0)[0]:
                self.ended = True  # nobody answers half a request, unless to refuse it
            else:
                self.moved += self._sock.send(bytes(count))
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def close(self) -> None:
        """Leave in the middle."""
        self._sock.close()


def play(plan: SlowPlan, orders: IO[str], answers: IO[str]) -> None:
    """Connect all, say so as a line of JSON, go on until a line (or the end) comes as an order.

    Raises:
        OSError: one of them could not connect.
    """
    clients: list[SlowClient] = []
    try:
        for _ in range(plan.clients):
            clients.append(SlowClient(plan))
        print(json.dumps({"connected": len(clients)}), file=answers, flush=True)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < plan.seconds:
            for each in clients:
                each.step(int(passed * plan.bytes_per_s) + 1)
            if select.select((orders,), (), (), _STEP_S)[0]:
                break
        moved, ended = sum(each.moved for each in clients), sum(each.ended for each in clients)
        print(json.dumps({"moved": moved, "ended": ended}), file=answers, flush=True)
    finally:
        for each in clients:
            each.close()
