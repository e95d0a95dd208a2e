"""The chunked coding, by nginx's grammar (rules 3.9, 4.20; RFC 9112 7.1).

    chunk    = hex digits [ (space | tab | ";") anything but CR and LF ] CRLF data CRLF
    body     = chunk* last-chunk trailer-line* CRLF

Written here, although both parser libraries can decode chunks, because where a body ends must not
depend on which one is used: llhttp does not say where in its input the end was and refuses spaces
that nginx takes, h11 lets a bare CR and a size of twenty digits pass. Tests hold this decoder
against both. Extensions and trailers are read over and dropped.
"""

import re

from protocol.errors import RequestError

MAX_FRAMING_BYTES = 64 * 1024
"""Sizes, extensions and trailers in a row without a byte of body; 400 over it."""

MAX_CHUNK_BYTES = 2**63 - 1

# No more than 16 digits that count: enough for 63 bits, and for a mistake to be seen early.
_SIZE = rb"(?=[0-9A-Fa-f])(0?+)0*+([1-9A-Fa-f][0-9A-Fa-f]{0,15}+)?+"
_SIZE_LINE = re.compile(_SIZE + rb"(?:[ \t;][^\r\n]*+)?+\r\n")
_TRAILER_LINE = re.compile(rb"[^\r\n]*+\r\n")
# What may still become such a line with more bytes. The groups, joined, stand for all of it: a line
# that drips in must not be read again from its start with every byte.
_BEGUN_SIZE_LINE = re.compile(_SIZE + rb"(?:([ \t;])[^\r\n]*+)?+(\r?+)")
_BEGUN_TRAILER_LINE = re.compile(rb"([^\r\n]?+)[^\r\n]*+(\r?+)")


class ChunkDecoder:
    """Takes the framing off one body. Feed it until `done`; `rest` is what came behind the end."""

    __slots__ = ("_framing", "_held", "_in_trailer", "_left", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._held = b""  # of a line that has begun: what matters
        self._left = 0  # of the current chunk: data and its CRLF, 0 in front of a size line
        self._in_trailer = False
        self._framing = 0  # bytes since the last one of the body

    def feed(self, data: bytes) -> list[bytes]:
        """Return the body bytes in `data`, in pieces.

        Raises:
            RequestError: 400, `bad_chunk`, when the framing is malformed.
        """
        held = len(self._held)  # counted already
        if held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        position = 0
        while position < len(data) and not self.done:
            if self._left > 2:
                piece = data[position : position + self._left - 2]
                pieces.append(piece)
                self._left -= len(piece)
                position += len(piece)
                self._framing = 0
                continue
            after = self._end_chunk(data, position) if self._left else self._line(data, position)
            self._count((after or len(data)) - position - held)
            if not after:
                break
            position, held = after, 0
        if self.done:
            self.rest = data[position:]
        return pieces

    def _end_chunk(self, data: bytes, position: int) -> int:
        """Skip the CRLF behind a chunk's data; return where it ends, 0 if it has not all come."""
        if data.startswith(b"\r\n", position):
            self._left = 0
            return position + 2
        if data[position:] == b"\r":
            self._held = b"\r"
            return 0
        raise RequestError(400, "bad_chunk", "no CRLF behind the data of a chunk")

    def _line(self, data: bytes, position: int) -> int:
        """Read a size or trailer line; return where it ends, 0 if it has not all come."""
        if self._in_trailer:
            whole, begun = _TRAILER_LINE, _BEGUN_TRAILER_LINE
        else:
            whole, begun = _SIZE_LINE, _BEGUN_SIZE_LINE
        match = whole.match(data, position)
        if match is None:
            part = begun.fullmatch(data, position)
            if part is None:
                what = "trailer" if self._in_trailer else "chunk size"
                raise RequestError(400, "bad_chunk", f"malformed {what}: {data[position:][:40]!r}")
            self._held = b"".join(part.groups(b""))
            return 0
        if self._in_trailer:
            self.done = match.end() - position == 2
        else:
            self._begin_chunk(int(match[2] or b"0", 16))
        return match.end()

    def _begin_chunk(self, size: int) -> None:
        if size > MAX_CHUNK_BYTES:
            raise RequestError(400, "bad_chunk", "the size of a chunk overflows")
        self._left = size + 2 if size else 0
        self._in_trailer = not size

    def _count(self, size: int) -> None:
        self._framing += size
        if self._framing > MAX_FRAMING_BYTES:
            raise RequestError(400, "bad_chunk", f"over {MAX_FRAMING_BYTES} bytes of chunk framing")
