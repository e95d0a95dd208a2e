"""The httptools engine: llhttp, the parser of Node.js, strict as it comes.

llhttp parses whole messages, so each use gives it a request line of our own in front.
"""

import httptools

from protocol.errors import RequestError
from protocol.http1.engine import MAX_FRAMING_BYTES, ChunkDecoder
from protocol.messages import Field

_REQUEST_LINE = b"GET / HTTP/1.1\r\n"

_CHUNKED_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"\r\n\r\n"


class _Fields:
    """Collects the callbacks of one header block."""

    __slots__ = ("complete", "fields")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


class HttptoolsEngine:
    """See `protocol.http1.engine.Engine`."""

    name = "httptools"

    def split_fields(self, block: bytes) -> list[Field] | None:
        # llhttp would unfold a folded line, trim tabs and keep spaces at the end; nginx does not
        if b"\t" in block or b"\r\n " in block or b" \r\n" in block:
            return None
        collector = _Fields()
        parser = httptools.HttpRequestParser(collector)
        try:
            parser.feed_data(_REQUEST_LINE + block + b"\r\n")
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            return None
        return collector.fields if collector.complete else None

    def chunk_decoder(self) -> ChunkDecoder:
        return HttptoolsChunkDecoder()


class HttptoolsChunkDecoder:
    """See `protocol.http1.engine.ChunkDecoder`.

    llhttp does not tell where in its input a message ended. But a chunked body always ends with
    CRLF CRLF (the last chunk's line or the last trailer's, then the empty line), so the input is
    cut behind each of those, and whatever has not been fed when the end is reported is the rest.
    """

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._pieces: list[bytes] = []
        self._framing = 0
        self._seam = b""  # the last bytes fed, where a CRLF CRLF may have begun
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_CHUNKED_HEAD)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.done = True

    def feed(self, data: bytes) -> list[bytes]:
        self._pieces = []
        start = 0
        while start < len(data) and not self.done:
            end = self._next_cut(data, start)
            try:
                self._parser.feed_data(data[start:end])
            except httptools.HttpParserError as error:
                raise RequestError(400, "bad_chunk", f"malformed chunked body: {error}") from error
            start = end
        self.rest = data[start:]
        self._framing = 0 if self._pieces else self._framing + len(data)
        if self._framing > MAX_FRAMING_BYTES and not self.done:
            raise RequestError(400, "bad_chunk", f"over {MAX_FRAMING_BYTES} bytes of chunk framing")
        return self._pieces

    def _next_cut(self, data: bytes, start: int) -> int:
        """Return where the piece of `data` that begins at `start` has to end."""
        if start == 0 and self._seam:
            seam = self._seam
            self._seam = data[-3:] if len(data) >= 3 else (seam + data)[-3:]
            found = (seam + data[:3]).find(_END)
            if found >= 0:
                return found + len(_END) - len(seam)
        else:
            self._seam = data[-3:]
        found = data.find(_END, start)
        return found + len(_END) if found >= 0 else len(data)
