"""Header lines by nginx's grammar: the second opinion.

A parser library reads the header block first. Only when it refuses is the block read here, slowly
and by the letter of nginx's rules (2.5 to 2.9), which are in places wider (odd names are dropped,
control characters in values pass) and decide what the client is told. The same verdict comes out
whichever library was asked first.
"""

from typing import Protocol

from protocol.errors import RequestError
from protocol.messages import Field

_NAME_BREAKERS = bytes(range(0x21)) + b"\x7f"


class LineRules(Protocol):
    """The knobs of this module; `proxy.settings.ClientSettings` has them."""

    @property
    def dangerously_accept_bare_lf(self) -> bool: ...
    @property
    def dangerously_accept_headers_without_colon(self) -> bool: ...


def split_fields(block: bytes, rules: LineRules) -> list[Field]:
    """Split a header block (each line with its CRLF) into fields.

    Raises:
        RequestError: 400 for a line that nginx refuses, and for a bare CR or LF and a line without
            a colon unless the rules allow them.
    """
    if not block:
        return []
    if rules.dangerously_accept_bare_lf:
        lines = [line.rstrip(b"\r") for line in block.removesuffix(b"\n").split(b"\n")]
    else:
        if block.count(b"\n") != block.count(b"\r\n"):
            # Judged before any line is, as it is when the head comes in piece by piece.
            raise RequestError(400, "bad_line_end", "a bare LF in the request head")
        lines = block.removesuffix(b"\r\n").split(b"\r\n")
    return [_split_field(line, rules) for line in lines]


def _split_field(line: bytes, rules: LineRules) -> Field:
    if b"\r" in line:
        raise RequestError(400, "bad_line_end", "a bare CR in the header lines")
    name, colon, value = line.partition(b":")
    if not name:
        raise RequestError(400, "bad_header", "a header line without a name")
    if name.translate(None, _NAME_BREAKERS) != name:
        raise RequestError(400, "bad_header", "space or a control character in a header name")
    if not colon and not rules.dangerously_accept_headers_without_colon:
        raise RequestError(400, "bad_header", "a header line without a colon")
    if b"\0" in value:
        raise RequestError(400, "bad_header", "a NUL in a header value")
    return name, value.strip(b" ")
