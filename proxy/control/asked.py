"""What is asked on the admin address, and what is answered: the nouns between HTTP and the rest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from protocol.messages import Field, Request

JSON = b"application/json; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"

ALWAYS: tuple[Field, ...] = (
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
)
"""In every response: nothing here is kept by a cache, or of use to another site's page."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as far as it matters here.

    `segments` are the decoded pieces of the path: `/api/upstreams` has two, `/` has none.
    """

    request: Request
    segments: tuple[str, ...]
    query: Mapping[str, list[str]]
    body: Any = None
    """Of a request that changes something: what its JSON says."""

    @property
    def method(self) -> str:
        """In capitals."""
        return self.request.method.decode()

    @property
    def changes(self) -> bool:
        """Whether this is meant to change something."""
        return self.request.method not in (b"GET", b"HEAD")

    def header(self, name: bytes) -> str:
        """Return the value of a header, given in lower case; empty when there is none."""
        return (self.request.headers.get(name) or b"").decode("latin-1")


def read_request(request: Request) -> Asked:
    """Return what a request asks for.

    The path is taken as it was sent: a name in it may have an escaped slash.
    """
    path, _, _ = request.target.uri.partition(b"?")
    pieces = path.partition(b"#")[0].decode("latin-1").split("/")[1:]
    if pieces and not pieces[-1]:
        pieces.pop()
    query = parse_qs(request.target.query.decode("latin-1"), keep_blank_values=True)
    return Asked(request, tuple(map(unquote, pieces)), query)


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole response in hand."""

    status: int
    body: bytes
    content_type: bytes = JSON
    fields: tuple[Field, ...] = field(default=())
    closes: bool = False
    """Whether the connection is to end with it."""


def as_json(value: Any, status: int = 200, *fields: Field) -> Answered:
    """Return a value as the JSON that machines and people read."""
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    return Answered(status, text.encode() + b"\n", JSON, fields)


def as_text(text: str, status: int = 200) -> Answered:
    """Return plain text."""
    return Answered(status, text.encode(), TEXT)


class Refusal(Exception):
    """A request is not done; says why, in one line, and what would be right in another."""

    def __init__(self, status: int, code: str, text: str, next_step: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.next_step = next_step
        self.fields: tuple[Field, ...] = ()

    def with_header(self, name: bytes, value: bytes) -> "Refusal":
        """Say something more in the head of the response."""
        self.fields = (*self.fields, (name, value))
        return self

    @property
    def error(self) -> dict[str, Any]:
        """What the body says."""
        about = {"status": self.status, "code": self.code, "text": self.text}
        return {**about, "next_step": self.next_step} if self.next_step else about

    def answered(self) -> Answered:
        """Return the response."""
        return as_json({"error": self.error}, self.status, *self.fields)
