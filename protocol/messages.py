"""The nouns that cross the border between `protocol` and `proxy`.

They are plain, unfrozen values with slots: one is made per request, and a frozen one would cost
three times as much to make.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.uri import Target

Field = tuple[bytes, bytes]
"""One header line: the name as it was sent, and the value without the space around it."""


class TlsFacts(NamedTuple):
    """What a handshake has agreed upon, in OpenSSL's words (nginx's `$ssl_...`)."""

    protocol: bytes
    cipher: bytes
    server_name: bytes = b""
    """The host that the client asked for; empty if it named none."""
    resumed: bool = False
    """Whether the client came back with what it remembered of an earlier connection."""


class ConnectionFacts(NamedTuple):
    """What is known about a client connection, whoever found it out.

    All are text as the application will see it. `remote_addr` is `unix:` for unix sockets, and the
    ports are then empty (nginx rules 1.20 to 1.22).
    """

    remote_addr: bytes = b"unix:"
    remote_port: bytes = b""
    server_port: bytes = b""
    scheme: bytes = b"http"
    tls: TlsFacts | None = None


@dataclass(slots=True, eq=False)
class HeaderBlock:
    """What a request's header lines say, once they are accepted.

    `variables` is the encoded run of HTTP_* variables behind HTTP_HOST; `count` how many they are.
    A block depends on nothing but its bytes and the rules, so a connection keeps the last one: on
    a kept-alive connection clients repeat most of their header lines to the letter.
    """

    fields: list[Field]
    host: bytes | None = None
    content_type: bytes = b""
    content_length_text: bytes = b""
    content_length: int | None = None
    chunked: bool = False
    close: bool = False
    keep_alive: bool = False
    expects_continue: bool = False
    upgrade: bool = False
    variables: bytes = b""
    count: int = 0

    def get(self, name: bytes) -> bytes | None:
        """Return the value of the first line called `name` (given in lower case), or None."""
        for field_name, value in self.fields:
            if field_name.lower() == name:
                return value
        return None


@dataclass(slots=True, eq=False)
class Request:
    """One request head. `minor` is the x of HTTP/1.x; None stands for HTTP/0.9.

    `repeated` is true once the same object has been given out before on its connection.
    """

    line: bytes
    method: bytes
    target: Target
    protocol: bytes
    minor: int | None
    headers: HeaderBlock
    head_bytes: int = 0
    repeated: bool = False
    has_body: bool = field(init=False)
    """Whether body bytes follow the head (a declared length of 0 has none)."""
    wants_keep_alive: bool = field(init=False)
    """Whether the client would use the connection again (nginx rule 2.14)."""

    def __post_init__(self) -> None:
        headers = self.headers
        self.has_body = headers.chunked or bool(headers.content_length)
        said = self.minor is not None and (self.minor > 0 or headers.keep_alive)
        self.wants_keep_alive = said and not headers.close

    @property
    def wants_continue(self) -> bool:
        """Whether a `100 Continue` is due before the body is read (nginx rule 3.6)."""
        return self.headers.expects_continue and bool(self.minor)


@dataclass(slots=True, eq=False)
class ReplyHead:
    """The head of a backend's reply, parsed; made by `protocol.reply`.

    `status_line` is what follows the version: code and reason, as the application wrote them.
    `fields` are the lines that go to the client besides those with an attribute of their own.
    `content_length` is None when the reply ends with its connection or is chunked.
    """

    status: int
    status_line: bytes
    fields: list[Field] = field(default_factory=list)
    content_type: bytes | None = None
    content_length: int | None = None
    chunked: bool = False
    closes: bool = False
    """Whether the backend says that it will close the connection (Connection: close)."""
    has_server: bool = False
    has_date: bool = False
    accel_redirect: bytes | None = None
    accel_buffering: bool | None = None
    accel_limit_rate: int | None = None
    upgrade: bytes | None = None
    rendered: tuple[bytes, object, bool, bytes] | None = None
    """The writer's: the last response head made of this reply, and what it was made for."""
    interim: bool = field(init=False)
    """Whether another head follows this one (1xx other than 101, RFC 9110 15.2)."""
    bodiless: bool = field(init=False)
    """Whether this status never has a body (RFC 9112 6.3)."""

    def __post_init__(self) -> None:
        self.interim = 100 <= self.status < 200 and self.status != 101
        self.bodiless = self.status in (204, 304)
