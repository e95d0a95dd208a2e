"""What a fake backend does on one connection, step by step.

A script is a sequence of steps, or a function that is shown the whole request and returns one. Each
step is a small frozen value with one method, `run`, which performs it on a `Line`; a test may
bring steps of its own. Ready-made scripts stand at the end. Nothing here opens a socket.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Literal, Protocol

Ended = Literal["complete", "eof", "reset"]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as a backend saw it; `ended` says whether the peer sent all that it announced."""

    modifier1: int
    modifier2: int
    variables: list[tuple[bytes, bytes]]
    """In wire order, duplicates kept; empty when the block is incomplete or makes no sense."""
    body: bytes
    connection: int
    """Counted from 0, in order of accept."""
    ended: Ended

    def value(self, name: str, default: bytes = b"") -> bytes:
        """Return the first value of the variable `name`."""
        key = name.encode("latin-1")
        return next((value for known, value in self.variables if known == key), default)


class Line(Protocol):
    """The connection that steps work on. Each method raises as soon as the peer or the test has
    ended the connection; the rest of the script is then not run."""

    def read_packet(self, fraction: float = 1.0) -> None:
        """Read a packet, or only this fraction of its variables."""

    def read_body(self, size: int | None) -> None:
        """Read `size` bytes of body; None stands for what CONTENT_LENGTH says."""

    def read_slowly(self, pieces: int, delay_s: float) -> None:
        """Read the announced body in equal pieces, each after a pause."""

    def send(self, data: bytes) -> None:
        """Send all of `data`."""

    def wait(self, event: Event) -> None:
        """Wait until `event` is set."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def hang(self) -> None:
        """Stay connected, reading away what comes, until the peer closes or the backend stops."""

    def close(self, reset: bool = False) -> None:
        """End the connection here."""


class Step(Protocol):
    """One thing to do on a connection."""

    def run(self, line: Line) -> None:
        """Do it."""


@dataclass(frozen=True, slots=True)
class ReadPacket:
    """Read the packet header and all variables."""

    def run(self, line: Line) -> None:
        """Do it."""
        line.read_packet()


@dataclass(frozen=True, slots=True)
class HalfPacket:
    """Read the packet header and half of the variables, and leave the rest unread."""

    def run(self, line: Line) -> None:
        """Do it."""
        line.read_packet(0.5)


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read `size` bytes of the request body, or as many as CONTENT_LENGTH says."""

    size: int | None = None

    def run(self, line: Line) -> None:
        """Do it."""
        line.read_body(self.size)


@dataclass(frozen=True, slots=True)
class SlowBody:
    """Read the body that CONTENT_LENGTH announces in `pieces`, each after `delay_s`."""

    pieces: int
    delay_s: float

    def run(self, line: Line) -> None:
        """Do it."""
        line.read_slowly(self.pieces, self.delay_s)


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes as they are."""

    data: bytes

    def run(self, line: Line) -> None:
        """Do it."""
        line.send(self.data)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until the test sets this event."""

    event: Event

    def run(self, line: Line) -> None:
        """Do it."""
        line.wait(self.event)


@dataclass(frozen=True, slots=True)
class Delay:
    """Let this many seconds pass."""

    seconds: float

    def run(self, line: Line) -> None:
        """Do it."""
        line.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Hang:
    """Stay connected until the peer closes or the backend stops."""

    def run(self, line: Line) -> None:
        """Do it."""
        line.hang()


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection. The end of a script does the same."""

    def run(self, line: Line) -> None:
        """Do it."""
        line.close()


@dataclass(frozen=True, slots=True)
class Reset:
    """Close with RST (SO_LINGER 0).

    A unix socket has no RST: its peer sees ECONNRESET only while something that it sent is still
    unread, so put `HalfPacket` in front instead of `ReadPacket`.
    """

    def run(self, line: Line) -> None:
        """Do it."""
        line.close(reset=True)


Play = Sequence[Step] | Callable[[Received], Sequence[Step]]
"""What happens on one connection."""


class Turns:
    """One play for each connection, in order; the last one for all that follow."""

    def __init__(self, plays: Sequence[Play]) -> None:
        if not plays:
            raise ValueError("in_turn() needs at least one script")
        self._plays = list(plays)
        self._lock = Lock()

    def take(self) -> Play:
        """Return what is played on the next connection."""
        with self._lock:
            return self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]


Script = Play | Turns

READ: tuple[Step, ...] = (ReadPacket(), ReadBody())


def respond(head: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> tuple[Step, ...]:
    """Read a request, then reply.

    A `head` without a line end is a status line: Content-Type and Content-Length are added. Any
    other is sent as it is, so it must hold the blank line too.
    """
    if b"\n" not in head:
        head += b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    return (*READ, Send(head + body))


def echo_variables() -> Callable[[Received], Sequence[Step]]:
    """Reply with what was received, as JSON.

    `variables` is a list of [name, value] in wire order (bytes as latin-1), beside them stand
    `modifier1`, `modifier2`, `length` and `sha256` of the body.
    """
    return lambda received: (Send(_json_reply(received)),)


def _json_reply(received: Received) -> bytes:
    body = json.dumps(
        {
            "modifier1": received.modifier1,
            "modifier2": received.modifier2,
            "variables": [
                [name.decode("latin-1"), value.decode("latin-1")]
                for name, value in received.variables
            ],
            "length": len(received.body),
            "sha256": hashlib.sha256(received.body).hexdigest(),
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def truncate_after(size: int) -> tuple[Step, ...]:
    """Announce 100 bytes more than the `size` that are sent, then close."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    return (*READ, Send(head % (size + 100) + b"x" * size), Close())


def silence() -> tuple[Step, ...]:
    """Read the request and never say a word."""
    return (*READ, Hang())


def close_before_reply() -> tuple[Step, ...]:
    """Read the request, then close: what uWSGI does when its worker dies."""
    return (*READ, Close())


def reset_before_reply() -> tuple[Step, ...]:
    """Reset while the request is half read: what uWSGI does with a packet over its buffer-size."""
    return (HalfPacket(), Reset())


def bad_head(head: bytes) -> tuple[Step, ...]:
    """Read the request, send `head` as it is, then close."""
    return (*READ, Send(head), Close())


def oversize_head(size: int) -> tuple[Step, ...]:
    """Reply with a head of about `size` bytes, most of it in one header."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: %s\r\n\r\n"
    return (*READ, Send(head % (b"x" * size)))


def delay(seconds: float, body: bytes = b"") -> tuple[Step, ...]:
    """Read the request, wait, and then reply."""
    return (*READ, Delay(seconds), *respond(body=body)[len(READ) :])


def slow_read(pieces: int, delay_s: float) -> tuple[Step, ...]:
    """Read the body in `pieces` equal parts, each after a pause, and then reply: a worker that is
    busy with something else while its request comes in."""
    return (ReadPacket(), SlowBody(pieces, delay_s), *respond()[len(READ) :])


def in_turn(*scripts: Play) -> Turns:
    """Play each script on one connection, the last one on all others: fail once, then work."""
    return Turns(scripts)


def drip(data: bytes, size: int = 1, delay_s: float = 0.0) -> tuple[Step, ...]:
    """Read the request, then send `data` in pieces of `size` bytes, `delay_s` apart."""
    return (*READ, *_pieces(data, size, delay_s))


def _pieces(data: bytes, size: int, delay_s: float) -> Iterator[Step]:
    for start in range(0, len(data), size):
        if start and delay_s:
            yield Delay(delay_s)
        yield Send(data[start : start + size])
