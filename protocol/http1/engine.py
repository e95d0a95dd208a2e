"""The face of a parser library.

An engine does two things: it splits a block of header lines, or says that the block is not strictly
well-formed; and it takes the chunked framing off a body. Both engines are strict and hold nothing
between two requests, so no state of one client can reach another.
"""

from typing import Protocol

from protocol.messages import Field

MAX_FRAMING_BYTES = 64 * 1024
"""Chunk headers, extensions and trailers in a row without a byte of body; 400 over it."""


class ChunkDecoder(Protocol):
    """Takes the chunked framing off one body (RFC 9112 7.1)."""

    done: bool
    """The last chunk and its trailers have been seen."""
    rest: bytes
    """What came behind them; empty until `done`."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the body bytes in `data`, in pieces.

        Raises:
            RequestError: 400 when the framing is malformed.
        """


class Engine(Protocol):
    """A parser library."""

    name: str

    def split_fields(self, block: bytes) -> list[Field] | None:
        """Split header lines, each with its CRLF; None when they are not strictly well-formed."""

    def chunk_decoder(self) -> ChunkDecoder:
        """Return a new decoder for one body."""
