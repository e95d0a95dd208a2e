"""Response heads, chunks and the pages of our own answers: values in, bytes out.

The order of the lines is nginx's (rule 4.10): Server, Date, Content-Type, Content-Length,
Transfer-Encoding, Connection, then the application's other headers in their order and spelling.
"""

from enum import Enum, auto
from typing import NamedTuple

from protocol.messages import ReplyHead, Request
from protocol.reply import REASONS

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class BodyFraming(Enum):
    """How the client will know where the body ends (RFC 9112 6.3, nginx rules 4.18 to 4.26)."""

    NONE = auto()
    """There is no body."""
    LENGTH = auto()
    """Content-Length says it."""
    CHUNKED = auto()
    """The last chunk says it."""
    CLOSE = auto()
    """The end of the connection says it: HTTP/1.0, HTTP/0.9."""
    TUNNEL = auto()
    """It is no body but another protocol, after 101."""


class ErrorPage(NamedTuple):
    """An answer of our own: a status, a body, and header lines between them."""

    status: int
    body: bytes
    headers: bytes = b""


def choose_framing(request: Request, reply: ReplyHead) -> BodyFraming:
    """Choose how a reply's body is delimited towards the client."""
    if reply.status == 101 and request.headers.upgrade:
        return BodyFraming.TUNNEL
    if request.method == b"HEAD" or reply.bodiless:
        return BodyFraming.NONE
    if reply.content_length is not None and request.minor is not None:
        return BodyFraming.LENGTH
    return BodyFraming.CHUNKED if request.minor else BodyFraming.CLOSE


class HeadWriter:
    """Writes response heads for one server. `server` is the value of Server:; empty for none."""

    def __init__(self, server: str) -> None:
        self._server = b"Server: " + server.encode() + b"\r\n" if server else b""
        self._date = b""
        self._opening = b""

    def set_date(self, date: bytes) -> None:
        """Take the current time as HTTP writes it; to be called once a second (RFC 9110 6.6.1)."""
        self._date = b"Date: " + date + b"\r\n"
        self._opening = self._server + self._date

    def head(self, reply: ReplyHead, framing: BodyFraming, keep_alive: bool) -> bytes:
        """Return the response head for a backend's reply."""
        if reply.rendered is not None:
            opening, for_framing, kept_alive, head = reply.rendered
            if opening is self._opening and for_framing is framing and kept_alive is keep_alive:
                return head
        head = self._render(reply, framing, keep_alive)
        reply.rendered = (self._opening, framing, keep_alive, head)
        return head

    def _render(self, reply: ReplyHead, framing: BodyFraming, keep_alive: bool) -> bytes:
        parts = [b"HTTP/1.1 ", reply.status_line, b"\r\n"]
        if not (reply.has_server or reply.has_date):
            parts.append(self._opening)
        else:
            parts += (
                b"" if reply.has_server else self._server,
                b"" if reply.has_date else self._date,
            )
        if reply.content_type:
            parts += (b"Content-Type: ", reply.content_type, b"\r\n")
        if reply.content_length is not None:
            parts.append(b"Content-Length: %d\r\n" % reply.content_length)
        if framing is BodyFraming.CHUNKED:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        parts.append(_connection(framing, keep_alive))
        for name, value in reply.fields:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)

    def interim(self, reply: ReplyHead) -> bytes:
        """Return the head of a 1xx response: only what the application said (RFC 9110 15.2)."""
        lines = [b"HTTP/1.1 " + reply.status_line]
        lines += [name + b": " + value for name, value in reply.fields]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def error(self, page: ErrorPage, keep_alive: bool, head_only: bool) -> bytes:
        """Return a whole answer of our own."""
        body = b"" if head_only else page.body
        return b"".join(
            (
                b"HTTP/1.1 ",
                status_text(page.status),
                b"\r\n",
                self._opening,
                b"Content-Type: text/html\r\nContent-Length: %d\r\n" % len(page.body),
                _connection(BodyFraming.LENGTH, keep_alive),
                page.headers,
                b"\r\n",
                body,
            )
        )


def _connection(framing: BodyFraming, keep_alive: bool) -> bytes:
    if framing is BodyFraming.TUNNEL:
        return b"Connection: upgrade\r\n"
    return b"Connection: keep-alive\r\n" if keep_alive else b"Connection: close\r\n"


def status_text(status: int) -> bytes:
    """Return code and reason phrase: `404 Not Found`."""
    return b"%d %s" % (status, REASONS.get(status, b""))


def error_page(status: int, headers: bytes = b"", detail: str = "") -> ErrorPage:
    """Return the page for an answer of our own; `detail` is one line more, for people."""
    title = status_text(status).decode()
    line = f"<p>{detail}</p>\r\n" if detail else ""
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n{line}</body>\r\n</html>\r\n"
    )
    return ErrorPage(status, body.encode(), headers)


def chunk(data: bytes) -> bytes:
    """Return one chunk (RFC 9112 7.1); `data` must not be empty: that would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
