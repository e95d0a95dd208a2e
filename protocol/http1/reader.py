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

from enum import Enum, auto
from typing import Protocol

from protocol.errors import RequestError
from protocol.headers import HeaderDigest
from protocol.http1.engine import ChunkDecoder, Engine
from protocol.http1.head import (
    FIRST_BUFFER_BYTES,
    HeadLimits,
    RequestLine,
    check_authority_form,
    check_line_sizes,
    may_begin_line,
    parse_request_line,
    refuse_method,
)
from protocol.http1.lines import LineRules, split_fields
from protocol.messages import HeaderBlock, Request
from protocol.uri import Target, parse_target

_END_OF_HEAD = b"\r\n\r\n"


class Signal(Enum):
    """Events that carry nothing."""

    NEED_DATA = auto()
    END_OF_BODY = auto()
    PAUSED = auto()


NEED_DATA = Signal.NEED_DATA
END_OF_BODY = Signal.END_OF_BODY
PAUSED = Signal.PAUSED

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
        "_block",
        "_block_key",
        "_buffer",
        "_chunks",
        "_digest",
        "_engine",
        "_line",
        "_remaining",
        "_rules",
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
        self._line: RequestLine | None = None  # of a head that is not complete yet
        self._remaining = 0  # body bytes of a declared length still to come
        self._chunks: ChunkDecoder | None = None
        self._block: HeaderBlock | None = None  # the last header block, see HeaderBlock
        self._block_key = (b"", False)

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

    def next_event(self) -> Event:
        """Return what the bytes so far mean: a Request, body bytes, or a Signal.

        Raises:
            RequestError: the bytes break a rule; the reader is of no further use.
        """
        try:
            if self.state is State.HEAD:
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

    def take_rest(self) -> bytes:
        """Return and forget what came behind the head: the bytes of another protocol (101)."""
        rest, self._buffer = self._buffer, b""
        return rest

    # -- heads ----------------------------------------------------------------------------------

    def _read_head(self) -> Event:
        buffer = self._buffer
        if buffer[:1] in (b"\r", b"\n") and self._line is None:
            buffer = self._buffer = buffer.lstrip(b"\r\n")  # rule 2.10
        end, after = self._find_end(buffer)
        if end < 0:
            return self._read_partial_head(buffer)
        if end > FIRST_BUFFER_BYTES:
            check_line_sizes(buffer[:end], self._rules)
        line, _, block = buffer[:end].partition(b"\n")
        request = self._make_request(line, block, after)
        self._line = None
        self._buffer = buffer[after:]
        self._expect_body(request)
        return request

    def _find_end(self, buffer: bytes) -> tuple[int, int]:
        """Return where the last header line ends and where the head does, or -1 twice."""
        end = buffer.find(_END_OF_HEAD)
        if not self._rules.dangerously_accept_bare_lf:
            return (end + 2, end + 4) if end >= 0 else (-1, -1)
        return _find_lenient_end(buffer)

    def _read_partial_head(self, buffer: bytes) -> Event:
        """Judge what can be judged early: the first line, and sizes (rules 2.18 to 2.24)."""
        if buffer and not may_begin_line(buffer):
            raise RequestError(400, "bad_request_line", "the request line begins with no method")
        end_of_line = buffer.find(b"\n")
        self._check_line_end(buffer, end_of_line)
        check_line_sizes(buffer, self._rules)
        if end_of_line >= 0 and self._line is None:
            line = buffer[:end_of_line].removesuffix(b"\r")
            self._line = parse_request_line(line)
            parse_target_of(self._line, self._rules, self.allow_control)
            if self._line.minor is None:
                return self._finish_http_0_9(line, self._line, end_of_line + 1)
        return NEED_DATA

    def _check_line_end(self, buffer: bytes, end_of_line: int) -> None:
        if self._rules.dangerously_accept_bare_lf:
            return
        while end_of_line >= 0:
            if buffer[end_of_line - 1 : end_of_line] != b"\r":
                raise RequestError(400, "bad_line_end", "a bare LF in the request head")
            end_of_line = buffer.find(b"\n", end_of_line + 1)

    def _finish_http_0_9(self, text: bytes, line: RequestLine, after: int) -> Request:
        self._line = None
        self._buffer = self._buffer[after:]
        self.state = State.DONE
        target = parse_target_of(line, self._rules, self.allow_control)
        headers = self._digest.digest([], http_1_1=False)
        return Request(text, line.method, target, b"", None, headers, after)

    def _make_request(self, line: bytes, block: bytes, size: int) -> Request:
        if line.endswith(b"\r"):
            line = line[:-1]
        elif not self._rules.dangerously_accept_bare_lf:
            raise RequestError(400, "bad_line_end", "a bare LF behind the request line")
        parsed = parse_request_line(line)
        target = parse_target_of(parsed, self._rules, self.allow_control)
        headers = self._read_block(block, bool(parsed.minor))
        if parsed.method in (b"CONNECT", b"TRACE"):
            refuse_method(parsed.method)
        return Request(line, parsed.method, target, parsed.protocol, parsed.minor, headers, size)

    def _read_block(self, block: bytes, http_1_1: bool) -> HeaderBlock:
        if self._block is not None and self._block_key == (block, http_1_1):
            return self._block
        fields = self._engine.split_fields(block)
        if fields is None:
            fields = split_fields(block, self._rules)
        self._block = self._digest.digest(fields, http_1_1)
        self._block_key = (block, http_1_1)
        return self._block

    # -- bodies ---------------------------------------------------------------------------------

    def _expect_body(self, request: Request) -> None:
        headers = request.headers
        if headers.chunked:
            self._chunks = self._engine.chunk_decoder()
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
    """Parse a request line's target; CONNECT's is not a path, and is refused later anyway."""
    if line.method == b"CONNECT":
        check_authority_form(line.target)
        return Target(line.target, b"/", b"", None)
    return parse_target(line.target, merge_slashes=rules.merge_slashes, allow_control=allow_control)


def _find_lenient_end(buffer: bytes) -> tuple[int, int]:
    """Find an empty line that any mixture of CR LF and LF may surround."""
    position = buffer.find(b"\n")
    while position >= 0:
        following = buffer[position + 1 : position + 3]
        if following[:1] == b"\n":
            return position + 1, position + 2
        if following == b"\r\n":
            return position + 1, position + 3
        position = buffer.find(b"\n", position + 1)
    return -1, -1
