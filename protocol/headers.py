"""Header names, and what a request's header lines mean together.

Owns the mapping of header lines to HTTP_* variables and the rules on names, duplicates, Host,
Content-Length, Transfer-Encoding, Connection and Expect (nginx rules 2.1 to 2.15, 3.1). It is given
lines that a parser has already split; it refuses what contradicts itself.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from protocol.errors import PacketError, RequestError
from protocol.messages import Field, HeaderBlock
from protocol.uri import parse_host
from protocol.uwsgi import encode_length, encode_string

_VALID_NAME = re.compile(rb"[A-Za-z0-9-]+")
_UNDERSCORE_NAME = re.compile(rb"[A-Za-z0-9_-]+")
_UPPER = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz-", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_")

MAX_CONTENT_LENGTH = 2**63 - 1
"""Larger ones are refused; nginx counts in signed 64 bits as well."""

_REMEMBERED = 1024
_REMEMBERED_BYTES = 256

ONCE = frozenset(
    b"HTTP_" + name
    for name in (
        b"HOST",
        b"CONTENT_LENGTH",
        b"TRANSFER_ENCODING",
        b"CONTENT_RANGE",
        b"IF_MODIFIED_SINCE",
        b"IF_UNMODIFIED_SINCE",
        b"IF_MATCH",
        b"IF_NONE_MATCH",
        b"IF_RANGE",
        b"EXPECT",
        b"AUTHORIZATION",
        b"PROXY_AUTHORIZATION",
    )
)
"""Variables of headers that may come only once: 400 for a second line (nginx rule 2.11)."""


class HeaderRules(Protocol):
    """The knobs of this module; `proxy.settings.ClientSettings` and `PacketSettings` have them."""

    @property
    def max_headers(self) -> int: ...
    @property
    def underscores_in_headers(self) -> bool: ...
    @property
    def ignore_invalid_headers(self) -> bool: ...
    @property
    def dangerously_match_connection_by_substring(self) -> bool: ...


class VariableRules(Protocol):
    """Which of the client's headers become variables."""

    @property
    def close_connection(self) -> bool: ...
    @property
    def dangerously_pass_proxy_header(self) -> bool: ...
    @property
    def dangerously_pass_transfer_encoding(self) -> bool: ...


class _Line(NamedTuple):
    """A header line, looked at once: what tells its lines from others', and its variable, encoded.

    The key is the variable's name, None for a line that is dropped. Only where underscores are let
    in, a name that has one keeps a key of its own: `Content_Length` must not be taken for
    `Content-Length` (rule 2.4).
    """

    key: bytes | None
    encoded: bytes


_DROPPED = _Line(None, b"")


class _Name(NamedTuple):
    """A header name, looked at once: the key of its lines, and its variable's name, encoded.

    The encoded name is empty when the variable is not passed on.
    """

    key: bytes | None
    encoded: bytes


_DROPPED_NAME = _Name(None, b"")
_CLOSE = encode_string(b"HTTP_CONNECTION") + encode_string(b"close")


def variable_name(name: bytes) -> bytes:
    """Return the variable that a header becomes: `X-Foo` gives `HTTP_X_FOO` (nginx rule 2.1)."""
    return b"HTTP_" + name.translate(_UPPER)


def has_token(value: bytes, token: bytes) -> bool:
    """Whether a comma-separated list contains `token` (lower case), as RFC 9110 5.6.1 reads it."""
    lowered = value.lower()
    return lowered == token or token in [part.strip(b" \t") for part in lowered.split(b",")]


class HeaderDigest:
    """Turns header lines into a `HeaderBlock`. One serves all connections of a server.

    `suppressed` are HTTP_* variables that configuration sets itself, so that the client's header
    is not passed (nginx rule 1.7).
    """

    def __init__(
        self, rules: HeaderRules, variables: VariableRules, suppressed: Iterable[bytes] = ()
    ) -> None:
        self._rules = rules
        self._withheld = set(suppressed)
        self._close_connection = (
            variables.close_connection and b"HTTP_CONNECTION" not in self._withheld
        )
        if not variables.dangerously_pass_proxy_header:
            self._withheld.add(b"HTTP_PROXY")
        if not variables.dangerously_pass_transfer_encoding:
            self._withheld.add(b"HTTP_TRANSFER_ENCODING")
        self._two_spellings = rules.underscores_in_headers or not rules.ignore_invalid_headers
        self._accepted = _accepted_names(rules)
        self._lines: dict[Field, _Line] = {}
        self._names: dict[bytes, _Name] = {}

    def digest(self, fields: list[Field], http_1_1: bool) -> HeaderBlock:
        """Return what `fields` mean for a request of HTTP/1.1 and newer, or of HTTP/1.0.

        Raises:
            RequestError: 400 or 501 when the lines contradict each other, HTTP or the rules. The
                order of the checks is nginx's (rule 0.1): it decides which error wins.
        """
        kept, values, encoded = self._collect(fields)
        block = HeaderBlock(kept)
        self._read_host(block, values, http_1_1)
        self._read_framing(block, values, http_1_1)
        self._read_connection(block, values)
        block.content_type = values.get(b"HTTP_CONTENT_TYPE", b"")
        block.expects_continue = values.get(b"HTTP_EXPECT", b"").lower() == b"100-continue"
        block.upgrade = b"HTTP_UPGRADE" in values
        if self._close_connection and not block.upgrade:
            encoded[b"HTTP_CONNECTION"] = _CLOSE
        encoded.pop(b"HTTP_HOST", None)  # has a place of its own in the packet
        parts = list(filter(None, encoded.values()))
        block.variables = b"".join(parts)
        block.count = len(parts)
        return block

    def _collect(
        self, fields: list[Field]
    ) -> tuple[list[Field], dict[bytes, bytes], dict[bytes, bytes]]:
        """Drop unwanted names and join lines of one name at the place of the first (rule 2.3).

        Returns the lines that count, and by key the values and the encoded variables.
        """
        known = self._lines
        kept: list[Field] = []
        values: dict[bytes, bytes] = {}
        encoded: dict[bytes, bytes] = {}
        for field in fields:
            line = known.get(field) or self._look_at(field)
            key = line[0]
            if key is None:
                continue
            kept.append(field)
            if key in values:
                values[key] = _join(key, values[key], field[1])
                encoded[key] = _encode_value(self._encode_name(key), values[key])
            else:
                values[key] = field[1]
                encoded[key] = line[1]
        if len(kept) > self._rules.max_headers:
            raise RequestError(400, "too_many_headers", f"more than {len(kept) - 1} header lines")
        return kept, values, encoded

    def _look_at(self, field: Field) -> _Line:
        """Judge a line by its name and encode it; remember both, within bounds."""
        name, value = field
        line = _DROPPED
        key, encoded = self._names.get(name) or self._look_at_name(name)
        if key is not None:
            line = _Line(key, _encode_value(encoded, value))
        # The lines come from clients: the table must not grow with their imagination.
        if len(name) + len(value) <= _REMEMBERED_BYTES:
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[field] = line
        return line

    def _look_at_name(self, name: bytes) -> _Name:
        """Judge a name (rules 2.4, 2.5), and remember the verdict, within bounds."""
        known = _DROPPED_NAME
        if self._accepted is None or self._accepted.fullmatch(name):
            key = b"HTTP_" + name.lower() if b"_" in name else variable_name(name)
            known = _Name(key, self._encode_name(key))
        if len(name) <= _REMEMBERED_BYTES:
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[name] = known
        return known

    def _encode_name(self, key: bytes) -> bytes:
        """Return the name of a key's variable as it stands in a packet; empty to keep it back."""
        name = key.translate(_UPPER) if self._two_spellings else key
        try:
            return b"" if name in self._withheld else encode_string(name)
        except PacketError as error:  # only where the limits for header lines were raised
            raise RequestError(400, "headers_too_large", f"one header: {error}") from error

    @staticmethod
    def _read_host(block: HeaderBlock, values: dict[bytes, bytes], http_1_1: bool) -> None:
        host = values.pop(b"HTTP_HOST", None)
        if host is not None:
            block.host = parse_host(host)
        elif http_1_1:
            raise RequestError(400, "no_host", "an HTTP/1.1 request needs a Host header")

    @staticmethod
    def _read_framing(block: HeaderBlock, values: dict[bytes, bytes], http_1_1: bool) -> None:
        """RFC 9112 6.3, with nginx's statuses (rules 2.12, 3.1)."""
        length = values.get(b"HTTP_CONTENT_LENGTH")
        coding = values.get(b"HTTP_TRANSFER_ENCODING")
        if length is not None:
            # isdigit() of bytes knows ASCII digits only, and refuses the empty text
            if not length.isdigit() or len(length) > 64 or int(length) > MAX_CONTENT_LENGTH:
                raise RequestError(400, "bad_content_length", "Content-Length is not a number")
            block.content_length_text = length
            block.content_length = int(length)
        if coding is None:
            return
        if not http_1_1:
            raise RequestError(400, "bad_transfer_encoding", "Transfer-Encoding in HTTP/1.0")
        if coding.strip(b" ").lower() != b"chunked":
            raise RequestError(501, "bad_transfer_encoding", "only chunked is understood")
        if length is not None:
            raise RequestError(
                400, "bad_transfer_encoding", "both Content-Length and Transfer-Encoding"
            )
        block.chunked = True

    def _read_connection(self, block: HeaderBlock, values: dict[bytes, bytes]) -> None:
        connection = values.get(b"HTTP_CONNECTION")
        if connection is None:
            return
        if self._rules.dangerously_match_connection_by_substring:
            _match_substrings(block)
        else:
            block.close = has_token(connection, b"close")
            block.keep_alive = has_token(connection, b"keep-alive")


def _accepted_names(rules: HeaderRules) -> re.Pattern[bytes] | None:
    """Return what a header name has to look like to be passed on; None for anything."""
    if not rules.ignore_invalid_headers:
        return None
    return _UNDERSCORE_NAME if rules.underscores_in_headers else _VALID_NAME


def _encode_value(name: bytes, value: bytes) -> bytes:
    """Return a variable as it stands in a packet; empty when its name is."""
    if not name:
        return b""
    try:
        return name + encode_length(len(value)) + value
    except PacketError as error:  # only where the limits for header lines were raised
        raise RequestError(400, "headers_too_large", f"one header: {error}") from error


def _join(key: bytes, first: bytes, second: bytes) -> bytes:
    if key in ONCE:
        raise RequestError(400, "duplicate_header", f"{key.decode()} came twice")
    return first + (b"; " if key == b"HTTP_COOKIE" else b", ") + second


def _match_substrings(block: HeaderBlock) -> None:
    """nginx's way (rule 2.13): `close` wins within a line, the last line that matches wins."""
    for name, value in block.fields:
        if name.lower() == b"connection":
            lowered = value.lower()
            if b"close" in lowered:
                block.close, block.keep_alive = True, False
            elif b"keep-alive" in lowered:
                block.close, block.keep_alive = False, True
