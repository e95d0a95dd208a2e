"""A raw client: sends bytes, reads responses, finds out what became of the connection.

It is strict about framing and knows nothing of what it sends, so that broken requests can be sent
and broken responses are seen.
"""

import re
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Literal, Self

from proxy.settings import Address

DEADLINE_S = 30.0
"""For each read. Nothing here should come near it."""

FOLLOW_UP_PATH = b"/after"
FOLLOW_UP = b"GET /after HTTP/1.1\r\nHost: after\r\nConnection: close\r\n\r\n"
"""Sent to find out whether a connection still serves."""

Fate = Literal["open", "closed", "reset", "silent"]
"""What became of a connection: `open` serves another request, `silent` does nothing at all."""

Framing = Literal["none", "length", "chunked", "eof", "tunnel", "headless"]


class Act(Enum):
    """What a client can do besides sending."""

    HALF_CLOSE = auto()
    READ_INTERIM = auto()
    """Wait for a 1xx before going on."""


@dataclass(frozen=True)
class Response:
    """One response. `headless` framing is that of HTTP/0.9."""

    status_line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    framing: Framing
    body: bytes
    complete: bool = True

    @property
    def status(self) -> int:
        """The status code; 0 without a head."""
        return int(self.status_line[9:12] or 0)

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of all lines with this name (given in lower case)."""
        return [value for known, value in self.headers if known.lower() == name]


class Silent(Exception):
    """Nothing came within the deadline."""


class Client:
    """One connection to a front end."""

    def __init__(self, address: Address, receive_buffer: int = 0) -> None:
        family = socket.AF_UNIX if address.is_unix else socket.AF_INET
        if ":" in address.host:
            family = socket.AF_INET6
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(address.path or (address.host, address.port))
        if not address.is_unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = b"" if address.is_unix else b"%d" % self.sock.getsockname()[1]
        self.buffer = b""
        self.ended: Literal["", "closed", "reset"] = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def hurry(self) -> None:
        """Read at full speed from now on, however small the receive buffer was."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def send(self, data: bytes) -> None:
        """Send; a front end that has hung up is found out by reading."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def fill(self) -> bool:
        """Read some more; False at the end.

        Raises:
            Silent: nothing came.
        """
        if self.ended:
            return False
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        except TimeoutError:
            raise Silent from None
        if not data:
            self.ended = "closed"
        self.buffer += data
        return bool(data)

    def response(self, head_only: bool = False) -> Response | None:
        """Read one response; None when the connection ended without one.

        Raises:
            Silent: nothing more came.
        """
        while len(self.buffer) < 5 and self.fill():
            pass
        if not self.buffer:
            return None
        if not self.buffer.startswith(b"HTTP/"):
            return Response(b"", (), "headless", self._all())
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return Response(self._all(), (), "none", b"", complete=False)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        headers = tuple(_split(line) for line in lines)
        framing, size = _framing(status_line, headers, head_only)
        body, complete = self._body(framing, size)
        return Response(status_line, headers, framing, body, complete)

    def _body(self, framing: Framing, size: int) -> tuple[bytes, bool]:
        if framing == "none":
            return b"", True
        if framing == "length":
            return self._take(size)
        if framing == "chunked":
            return self._chunks()
        return self._all(), True

    def _all(self) -> bytes:
        return self._take(sys.maxsize)[0]

    def _take(self, size: int) -> tuple[bytes, bool]:
        taken, self.buffer = bytearray(self.buffer), b""
        while len(taken) < size and self.fill():
            taken += self.buffer
            self.buffer = b""
        self.buffer = bytes(taken[size:])
        return bytes(taken[:size]), len(taken) >= size

    def _line(self) -> bytes | None:
        while b"\r\n" not in self.buffer:
            if not self.fill():
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while (line := self._line()) is not None:
            size = int(line, 16)
            data, complete = self._take(size + 2)
            body += data[:size]
            if not complete or data[size:] != b"\r\n":
                return body, False
            if not size:
                return body, True
        return body, False


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def _framing(
    status_line: bytes, headers: tuple[tuple[bytes, bytes], ...], head_only: bool
) -> tuple[Framing, int]:
    lowered = {name.lower(): value for name, value in headers}
    status = int(status_line[9:12]) if re.match(rb"HTTP/1\.1 \d{3}", status_line) else 0
    if status == 101:
        return "tunnel", 0
    if head_only or status in (204, 304) or 100 <= status < 200:
        return "none", 0
    if b"transfer-encoding" in lowered:
        return "chunked", 0
    if b"content-length" in lowered:
        return "length", int(lowered[b"content-length"])
    return "eof", 0


@dataclass(frozen=True)
class Talk:
    """A finished conversation."""

    responses: tuple[Response, ...]
    fate: Fate
    port: bytes
    """The client's own, to recognise it in REMOTE_PORT."""


def talk(address: Address, acts: Sequence[bytes | Act], heads: Sequence[bool] = (False,)) -> Talk:
    """Have a conversation on a connection of its own.

    Args:
        acts: what to send and do, in order.
        heads: one entry for each final response that is to be read: whether it answers a HEAD.
    """
    with Client(address) as client:
        responses: list[Response] = []
        try:
            early = _perform(client, acts, responses)
            for head_only in heads[early:]:
                if not _read_final(client, responses, head_only):
                    break
            fate = _find_fate(client, responses)
        except Silent:
            fate = "silent"
        return Talk(tuple(responses), fate, client.port)


def _perform(client: Client, acts: Sequence[bytes | Act], responses: list[Response]) -> int:
    """Do it; return how many final responses came where an interim one was expected."""
    early = 0
    for act in acts:
        if isinstance(act, bytes):
            client.send(act)
        elif act is Act.HALF_CLOSE:
            client.half_close()
        else:
            response = client.response()
            if response is not None:
                responses.append(response)
                early += response.status >= 200
    return early


def _read_final(client: Client, responses: list[Response], head_only: bool) -> bool:
    while (response := client.response(head_only)) is not None:
        responses.append(response)
        if response.status not in range(100, 200) or response.status == 101:
            return response.complete
    return False


def _find_fate(client: Client, responses: list[Response]) -> Fate:
    if client.ended:
        return client.ended
    last = responses[-1] if responses else None
    if last is None or any(b"close" in value for value in last.values(b"connection")):
        while client.fill():
            pass
        return client.ended or "silent"
    client.send(FOLLOW_UP)
    response = client.response()
    if response is None:
        return client.ended or "silent"
    return "open"
