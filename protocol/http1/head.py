"""The request line, and the limits of a request head.

The grammar is nginx's (rules 2.9, 2.17 to 2.25): it knows every method made of capitals, several
spaces, HTTP/0.9, and which status each mistake deserves. Neither parser library can be told these,
so the first line never reaches one.
"""

import re
from typing import NamedTuple, Protocol

from protocol.errors import HeadlessError, RequestError

FIRST_BUFFER_BYTES = 1024
"""nginx's client_header_buffer_size: what a head fills before it needs a large buffer."""

# Repetitions are possessive: none can backtrack, whatever a client sends.
_USUAL_LINE = re.compile(rb"([A-Z_-]++) ([^ \x00-\x1f\x7f]++) (HTTP/1\.([01]))")
_ANY_LINE = re.compile(rb"([A-Z_-]++) ++([^ ]++)(?: ++(HTTP/([^ ]*+) *+))?+ *+")
_TARGET = re.compile(rb"(?:/|[A-Za-z][A-Za-z0-9+.-]*+://)[^\x00-\x1f\x7f]*+")
_VERSION = re.compile(rb"1\.([0-9]{1,3})")
_NEWER_VERSION = re.compile(rb"[2-9]|1[0-9]")
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


def parse_request_line(line: bytes) -> RequestLine:
    """Split a request line, given without its line end.

    Raises:
        RequestError: 400 for bad syntax, 505 for HTTP/2 and newer. TRACE and CONNECT are for
            `refuse_method`, since nginx looks at the headers first (rule 0.1).
    """
    usual = _USUAL_LINE.fullmatch(line)
    if usual is not None:
        method, target, protocol, minor = usual.groups()
        # RequestLine(...) would be one more Python call.
        return tuple.__new__(RequestLine, (method, target, protocol, 1 if minor == b"1" else 0))
    match = _ANY_LINE.fullmatch(line)
    if match is None:
        raise RequestError(
            400, "bad_request_line", "the request line is not `METHOD target HTTP/1.x`"
        )
    method, target, protocol, version = match.groups()
    if method != b"CONNECT" and _TARGET.fullmatch(target) is None:
        # a wrong target wins over a wrong version, since nginx reads from left to right
        raise RequestError(400, "bad_request_target", "the target is no path and no URI")
    if version is None:
        if method != b"GET":  # HTTP/0.9 knows no other (rule 2.20)
            raise HeadlessError(400, "bad_request_line", "a request line without an HTTP version")
        return RequestLine(method, target, b"", None)
    if _NEWER_VERSION.match(version):  # whatever follows: nginx stops at this digit
        raise RequestError(505, "bad_version", "only HTTP/1.x is spoken here")
    number = _VERSION.fullmatch(version)
    if number is None:
        raise RequestError(400, "bad_version", "the HTTP version is malformed")
    return RequestLine(method, target, protocol, int(number[1]))


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


def check_line_begun(data: bytes, size: int, limits: HeadLimits) -> None:
    """Judge a request line that has not ended yet, or is very long.

    Other protocols (TLS, uwsgi) may never send a line end: the first byte is how they get an
    answer. `size` is what the line has at least, with its CRLF.

    Raises:
        RequestError: 400 when `data`, not empty, cannot begin a request line; 414 (rule 2.22).
    """
    if not data[:1].isupper() and data[0] not in b"_-":
        raise RequestError(400, "bad_request_line", "the request line begins with no method")
    if size > limits.max_request_line_bytes:
        raise RequestError(
            414, "request_line_too_long", f"over {limits.max_request_line_bytes} bytes"
        )


class HeaderGauge:
    """Measures the header lines of one head while they come in, each byte once.

    A line never spans two of nginx's buffers, so what counts is how the lines pack: into one buffer
    of 1 KiB, which begins with the request line, and then into `max_header_buffers` large ones
    (rules 2.23, 2.24). A bare LF is refused on the way, unless `bare_lf` is allowed.
    """

    __slots__ = ("_bare_lf", "_buffers", "_room", "_size", "position")

    def __init__(self, limits: HeadLimits, request_line_bytes: int, bare_lf: bool) -> None:
        self._bare_lf = bare_lf
        self._size = limits.max_header_line_bytes
        self._buffers = limits.max_header_buffers  # still free
        self._room = FIRST_BUFFER_BYTES - request_line_bytes  # in the buffer in use
        if self._room < 0:
            self._buffers -= 1
            self._room = max(self._size - request_line_bytes, 0)
        self.position = request_line_bytes
        """Where the first line begins that has not ended yet."""

    def measure(self, head: bytes) -> None:
        """Judge a head as far as it came: what was given before, and more.

        Raises:
            RequestError: 400.
        """
        position = self.position
        while (end := head.find(b"\n", position) + 1) > 0:
            self._check_size(end - position)
            if not self._bare_lf and head[end - 2] != 0x0D:
                raise RequestError(400, "bad_line_end", "a bare LF in the request head")
            if end - position > self._room:
                self._buffers -= 1
                self._room = self._size
            self._room -= end - position
            position = end
        self.position = position
        self._check_size(len(head) - position + 1)  # at least one byte is still to come

    def _check_size(self, size: int) -> None:
        if size > self._room and (size > self._size or self._buffers < 1):
            raise RequestError(
                400, "headers_too_large", f"header lines over {self._size} bytes, or too many"
            )
