"""What a load asks: a method, a path, headers, a body, and the bytes that they make.

Pure. Everything is built once per run, so that sending a request costs the generator one call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

ZEROS = "zeros:"
"""A body written `zeros:1000` is that many zero bytes: reports stay small."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One kind of request of a load."""

    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    """Text, or `zeros:N`."""
    chunked: bool = False
    """Whether the body is sent in chunks, without a length."""
    weight: int = 1
    """How often it comes, compared with the others."""

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        """Return what `dataclasses.asdict` and JSON have made of one."""
        headers = tuple((str(name), str(value)) for name, value in said.get("headers", ()))
        return cls(**{**said, "headers": headers})

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f", body {self.body[:40]}" if self.body else "")

    def payload(self) -> bytes:
        """Return the body."""
        if self.body.startswith(ZEROS):
            return bytes(int(self.body.removeprefix(ZEROS)))
        return self.body.encode()

    def encode(self, host: str, keep_alive: bool) -> bytes:
        """Return the request as it is sent."""
        body = self.payload()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if not keep_alive:
            lines.append("Connection: close")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = _chunks(body)
        elif body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(slots=True)
class Ask:
    """One request under way."""

    wire: bytes
    since_s: float
    """When it was meant to be sent, by `time.perf_counter`; its latency counts from here."""
    label: str = ""
    """Which kind of request; the engine does not look at it."""
    no_body: bool = False
    """Whether the answer has none, as to a HEAD."""
    deadline_s: float = 0.0
    """When the engine gives it up."""
    sent_s: float = field(default=0.0, compare=False)
    """When its first byte was really sent, or its connection begun."""


class Mix:
    """Kinds of requests in a fixed, seeded order; the same seed asks everybody the same."""

    _ROUND = 997
    """Drawn once and gone through again and again: drawing costs more than sending."""

    def __init__(self, wanted: Sequence[Wanted], host: str, keep_alive: bool, seed: int) -> None:
        made = [
            (each.encode(host, keep_alive), f"{each.method} {each.path}", each.method == "HEAD")
            for each in wanted
        ]
        weights = [each.weight for each in wanted]
        drawn = (
            [0]
            if len(wanted) == 1
            else Random(seed).choices(range(len(wanted)), weights, k=self._ROUND)
        )
        self._order = [made[index] for index in drawn]
        self._next = 0

    def next(self, since_s: float) -> Ask:
        """Return the next request, meant to be sent at that time."""
        wire, label, no_body = self._order[self._next]
        self._next = (self._next + 1) % len(self._order)
        return Ask(wire, since_s, label, no_body)


def _chunks(body: bytes, size: int = 8192) -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
