"""The face of a parser library.

An engine splits a block of header lines, or says that the block is not strictly well-formed. It is
strict and holds nothing between two requests, so no state of one client can reach another.
"""

from typing import Protocol

from protocol.messages import Field


class Engine(Protocol):
    """A parser library."""

    name: str

    def split_fields(self, block: bytes) -> list[Field] | None:
        """Split header lines, each with its CRLF; None when they are not strictly well-formed."""
