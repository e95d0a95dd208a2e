"""Request and connection facts as uwsgi variables, in the order of nginx's `uwsgi_params`.

    QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH REQUEST_URI PATH_INFO   the request
    DOCUMENT_ROOT SERVER_PROTOCOL REQUEST_SCHEME [HTTPS]                            the connection
    REMOTE_ADDR REMOTE_PORT SERVER_PORT SERVER_NAME
    configured ones                                                                 the operator
    HTTP_HOST, the other headers in order of arrival                                the client

Names never come from a client except behind `HTTP_`: a uwsgi backend obeys variables such as
UWSGI_FILE by loading code. Source: nginx rules 1.1 to 1.27.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from protocol.errors import PacketError
from protocol.messages import ConnectionFacts, HeaderBlock, Request
from protocol.uri import quote_path
from protocol.uwsgi import (
    HEADER_BYTES,
    MAX_BLOCK_BYTES,
    encode_length,
    encode_packet,
    encode_string,
    encode_vars,
)

_QUERY = encode_string(b"QUERY_STRING")
_EMPTY_QUERY = _QUERY + encode_string(b"")
_METHOD = encode_string(b"REQUEST_METHOD")
_METHODS = {
    name: _METHOD + encode_string(name)
    for name in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS")
}
_TYPE = encode_string(b"CONTENT_TYPE")
_LENGTH = encode_string(b"CONTENT_LENGTH")
_NO_BODY = _TYPE + encode_string(b"") + _LENGTH + encode_string(b"")
_URI = encode_string(b"REQUEST_URI")
_PATH = encode_string(b"PATH_INFO")
_HOST = encode_string(b"HTTP_HOST")

_DEFAULT_NAMES = (
    *("QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI"),
    *("PATH_INFO", "DOCUMENT_ROOT", "SERVER_PROTOCOL", "REQUEST_SCHEME", "HTTPS", "REMOTE_ADDR"),
    *("REMOTE_PORT", "SERVER_PORT", "SERVER_NAME"),
)
_REQUEST_VARS = 6


class PacketRules(Protocol):
    """The knobs of this module; `proxy.settings.PacketSettings` has them and explains them."""

    @property
    def modifier1(self) -> int: ...
    @property
    def modifier2(self) -> int: ...
    @property
    def params(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def server_name(self) -> str: ...
    @property
    def document_root(self) -> str: ...
    @property
    def path_info(self) -> str: ...
    @property
    def content_variables(self) -> str: ...
    @property
    def backend_buffer_bytes(self) -> int: ...
    @property
    def backend_max_vars(self) -> int: ...


class PacketTooLarge(PacketError):
    """A request's variables go over a limit.

    `ours` tells whether it is the protocol's own (65,535 bytes) or one that mirrors the worker's.
    """

    def __init__(self, message: str, *, ours: bool) -> None:
        super().__init__(message)
        self.ours = ours


class ConnectionVars(NamedTuple):
    """The variables that stay the same for all requests of a connection, encoded."""

    block: bytes
    variables: int
    protocol: bytes


def withheld_headers(rules: PacketRules) -> set[bytes]:
    """Return the HTTP_* variables that no header of a client may become.

    Those that configuration sets (rule 1.7), and those that would repeat CONTENT_*.
    """
    repeated = {b"HTTP_CONTENT_TYPE", b"HTTP_CONTENT_LENGTH"}
    return _overridden(rules) | (repeated if rules.content_variables == "wsgi" else set())


def _overridden(rules: PacketRules) -> set[bytes]:
    return {name.upper().encode() for name, _ in rules.params if name.upper().startswith("HTTP_")}


class PacketBuilder:
    """Builds request packets under one set of rules. Has no state besides.

    `extension` is how many variables `extend` will add at most.
    """

    def __init__(self, rules: PacketRules, extension: int = 0) -> None:
        self._extension = extension
        self._rules = rules
        self._content_once = rules.content_variables == "wsgi"
        self._raw_path = rules.path_info == "raw"
        self._server_name = _encode(rules.server_name)
        overrides = {name: value for name, value in rules.params if name in _DEFAULT_NAMES}
        self._overrides = {name.encode(): _encode(value) for name, value in overrides.items()}
        self._extra = [
            (name.encode(), _encode(value))
            for name, value in rules.params
            if name not in overrides and not (name.upper().startswith("HTTP_") and not value)
        ]
        self._own_host = b"HTTP_HOST" in _overridden(rules)

    def connection_vars(self, facts: ConnectionFacts, protocol: bytes) -> ConnectionVars:
        """Encode what a connection contributes to a request of `protocol` (`HTTP/1.1`)."""
        pairs = [
            (b"DOCUMENT_ROOT", _encode(self._rules.document_root)),
            (b"SERVER_PROTOCOL", protocol),
            (b"REQUEST_SCHEME", facts.scheme),
            (b"REMOTE_ADDR", facts.remote_addr),
            (b"REMOTE_PORT", facts.remote_port),
            (b"SERVER_PORT", facts.server_port),
            (b"SERVER_NAME", self._server_name),
        ]
        if facts.scheme == b"https" or b"HTTPS" in self._overrides:
            pairs.insert(3, (b"HTTPS", b"on"))
        pairs = list(self._override(pairs)) + self._extra
        return ConnectionVars(encode_vars(pairs), len(pairs), protocol)

    def packet(self, request: Request, connection: ConnectionVars, body_bytes: int | None) -> bytes:
        """Return the packet for a request.

        Args:
            body_bytes: length of the body once a chunked one has been decoded, else None.

        Raises:
            PacketTooLarge: over the protocol's limit or one of the worker's.
        """
        headers = request.headers
        length = headers.content_length_text if body_bytes is None else b"%d" % body_bytes
        host = request.target.authority or headers.host
        if host is None:
            host = self._server_name
        count = self._count(headers, length) + connection.variables + self._extension
        try:
            parts = [*self._request_parts(request, length), connection.block]
            if host and not self._own_host:
                parts += (_HOST, encode_length(len(host)), host)
                count += 1
        except PacketError as error:  # a single value is longer than any block may be
            ours = self._rules.backend_buffer_bytes >= MAX_BLOCK_BYTES
            raise PacketTooLarge(str(error), ours=ours) from error
        parts.append(headers.variables)
        block = b"".join(parts)
        self._check(len(block), count)
        return encode_packet(block, self._rules.modifier1, self._rules.modifier2)

    def extend(self, packet: bytes, variables: bytes) -> bytes:
        """Return a packet with more variables, which are encoded already.

        Raises:
            PacketTooLarge: over the protocol's limit or the worker's.
        """
        size = len(packet) - HEADER_BYTES + len(variables)
        self._check(size, 0)
        return b"".join((packet[:1], encode_length(size), packet[3:], variables))

    def _request_parts(self, request: Request, length: bytes) -> Iterable[bytes]:
        target = request.target
        if self._overrides:
            return (encode_vars(self._override(self._request_pairs(request, length))),)
        path = quote_path(target.path) if self._raw_path else target.path
        query, method = target.query, request.method
        return (
            _QUERY + encode_length(len(query)) + query if query else _EMPTY_QUERY,
            _METHODS.get(method) or _METHOD + encode_string(method),
            self._content(request.headers.content_type, length),
            _URI,
            encode_length(len(target.uri)),
            target.uri,
            _PATH,
            encode_length(len(path)),
            path,
        )

    def _content(self, content_type: bytes, length: bytes) -> bytes:
        if not length and not content_type:
            return b"" if self._content_once else _NO_BODY
        both = ((_TYPE, content_type), (_LENGTH, length))
        return b"".join(
            name + encode_string(value) for name, value in both if value or not self._content_once
        )

    def _request_pairs(self, request: Request, length: bytes) -> list[tuple[bytes, bytes]]:
        """Return the same variables unencoded, for the rare case that one is overridden."""
        target = request.target
        content = [
            (b"CONTENT_TYPE", request.headers.content_type),
            (b"CONTENT_LENGTH", length),
        ]
        return [
            (b"QUERY_STRING", target.query),
            (b"REQUEST_METHOD", request.method),
            *(pair for pair in content if pair[1] or not self._content_once),
            (b"REQUEST_URI", target.uri),
            (b"PATH_INFO", quote_path(target.path) if self._raw_path else target.path),
        ]

    def _count(self, headers: HeaderBlock, length: bytes) -> int:
        """Return how many variables stem from the request, without HTTP_HOST."""
        absent = (not headers.content_type) + (not length) if self._content_once else 0
        return _REQUEST_VARS - absent + headers.count

    def _override(self, pairs: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        for name, value in pairs:
            yield name, self._overrides.get(name, value)

    def _check(self, size: int, count: int) -> None:
        rules = self._rules
        if size > rules.backend_buffer_bytes and rules.backend_buffer_bytes < MAX_BLOCK_BYTES:
            raise PacketTooLarge(
                f"variables of {size} bytes, the worker takes {rules.backend_buffer_bytes}",
                ours=False,
            )
        if size > MAX_BLOCK_BYTES:
            raise PacketTooLarge(f"variables of {size} bytes, uwsgi carries 65535", ours=True)
        if rules.backend_max_vars and count > rules.backend_max_vars:
            raise PacketTooLarge(
                f"{count} variables, the worker takes {rules.backend_max_vars}", ours=False
            )


def _encode(text: str) -> bytes:
    """Return the bytes that an operator wrote: what is not UTF-8 came in as surrogates."""
    return text.encode("utf-8", "surrogateescape")
