"""Who a request is, in the logs of everybody it goes through.

Two identities, each of which may be accepted from the client or made here: X-Request-ID, an opaque
word, and W3C Trace Context (https://www.w3.org/TR/trace-context/), of which `traceparent` names a
trace and the span within it, and `tracestate` is carried along. What the client said of them and
what cannot be believed never reaches the application beside it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocol.messages import HeaderBlock, Request
from protocol.uwsgi import encode_string

MAX_REQUEST_ID_BYTES = 128
"""Of an X-Request-ID that is accepted."""

MAX_TRACESTATE_BYTES = 4096
"""Of all tracestate together; more is not passed on. The standard asks for 512 at least."""

REQUEST_ID = b"X-Request-ID"

_match_request_id = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,%d}" % MAX_REQUEST_ID_BYTES).fullmatch
# Version 00 has nothing behind its flags; later ones may have, behind a hyphen (section 2.2.2).
_match_traceparent = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.DOTALL,
).fullmatch

_REQUEST_ID_NAME = b"HTTP_X_REQUEST_ID"
_TRACE_NAMES = (b"HTTP_TRACEPARENT", b"HTTP_TRACESTATE")
_REQUEST_ID_VARIABLE = encode_string(_REQUEST_ID_NAME)
_PARENT_VARIABLE, _STATE_VARIABLE = map(encode_string, _TRACE_NAMES)

NewBytes = Callable[[int], bytes]
"""Returns so many bytes that nobody can guess."""


_Found = tuple[list[bytes], list[bytes], list[bytes]]
_NOTHING: _Found = ([], [], [])


class IdentityRules(Protocol):
    """The knobs of this module; `proxy.settings.IdentitySettings` has them and explains them."""

    @property
    def request_id(self) -> str: ...
    @property
    def traceparent(self) -> str: ...


@dataclass(slots=True, eq=False)
class Trace:
    """A place in a trace: `span_id` is our hop, `parent_id` who asked us, empty for nobody."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes = b""
    sampled: bool = True
    state: bytes = b""

    @property
    def header(self) -> bytes:
        """The traceparent for whoever comes next."""
        return b"00-%s-%s-%02x" % (self.trace_id, self.span_id, self.sampled)


BeginSpan = Callable[[Request, Trace | None, float], tuple[Trace, object]]
"""Begins a span for a request, behind its caller's place if it has one, at a time in seconds."""


@dataclass(slots=True, eq=False)
class Identity:
    """What a request is called; `variables` tell the application, encoded."""

    request_id: bytes = b""
    trace: Trace | None = None
    variables: bytes = b""
    span: object = None
    """Who reports our hop, where somebody does."""


def withheld_names(rules: IdentityRules) -> set[bytes]:
    """Return the variables that no header of a client becomes, since we say them ourselves."""
    names = set()
    if rules.request_id != "off":
        names.add(_REQUEST_ID_NAME)
    if rules.traceparent != "off":
        names.update(_TRACE_NAMES)
    return names


def count_variables(rules: IdentityRules) -> int:
    """Return how many variables an identity has at most."""
    return len(withheld_names(rules))


def parse_traceparent(value: bytes) -> Trace | None:
    """Return the place of whoever sent a traceparent; None for one that is malformed."""
    match = _match_traceparent(value)
    if match is None or (match[1] == b"00" and match[5] is not None):
        return None
    # Of the flags only this one has a meaning that we know (section 2.2.3.1).
    return Trace(match[2], match[3], sampled=bool(int(match[4], 16) & 1))


class Identifier:
    """Finds out or makes the identity of each request.

    `begin_span` reports our hop; without one it only has a number.
    """

    def __init__(
        self, rules: IdentityRules, new_bytes: NewBytes, begin_span: BeginSpan | None = None
    ) -> None:
        self._new_bytes = new_bytes
        self._begin_span = begin_span
        self._accepts_id = rules.request_id == "accept"
        self._has_id = rules.request_id != "off"
        self._accepts_trace = rules.traceparent == "accept"
        self._has_trace = rules.traceparent != "off"
        self._accepts = self._accepts_id or self._accepts_trace

    def __call__(self, request: Request, started: float) -> Identity:
        """Return the identity of a request that began at the time `started`."""
        given, parents, states = _find(request.headers) if self._accepts else _NOTHING
        identity = Identity()
        told: list[bytes] = []
        if self._has_id:
            usable = self._accepts_id and len(given) == 1 and _match_request_id(given[0])
            identity.request_id = given[0] if usable else self._new_bytes(16).hex().encode()
            told += (_REQUEST_ID_VARIABLE, encode_string(identity.request_id))
        if self._has_trace:
            came = self._accept(parents, states)
            if self._begin_span is None:
                trace = self._next(came)
            else:
                trace, identity.span = self._begin_span(request, came, started)
            identity.trace = trace
            told += (_PARENT_VARIABLE, encode_string(trace.header))
            if trace.state:
                told += (_STATE_VARIABLE, encode_string(trace.state))
        identity.variables = b"".join(told)
        return identity

    def _accept(self, parents: list[bytes], states: list[bytes]) -> Trace | None:
        """Return the caller's place; of one that is malformed nothing is kept (section 3.2)."""
        if not self._accepts_trace or len(parents) != 1:
            return None
        came = parse_traceparent(parents[0])
        if came is not None:
            state = b",".join(filter(None, states))
            came.state = state if len(state) <= MAX_TRACESTATE_BYTES else b""
        return came

    def _next(self, came: Trace | None) -> Trace:
        """Return our own place, behind the caller's or in a new trace."""
        span_id = self._new_bytes(8).hex().encode()
        if came is None:
            return Trace(self._new_bytes(16).hex().encode(), span_id)
        return Trace(came.trace_id, span_id, came.span_id, came.sampled, came.state)


def _find(headers: HeaderBlock) -> _Found:
    """Return the values of X-Request-ID, traceparent and tracestate."""
    found: _Found = ([], [], [])
    for name, value in headers.fields:
        index = _PLACES.get(len(name))
        if index is not None and name.lower() == _NAMES[index]:
            found[index].append(value)
    return found


_NAMES = (b"x-request-id", b"traceparent", b"tracestate")
_PLACES = {len(name): index for index, name in enumerate(_NAMES)}
