"""The request line, and the limits of a request head.

The grammar is nginx's (rules 2.9, 2.17 to 2.25): it knows every method made of capitals, several
spaces, HTTP/0.9, and which status each mistake deserves. Neither parser library can be told these,
so the first line never reaches one.
"""

import re
from typing import NamedTuple, Protocol

from protocol.errors import RequestError

FIRST_BUFFER_BYTES = 1024
"""nginx's client_header_buffer_size: what a head fills before it needs a large buffer."""

_USUAL_LINE = re.compile(rb"([A-Z_-]+) ([^ \x00-\x1f\x7f]+) (HTTP/1\.([01]))")
_ANY_LINE = re.compile(rb"([A-Z_-]+) +([^ ]+)(?: +(HTTP/([^ ]*) *))? *")
_VERSION = re.compile(rb"([1-9][0-9]{0,1})\.([0-9]{1,3})")
_AUTHORITY_FORM = re.compile(rb"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


class HeadLimits(Protocol):
    """The knobs of this module, in bytes; `proxy.settings.ClientSettings` has them."""

    @property
    def max_request_line_bytes(self) -> int: ...
    @property
    def max_header_line_bytes(self) -> int: ...
    @property
    def max_header_buffers(self) -> int: ...


class RequestLine(NamedTuple):
    """A request line, split. `minor` is the x of HTTP/1.x, None for HTTP/0.9."""

    method: bytes
    target: bytes
    protocol: bytes
    minor: int | None


def may_begin_line(data: bytes) -> bool:
    """Whether `data`, not empty, can be the beginning of a request line.

    Other protocols (TLS, uwsgi) may never send a line end: this is how they get an answer.
    """
    return data[:1].isupper() or data[0] in b"_-"


def parse_request_line(line: bytes) -> RequestLine:
    """Split a request line, given without its line end.

    Raises:
        RequestError: 400 for bad syntax, 505 for HTTP/2 and newer. TRACE and CONNECT are for
            `refuse_method`, since nginx looks at the headers first (rule 0.1).
    """
    usual = _USUAL_LINE.fullmatch(line)
    if usual is not None:
        method, target, protocol, minor = usual.groups()
        return RequestLine(method, target, protocol, 1 if minor == b"1" else 0)
    match = _ANY_LINE.fullmatch(line)
    if match is None:
        raise RequestError(
            400, "bad_request_line", "the request line is not `METHOD target HTTP/1.x`"
        )
    method, target, protocol, version = match.groups()
    if version is None:
        return _http_0_9(method, target, line)
    numbers = _VERSION.fullmatch(version)
    if numbers is None:
        raise RequestError(400, "bad_version", "the HTTP version is malformed")
    if int(numbers[1]) > 1:
        raise RequestError(505, "bad_version", "only HTTP/1.x is spoken here")
    return RequestLine(method, target, protocol, int(numbers[2]))


def _http_0_9(method: bytes, target: bytes, line: bytes) -> RequestLine:
    """A line without a version: HTTP/0.9 knows GET only, and no space behind (rule 2.20)."""
    if method != b"GET" or line.endswith(b" "):
        raise RequestError(400, "bad_request_line", "a request line without an HTTP version")
    return RequestLine(method, target, b"", None)


def check_authority_form(target: bytes) -> None:
    """Check the target of a CONNECT (RFC 9112 3.2.3).

    Raises:
        RequestError: 400 when it is not host:port.
    """
    if _AUTHORITY_FORM.fullmatch(target) is None:
        raise RequestError(400, "bad_request_target", "CONNECT needs host:port")


def refuse_method(method: bytes) -> None:
    """Refuse a method that a reverse proxy does not serve, TRACE or CONNECT (nginx rule 2.18).

    Raises:
        RequestError: 405, always.
    """
    raise RequestError(405, "method_refused", f"{method.decode()} is not served here")


def check_line_sizes(head: bytes, limits: HeadLimits) -> None:
    """Refuse a head, whole or begun, that does not fit into nginx's buffers (rules 2.22 to 2.24).

    A line never spans two buffers, so what counts is how the lines pack: into one buffer of 1 KiB
    and then into `max_header_buffers` large ones.

    Raises:
        RequestError: 414 for the request line, 400 for a header line or for all of them.
    """
    size = limits.max_header_line_bytes
    if len(head) <= min(size, limits.max_request_line_bytes):
        return
    end_of_line = head.find(b"\n") + 1 or len(head)
    if end_of_line > limits.max_request_line_bytes:
        raise RequestError(
            414, "request_line_too_long", f"over {limits.max_request_line_bytes} bytes"
        )
    room, buffers = FIRST_BUFFER_BYTES, 0
    for line in head.split(b"\n"):
        length = len(line) + 1
        if length <= room:
            room -= length
            continue
        buffers += 1
        if length > max(size, end_of_line) or buffers > limits.max_header_buffers:
            raise RequestError(
                400, "headers_too_large", f"header lines over {size} bytes, or too many"
            )
        room = max(size - length, 0)
