"""Reads the requests of one client connection: bytes in, events out.

    ┌──────┐ Request without body       ┌──────┐
    │ HEAD ├───────────────────────────►│ DONE │──next_request()──► HEAD
    └──┬───┘                            └──▲───┘
       │ Request with a body    END_OF_BODY│
       └────────────► BODY ────────────────┘       any RequestError ──► FAILED, for good

Calling contract: after `receive_data()` call `next_event()` until it returns NEED_DATA, or PAUSED
(a request is complete; the next one waits until `next_request()`). The reader never looks past the
end of a request, so pipelined ones stay in order.
"""

import re
from enum import Enum, auto
from typing import Final, Protocol

from protocol.errors import HeadlessError, RequestError
from protocol.headers import HeaderDigest
from protocol.http1.chunks import ChunkDecoder
from protocol.http1.engine import Engine
from protocol.http1.head import (
    HeaderGauge,
    HeadLimits,
    RequestLine,
    check_authority_form,
    check_line_begun,
    parse_request_line,
    refuse_method,
)
from protocol.http1.lines import LineRules, split_fields
from protocol.http1.repeats import Repeats
from protocol.messages import HeaderBlock, Request
from protocol.uri import Target, parse_target

_END_OF_HEAD = b"\r\n\r\n"
_NO_TARGET = Target(b"", b"/", b"", None)
_LENIENT_END_OF_HEAD = re.compile(rb"\n\r?\n")


class Signal(Enum):
    """Events that carry nothing."""

    NEED_DATA = auto()
    END_OF_BODY = auto()
    PAUSED = auto()


NEED_DATA: Final = Signal.NEED_DATA
END_OF_BODY: Final = Signal.END_OF_BODY
PAUSED: Final = Signal.PAUSED

Event = Request | bytes | Signal


class State(Enum):
    """Where the reader is in the current request."""

    HEAD = auto()
    BODY = auto()
    DONE = auto()
    FAILED = auto()


class ReaderRules(HeadLimits, LineRules, Protocol):
    """The knobs of this module; `proxy.settings.ClientSettings` has them."""

    @property
    def merge_slashes(self) -> bool: ...


class RequestReader:
    """See the module. `digest` and `engine` are shared by all connections of a server."""

    __slots__ = (
        "_blocks",
        "_buffer",
        "_chunks",
        "_digest",
        "_engine",
        "_gauge",
        "_heads",
        "_line",
        "_line_bytes",
        "_line_text",
        "_remaining",
        "_rules",
        "_target",
        "allow_control",
        "state",
    )

    def __init__(
        self, rules: ReaderRules, digest: HeaderDigest, engine: Engine, allow_control: bool = False
    ) -> None:
        self.state = State.HEAD
        self.allow_control = allow_control
        self._rules = rules
        self._digest = digest
        self._engine = engine
        self._buffer = b""
        # Of a head that is not complete yet: its first line, with that line's size and CRLF.
        self._line: RequestLine | None = None
        self._line_text = b""
        self._line_bytes = 0
        self._target = _NO_TARGET
        self._gauge: HeaderGauge | None = None
        self._remaining = 0  # body bytes of a declared length still to come
        self._chunks: ChunkDecoder | None = None
        self._blocks: Repeats[HeaderBlock] = Repeats()  # those of HTTP/1.1
        self._heads: Repeats[Request] = Repeats()  # those without a body

    @property
    def buffered_bytes(self) -> int:
        """Received and not yet given out."""
        return len(self._buffer)

    @property
    def head_begun(self) -> bool:
        """Whether some, but not all, of a request head has come."""
        return self.state is State.HEAD and bool(self._buffer)

    @property
    def first_line(self) -> bytes:
        """The first line of a head that is incomplete or was refused, as far as it came."""
        return self._buffer.partition(b"\n")[0].removesuffix(b"\r")

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._buffer = self._buffer + data if self._buffer else data

    def read(self, data: bytes) -> Event:
        """Take bytes, if there are any, and return the next event; see `next_event`."""
        if data:
            self._buffer = self._buffer + data if self._buffer else data
        return self.next_event() if self._buffer else NEED_DATA

    def next_event(self) -> Event:
        """Return what the bytes so far mean: a Request, body bytes, or a Signal.

        Raises:
            RequestError: the bytes break a rule; the reader is of no further use.
        """
        try:
            if self.state is State.HEAD:
                # Health checks, pollers and benchmarks repeat a whole head to the byte.
                last = self._heads.value
                if last is not None and self._buffer == self._heads.key:
                    last.repeated = True
                    self._buffer = b""
                    self._line = self._gauge = None  # it may have come in pieces
                    self.state = State.DONE
                    return last
                return self._read_head()
            if self.state is State.BODY:
                return self._read_chunk(self._chunks) if self._chunks else self._read_counted()
        except RequestError:
            self.state = State.FAILED
            raise
        return PAUSED

    def next_request(self) -> None:
        """Go on to the request behind one that is complete."""
        if self.state is not State.DONE:
            raise RuntimeError(f"the current request is in state {self.state.name}")
        self.state = State.HEAD

    def forget(self) -> None:
        """Drop what is kept of the last request in case that it is repeated."""
        self._heads.forget()
        self._blocks.forget()

    def take_rest(self) -> bytes:
        """Return and forget what came behind the head: the bytes of another protocol (101)."""
        rest, self._buffer = self._buffer, b""
        return rest

    # -- heads ----------------------------------------------------------------------------------

    def _read_head(self) -> Event:
        line = self._line or self._read_line()
        if line is None:
            return NEED_DATA
        if line.minor is None:
            return self._finish_http_0_9(line)
        buffer = self._buffer
        end, after = self._find_end(buffer)
        if not after:
            self._measure(buffer)
            return NEED_DATA
        if after > self._rules.max_header_line_bytes:
            # A smaller head fits into nginx's buffers, wherever its lines end.
            self._measure(buffer[: after - 1])
        request = self._make_request(line, buffer[self._line_bytes : end], after)
        self._line = self._gauge = None
        self._target, self._line_text = _NO_TARGET, b""
        self._buffer = buffer[after:]
        self._expect_body(request)
        if self.state is State.DONE:
            self._heads.put(buffer[:after], request)
        return request

    def _read_line(self) -> RequestLine | None:
        """Judge the first line as soon as it is there (rules 2.10, 2.17 to 2.22)."""
        buffer, rules = self._buffer, self._rules
        if buffer[:1] in (b"\r", b"\n"):
            buffer = self._buffer = buffer.lstrip(b"\r\n")
        if not buffer:
            return None
        size = buffer.find(b"\n") + 1
        if not size or size > rules.max_request_line_bytes:
            check_line_begun(buffer, size or len(buffer) + 1, rules)
            return None
        text = buffer[: size - 1]
        if text.endswith(b"\r"):
            text = text[:-1]
        elif not rules.dangerously_accept_bare_lf:
            check_line_begun(buffer, size, rules)
            raise RequestError(400, "bad_line_end", "a bare LF behind the request line")
        line = parse_request_line(text)
        self._target = parse_target_of(line, rules, self.allow_control)
        self._line, self._line_text, self._line_bytes = line, text, size
        return line

    def _find_end(self, buffer: bytes) -> tuple[int, int]:
        """Return where the last header line ends and where the head does; 0 twice for nowhere."""
        start = self._gauge.position if self._gauge else self._line_bytes
        if not self._rules.dangerously_accept_bare_lf:
            end = buffer.find(_END_OF_HEAD, start - 2)
            return (end + 2, end + 4) if end >= 0 else (0, 0)
        match = _LENIENT_END_OF_HEAD.search(buffer, start - 1)
        return (match.start() + 1, match.end()) if match else (0, 0)

    def _measure(self, head: bytes) -> None:
        rules = self._rules
        if self._gauge is None:
            self._gauge = HeaderGauge(rules, self._line_bytes, rules.dangerously_accept_bare_lf)
        self._gauge.measure(head)

    def _finish_http_0_9(self, line: RequestLine) -> Request:
        """HTTP/0.9 has no header lines: the next line would be another request's (rule 2.20)."""
        size = self._line_bytes
        self._buffer = self._buffer[size:]
        self._line = None
        self.state = State.DONE
        headers = self._digest.digest([], http_1_1=False)
        return Request(self._line_text, line.method, self._target, b"", None, headers, size)

    def _make_request(self, line: RequestLine, block: bytes, size: int) -> Request:
        method, _, protocol, minor = line
        headers = self._read_block(block, bool(minor))
        if method in (b"CONNECT", b"TRACE"):
            refuse_method(method)
        return Request(self._line_text, method, self._target, protocol, minor, headers, size)

    def _read_block(self, block: bytes, http_1_1: bool) -> HeaderBlock:
        known = self._blocks.value
        if http_1_1 and known is not None and block == self._blocks.key:
            return known
        fields = self._engine.split_fields(block)
        if fields is None:
            fields = split_fields(block, self._rules)
        digest = self._digest.digest(fields, http_1_1)
        if http_1_1:
            self._blocks.put(block, digest)
        return digest

    # -- bodies ---------------------------------------------------------------------------------

    def _expect_body(self, request: Request) -> None:
        headers = request.headers
        if headers.chunked:
            self._chunks = ChunkDecoder()
            self.state = State.BODY
        elif headers.content_length:
            self._remaining = headers.content_length
            self.state = State.BODY
        else:
            self.state = State.DONE

    def _read_counted(self) -> Event:
        if not self._remaining:
            self.state = State.DONE
            return END_OF_BODY
        data = self._buffer
        if not data:
            return NEED_DATA
        if len(data) > self._remaining:
            data, self._buffer = data[: self._remaining], data[self._remaining :]
        else:
            self._buffer = b""
        self._remaining -= len(data)
        return data

    def _read_chunk(self, chunks: ChunkDecoder) -> Event:
        """Give out one event for one read: many small chunks cost no more than a large one."""
        while not chunks.done:
            data, self._buffer = self._buffer, b""
            if not data:
                return NEED_DATA
            pieces = chunks.feed(data)
            self._buffer = chunks.rest
            if pieces:
                return b"".join(pieces)
        self._chunks = None
        self.state = State.DONE
        return END_OF_BODY


def parse_target_of(line: RequestLine, rules: ReaderRules, allow_control: bool) -> Target:
    """Parse a request line's target.

    Raises:
        RequestError: 400; for HTTP/0.9 its `HeadlessError`.
    """
    try:
        return _parse_target_of(line, rules, allow_control)
    except RequestError as error:
        if line.minor is None:
            raise HeadlessError(error.status, error.reason, str(error)) from error
        raise


def _parse_target_of(line: RequestLine, rules: ReaderRules, allow_control: bool) -> Target:
    """Parse a request line's target; CONNECT's is not a path, and is refused later anyway."""
    if line.method == b"CONNECT":
        check_authority_form(line.target)
        return Target(line.target, b"/", b"", None)
    return parse_target(line.target, merge_slashes=rules.merge_slashes, allow_control=allow_control)
