"""The h11 engine: pure Python, for where httptools has no wheel.

h11 is lenient in a few places where nginx is not; each is checked here, so that both engines give
the same verdict.
"""

import re

import h11

from protocol.errors import RequestError
from protocol.http1.engine import MAX_FRAMING_BYTES, ChunkDecoder
from protocol.messages import Field

# HTTP/1.0, so that h11 leaves the rules about Host to `protocol.headers`.
_REQUEST_LINE = b"GET / HTTP/1.0\r\n"
_CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_LISTED_LENGTH = re.compile(rb"(?im)^content-length:[^\r]*,")
_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 1024 * 1024  # `protocol.http1.head` has its own, smaller limits


class H11Engine:
    """See `protocol.http1.engine.Engine`."""

    name = "h11"

    def split_fields(self, block: bytes) -> list[Field] | None:
        # h11 would unfold a folded line, trim tabs and take a bare LF; nginx does not
        if b"\t" in block or b"\r\n " in block or block.count(b"\n") != block.count(b"\r\n"):
            return None
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        connection.receive_data(_REQUEST_LINE + block + b"\r\n")
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if not isinstance(event, h11.Request) or _LISTED_LENGTH.search(block):
            return None
        # repeated lengths are merged by h11, and refused by nginx
        return event.headers.raw_items() if len(event.headers) == block.count(b"\n") else None

    def chunk_decoder(self) -> ChunkDecoder:
        return H11ChunkDecoder()


class H11ChunkDecoder:
    """See `protocol.http1.engine.ChunkDecoder`."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._seam = b""  # the last bytes fed, to see how the body ended
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_FRAMING_BYTES)
        self._connection.receive_data(_CHUNKED_HEAD)
        self._connection.next_event()

    def feed(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        try:
            self._connection.receive_data(data)
            while not self.done:
                event = self._connection.next_event()
                if event is h11.NEED_DATA:
                    break
                if isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self.done = True
                    self.rest = self._connection.trailing_data[0]
        except h11.RemoteProtocolError as error:
            raise RequestError(400, "bad_chunk", f"malformed chunked body: {error}") from error
        seen = self._seam + data
        if self.done and not seen[: len(seen) - len(self.rest)].endswith(_END):
            raise RequestError(400, "bad_chunk", "the chunked body ends with a bare LF")
        self._seam = seen[-4:]
        return pieces
