"""What a request is called: accepted, made, refused, and what the application is told."""

import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import (
    MAX_REQUEST_ID_BYTES,
    MAX_TRACESTATE_BYTES,
    Identifier,
    Identity,
    Trace,
    count_variables,
    parse_traceparent,
    withheld_names,
)
from protocol.messages import Field, HeaderBlock, Request
from protocol.uri import Target
from protocol.uwsgi import decode_vars
from proxy.settings import IdentitySettings

TRACE_ID = b"0af7651916cd43dd8448eb211c80319c"
SPAN_ID = b"b7ad6b7169203331"
PARENT = b"00-" + TRACE_ID + b"-" + SPAN_ID + b"-01"


def identify(rules: IdentitySettings, *fields: Field) -> Identity:
    numbers = count(1)
    request = Request(b"", b"GET", Target(b"/", b"/", b"", None), b"", 1, HeaderBlock([*fields]))
    return Identifier(rules, lambda size: next(numbers).to_bytes(size, "big"))(request, 0.0)


def told(identity: Identity) -> dict[bytes, bytes]:
    return dict(decode_vars(identity.variables))


# -- X-Request-ID ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [b"a", b"7f3c9a-_.:+/=@Z", b"x" * MAX_REQUEST_ID_BYTES, b"0" * 32])
def test_a_usable_id_is_accepted(word: bytes) -> None:
    identity = identify(IdentitySettings(request_id="accept"), (b"X-request-ID", word))
    assert identity.request_id == word
    assert told(identity) == {b"HTTP_X_REQUEST_ID": word}


@pytest.mark.parametrize(
    "word",
    [
        *(
            b"",
            b"a b",
            b'a"',
            b"a\\",
            b"a,b",
            b"a;b",
            b"a\x1b",
            b"\xe9",
            b"<a>",
            b"$(a)",
            b"'",
            b"`a`",
        ),
        b"x" * (MAX_REQUEST_ID_BYTES + 1),
    ],
)
def test_what_is_not_usable_is_replaced(word: bytes) -> None:
    identity = identify(IdentitySettings(request_id="accept"), (b"X-Request-ID", word))
    assert identity.request_id == b"%032x" % 1


def test_an_id_that_came_twice_is_none() -> None:
    twice = [(b"X-Request-ID", b"a"), (b"x-request-id", b"a")]
    assert identify(IdentitySettings(request_id="accept"), *twice).request_id == b"%032x" % 1


def test_nothing_is_accepted_from_strangers() -> None:
    rules = IdentitySettings(request_id="new", traceparent="new")
    identity = identify(rules, (b"X-Request-ID", b"a"), (b"traceparent", PARENT))
    assert identity.request_id == b"%032x" % 1
    assert identity.trace is not None
    assert identity.trace.trace_id == b"%032x" % 3
    assert identity.trace.parent_id == b""


def test_nothing_is_said_that_is_not_asked_for() -> None:
    identity = identify(IdentitySettings(), (b"X-Request-ID", b"a"), (b"traceparent", PARENT))
    assert (identity.request_id, identity.trace, identity.variables) == (b"", None, b"")


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        (IdentitySettings(), set()),
        (IdentitySettings(request_id="new"), {b"HTTP_X_REQUEST_ID"}),
        (IdentitySettings(traceparent="accept"), {b"HTTP_TRACEPARENT", b"HTTP_TRACESTATE"}),
    ],
)
def test_a_client_cannot_say_beside_us_what_we_say(
    rules: IdentitySettings, names: set[bytes]
) -> None:
    assert withheld_names(rules) == names
    assert count_variables(rules) == len(names)


# -- traceparent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (PARENT, True),
        (PARENT[:-2] + b"00", False),
        (PARENT[:-2] + b"ff", True),
        (PARENT[:-2] + b"02", False),
        (b"01" + PARENT[2:], True),
        (b"cc" + PARENT[2:] + b"-what-ever\xff", True),
        (b"fe" + PARENT[2:] + b"-", True),
    ],
)
def test_a_place_in_a_trace(value: bytes, sampled: bool) -> None:
    trace = parse_traceparent(value)
    assert trace is not None
    assert (trace.trace_id, trace.span_id, trace.sampled) == (TRACE_ID, SPAN_ID, sampled)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        PARENT[:-1],
        PARENT + b"-",
        PARENT + b"-extra",
        PARENT + b"1",
        b"01" + PARENT[2:] + b".",
        b"ff" + PARENT[2:],
        b"0" + PARENT[2:],
        PARENT.upper(),
        PARENT.replace(b"-", b"_"),
        b"00-" + b"0" * 32 + b"-" + SPAN_ID + b"-01",
        b"00-" + TRACE_ID + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE_ID[:-1] + b"g-" + SPAN_ID + b"-01",
        PARENT + b"\n",
        b" " + PARENT,
        PARENT + b", " + PARENT,
    ],
)
def test_what_is_none(value: bytes) -> None:
    assert parse_traceparent(value) is None
    rules = IdentitySettings(traceparent="accept")
    identity = identify(rules, (b"traceparent", value), (b"tracestate", b"a=1"))
    assert told(identity) == {b"HTTP_TRACEPARENT": b"00-%032x-%016x-01" % (2, 1)}


def test_a_trace_goes_on() -> None:
    identity = identify(
        IdentitySettings(traceparent="accept"),
        (b"Traceparent", PARENT[:-2] + b"00"),
        (b"tracestate", b"a=1,b=2"),
        (b"Tracestate", b""),
        (b"TraceState", b"c=3"),
    )
    assert identity.trace is not None
    assert identity.trace.parent_id == SPAN_ID
    assert told(identity) == {
        b"HTTP_TRACEPARENT": b"00-%s-%016x-00" % (TRACE_ID, 1),
        b"HTTP_TRACESTATE": b"a=1,b=2,c=3",
    }


def test_two_places_are_none() -> None:
    rules = IdentitySettings(traceparent="accept")
    identity = identify(rules, (b"traceparent", PARENT), (b"traceparent", PARENT))
    assert told(identity) == {b"HTTP_TRACEPARENT": b"00-%032x-%016x-01" % (2, 1)}


def test_a_state_that_is_too_long_is_dropped() -> None:
    rules = IdentitySettings(traceparent="accept")
    for size, kept in ((MAX_TRACESTATE_BYTES, True), (MAX_TRACESTATE_BYTES + 1, False)):
        fields = ((b"traceparent", PARENT), (b"tracestate", b"x" * size))
        assert (b"HTTP_TRACESTATE" in told(identify(rules, *fields))) is kept


def test_somebody_else_begins_the_span() -> None:
    seen: list[tuple[Request, Trace | None, float]] = []
    ours = Trace(TRACE_ID, b"1" * 16, state=b"s=1")

    def begin(request: Request, came: Trace | None, started: float) -> tuple[Trace, object]:
        seen.append((request, came, started))
        return ours, "span"

    rules = IdentitySettings(traceparent="accept")
    fields = HeaderBlock([(b"traceparent", PARENT)])
    request = Request(b"", b"GET", Target(b"/", b"/", b"", None), b"", 1, fields)
    identity = Identifier(rules, bytes, begin)(request, 5.0)
    assert identity.span == "span"
    assert identity.trace is ours
    assert told(identity) == {
        b"HTTP_TRACEPARENT": b"00-%s-1111111111111111-01" % TRACE_ID,
        b"HTTP_TRACESTATE": b"s=1",
    }
    ((seen_request, came, started),) = seen
    assert seen_request is request
    assert started == 5.0
    assert came is not None
    assert came.span_id == SPAN_ID


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_comes_what_goes_on_is_well_formed(a: bytes, b: bytes, c: bytes) -> None:
    rules = IdentitySettings(request_id="accept", traceparent="accept")
    fields = ((b"x-request-id", a), (b"traceparent", b), (b"tracestate", c))
    variables = told(identify(rules, *fields))
    assert re.fullmatch(rb"[!-~]{1,128}", variables[b"HTTP_X_REQUEST_ID"])
    assert parse_traceparent(variables[b"HTTP_TRACEPARENT"])
