"""One WSGI call: from uwsgi variables to an HTTP reply on a socket (PEP 3333).

Owns the environment, `wsgi.input`, `start_response` and the framing of the reply. It refuses to
guess: an application that breaks the rules gets an exception that says which one. Without a
Content-Length a reply to HTTP/1.1 is chunked: unlike an end of file, that lets the proxy tell a
finished reply from one whose application died half-way.
"""

import io
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

SERVER_SOFTWARE = "uwsgi-frontend built-in worker"

_BLOCK_BYTES = 64 * 1024
_STATUS = re.compile(r"[1-9][0-9][0-9]( [^\x00-\x1f\x7f]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token, RFC 9110 5.6.2
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_TRUE = ("on", "1", "true")
_DEFAULTS = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": SERVER_SOFTWARE,
}


class Disconnected(ConnectionError):
    """The proxy has closed the connection: nobody reads the reply, or the body stops short."""


class FileWrapper:
    """`wsgi.file_wrapper`: iterates over a file in blocks and closes it."""

    def __init__(self, file: Any, block_size: int = _BLOCK_BYTES) -> None:
        self._file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        """Return the blocks of the file from where it stands."""
        return iter(lambda: bytes(self._file.read(self._block_size)), b"")

    def close(self) -> None:
        """Close the file, if it can be closed."""
        close = getattr(self._file, "close", None)
        if close is not None:
            close()


class Body(io.RawIOBase):
    """The request body: what the socket still holds, at most `length` bytes of it."""

    def __init__(self, connection: socket.socket, length: int) -> None:
        self._connection = connection
        self._left = length

    def readable(self) -> bool:
        """Return True, as io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`; 0 at the end of the body.

        Raises:
            Disconnected: the connection ends before the body does. An application must not take
                a part of an upload for the whole.
        """
        view = memoryview(buffer)[: self._left]
        if not view:
            return 0
        size = self._connection.recv_into(view)
        if not size:
            raise Disconnected(f"the request body ends {self._left} bytes too early")
        self._left -= size
        return size


def content_length(value: str) -> int:
    """Return CONTENT_LENGTH as a number, 0 when it is empty.

    Raises:
        ValueError: it is neither empty nor made of ASCII digits.
    """
    if not value:
        return 0
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"CONTENT_LENGTH is {value!r}")
    return int(value)


def environ(
    variables: Iterable[tuple[bytes, bytes]], connection: socket.socket, threads: int
) -> Environ:
    """Return the environment for a request: of a variable that comes twice, the last one counts.

    Raises:
        ValueError: CONTENT_LENGTH is not a number.
    """
    result: Environ = dict(_DEFAULTS)
    for name, value in variables:
        result[name.decode("latin-1")] = value.decode("latin-1")
    body = Body(connection, content_length(result.get("CONTENT_LENGTH", "")))
    # Last, so that no variable of a packet takes the place of one of these.
    result["wsgi.version"] = (1, 0)
    result["wsgi.url_scheme"] = _scheme(result)
    result["wsgi.input"] = io.BufferedReader(body, _BLOCK_BYTES)
    result["wsgi.input_terminated"] = True
    result["wsgi.errors"] = sys.stderr
    result["wsgi.multithread"] = threads > 1
    result["wsgi.multiprocess"] = False
    result["wsgi.run_once"] = False
    result["wsgi.file_wrapper"] = FileWrapper
    return result


def _scheme(variables: Environ) -> str:
    if variables.get("HTTPS", "").lower() in _TRUE:
        return "https"
    named = variables.get("UWSGI_SCHEME") or variables.get("REQUEST_SCHEME")
    return "https" if named == "https" else "http"


class Reply:
    """One reply on its way out. The head is kept until the first byte of the body is there."""

    def __init__(self, connection: socket.socket, method: str, protocol: str) -> None:
        self.head_sent = False
        self._connection = connection
        self._is_head = method == "HEAD"
        self._may_chunk = protocol == "HTTP/1.1"
        self._status = ""
        self._headers: Headers = []
        self._has_body = True
        self._chunked = False
        self._left: int | None = None  # of a declared Content-Length

    def start(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """`start_response` of PEP 3333.

        Raises:
            AssertionError: it is called twice without `exc_info`.
            ValueError: the status or a header cannot stand in a reply head.
            BaseException: that of `exc_info`, when the head has been sent.
        """
        if exc_info is not None:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or it would be a cycle of frames, says the PEP
        elif self._status:
            raise AssertionError("start_response() is called a second time without exc_info")
        _check_head(status, headers)
        self._status, self._headers = status, list(headers)
        return self.write

    def run(self, application: Application, variables: Environ) -> None:
        """Call the application and send what it returns; close its iterable in any case."""
        chunks = application(variables, self.start)
        try:
            if isinstance(chunks, (list, tuple)) and self._status and not self.head_sent:
                self._declare_length(sum(map(len, chunks)))
            for chunk in chunks:
                self.write(chunk)
                if self.head_sent and not self._has_body:
                    break  # HEAD, 204, 304: the rest would be made for nobody
            self._finish()
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def write(self, data: bytes) -> None:
        """Send a part of the body, after the head if that is still here.

        Raises:
            AssertionError: `start` was not called.
            TypeError: `data` is not bytes.
            ValueError: it is more than Content-Length said.
            Disconnected: the proxy has gone.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"the body must be made of bytes, not {type(data).__name__}")
        if not data:
            return  # an empty chunk would end a chunked body, and the head can wait
        head = b"" if self.head_sent else self._head()
        if not self._has_body:
            return self._send(head)
        excess = 0
        if self._left is not None:
            excess = max(0, len(data) - self._left)
            data = data[: self._left]
            self._left -= len(data)
        if self._chunked:
            self._send(head + b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._send(head, data)
        if excess:
            raise ValueError(f"the body has {excess} bytes more than Content-Length says")
        return None

    def fail(self) -> None:
        """Send an error page in place of a reply whose head has not been sent."""
        self._status, text = "500 Internal Server Error", b"500 Internal Server Error\n"
        self._headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        self.write(text)

    def _finish(self) -> None:
        if not self.head_sent:
            self._declare_length(0)
            self._send(self._head())
        if self._chunked:
            self._send(b"0\r\n\r\n")
        if self._left and self._has_body:
            raise ValueError(f"the body has {self._left} bytes less than Content-Length says")

    def _declare_length(self, size: int) -> None:
        """Add a Content-Length, unless the application has framed the body itself."""
        known = {name.lower() for name, _ in self._headers}
        bodiless = self._status[:3] in ("204", "304")
        framed = bool(known & {"content-length", "transfer-encoding"})
        # Nothing at all in reply to HEAD is no statement about the body of a GET.
        stated = size > 0 or not self._is_head
        if stated and not framed and not bodiless:
            self._headers.append(("Content-Length", str(size)))

    def _head(self) -> bytes:
        if not self._status:
            raise AssertionError("the application returned without calling start_response()")
        self._has_body = not self._is_head and self._status[:3] not in ("204", "304")
        framing = {name.lower(): value for name, value in self._headers}
        if "content-length" in framing:
            self._left = content_length(framing["content-length"].strip())
        elif self._has_body and self._may_chunk and "transfer-encoding" not in framing:
            self._headers.append(("Transfer-Encoding", "chunked"))
            self._chunked = True
        lines = [f"HTTP/1.1 {self._status}", *(f"{name}: {value}" for name, value in self._headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _send(self, *parts: bytes) -> None:
        """Write everything; the socket's timeout counts from the last progress."""
        self.head_sent = True
        if sum(map(len, parts)) <= _BLOCK_BYTES:
            parts = (b"".join(parts),)
        try:
            for part in parts:
                view = memoryview(part)
                while view:  # not sendall(): there the timeout is for all of it
                    view = view[self._connection.send(view) :]
        except OSError as error:
            raise Disconnected(f"the reply cannot be sent: {error}") from None


def _check_head(status: str, headers: Headers) -> None:
    if not isinstance(status, str) or not _STATUS.fullmatch(status):
        raise ValueError(f"{status!r} is not a status such as '200 OK'")
    for name, value in headers:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} is not a header name")
        if not (isinstance(value, str) and _VALUE.fullmatch(value)):
            raise ValueError(f"{value!r} cannot be the value of the header {name!r}")
    # Raises where a character has no place in a reply head.
    "".join([status, *(name + value for name, value in headers)]).encode("latin-1")
