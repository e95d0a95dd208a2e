"""The other end of a backend's connection, for the tests of the fake backend."""

import socket
import struct
from types import TracebackType
from typing import Self

from protocol import uwsgi
from proxy.settings import Address
from proxy.testing import FakeBackend


def packet(*pairs: tuple[bytes, bytes], modifier1: int = 0, modifier2: int = 0) -> bytes:
    """Return a packet of these variables."""
    return uwsgi.encode_packet(uwsgi.encode_vars(pairs), modifier1, modifier2)


class Caller:
    """What a front end does to a backend, with a deadline on everything."""

    def __init__(self, address: Address) -> None:
        family = socket.AF_UNIX if address.is_unix else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(address.path or (address.host, address.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            assert more, f"the end came after {data!r}"
            data += more
        return data

    def receive_all(self) -> bytes:
        data = b""
        while more := self.sock.recv(65536):
            data += more
        return data

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def reply_of(backend: FakeBackend, request: bytes | None = None) -> bytes:
    """Return all that the backend says to one request."""
    with Caller(backend.address) as caller:
        caller.send(packet((b"A", b"1")) if request is None else request)
        return caller.receive_all()
