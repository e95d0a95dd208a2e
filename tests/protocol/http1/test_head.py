"""The request line and the sizes of a head, each on its own. The corpus has them in requests."""

import pytest

from protocol.errors import RequestError
from protocol.http1.head import (
    HeaderGauge,
    RequestLine,
    check_authority_form,
    check_line_begun,
    parse_request_line,
    refuse_method,
)
from proxy.settings import ClientSettings

LIMITS = ClientSettings()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET / HTTP/1.1", RequestLine(b"GET", b"/", b"HTTP/1.1", 1)),
        (b"GET / HTTP/1.0", RequestLine(b"GET", b"/", b"HTTP/1.0", 0)),
        (b"M-SEARCH * HTTP/1.1", RequestLine(b"M-SEARCH", b"*", b"HTTP/1.1", 1)),
        (b"GET / HTTP/1.25", RequestLine(b"GET", b"/", b"HTTP/1.25", 25)),
        (b"GET /  HTTP/1.1  ", RequestLine(b"GET", b"/", b"HTTP/1.1  ", 1)),
        (b"GET /", RequestLine(b"GET", b"/", b"", None)),
        (b"GET  /  ", RequestLine(b"GET", b"/", b"", None)),
    ],
)
def test_a_request_line_is_split(line: bytes, expected: RequestLine) -> None:
    assert parse_request_line(line) == expected


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"", 400, "bad_request_line"),
        (b"get / HTTP/1.1", 400, "bad_request_line"),
        (b"POST /", 400, "bad_request_line"),
        (b"GET HTTP/1.1", 400, "bad_request_target"),
        (b"GET /\x01", 400, "bad_request_target"),
        (b"GET a HTTP/2.0", 400, "bad_request_target"),
        (b"GET / HTTP/1.", 400, "bad_version"),
        (b"GET / HTTP/1.1000", 400, "bad_version"),
        (b"GET / HTTP/0.9", 400, "bad_version"),
        (b"GET / HTTP/2", 505, "bad_version"),
        (b"GET / HTTP/11.1", 505, "bad_version"),
    ],
)
def test_a_bad_request_line_has_a_status(line: bytes, status: int, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request_line(line)
    assert (caught.value.status, caught.value.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1" + b" " * 60_000 + b"x",
        b"GET" + b" " * 60_000,
        b"A" * 60_000,
        b"GET " + b"/" * 60_000 + b" x",
        b"GET / HTTP/" + b"1" * 60_000,
        b"GET / HTTP/1." + b"0" * 60_000,
    ],
    ids=lambda line: repr(line[:16]),
)
@pytest.mark.timeout(20)
def test_long_lines_take_linear_time(line: bytes) -> None:
    """Anything quadratic would run into the time limit a few times over."""
    for _ in range(50):
        with pytest.raises(RequestError):
            parse_request_line(line)


@pytest.mark.parametrize("target", [b"a:1", b"a.example:443", b"[::1]:65535", b"-:0"])
def test_an_authority_has_host_and_port(target: bytes) -> None:
    check_authority_form(target)


@pytest.mark.parametrize(
    "target", [b"", b"a", b"a:", b":1", b"/", b"a_b:1", b"[::1]", b"::1:1", b"a:1/", b"u@a:1"]
)
def test_anything_else_is_no_authority(target: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        check_authority_form(target)
    assert (caught.value.status, caught.value.reason) == (400, "bad_request_target")


def test_a_refused_method_is_named() -> None:
    with pytest.raises(RequestError, match="TRACE is not served here") as caught:
        refuse_method(b"TRACE")
    assert (caught.value.status, caught.value.reason) == (405, "method_refused")


@pytest.mark.parametrize("first", [b"A", b"Z", b"_", b"-"])
def test_a_method_begins_like_one(first: bytes) -> None:
    check_line_begun(first, 2, LIMITS)


@pytest.mark.parametrize("first", [b"a", b"0", b" ", b"\x16", b"\0", b"@", b"[", b"\xc3\x84"])
def test_other_protocols_begin_otherwise(first: bytes) -> None:
    """They get their answer at once, though they may never send a line end."""
    with pytest.raises(RequestError) as caught:
        check_line_begun(first, 9000, LIMITS)
    assert (caught.value.status, caught.value.reason) == (400, "bad_request_line")


def test_the_size_of_a_request_line() -> None:
    check_line_begun(b"GET", 8192, LIMITS)
    with pytest.raises(RequestError) as caught:
        check_line_begun(b"GET", 8193, LIMITS)
    assert (caught.value.status, caught.value.reason) == (414, "request_line_too_long")


def _refusal(gauge: HeaderGauge, head: bytes) -> str | None:
    try:
        gauge.measure(head)
    except RequestError as error:
        return error.reason if error.status == 400 else str(error)
    return None


def test_a_gauge_looks_at_each_line_once() -> None:
    gauge = HeaderGauge(LIMITS, 16, bare_lf=False)
    head = b"GET / HTTP/1.1\r\nA: b\r\nC"
    gauge.measure(head)
    assert gauge.position == head.index(b"C")
    gauge.measure(head + b": d\r\n")
    assert gauge.position == len(head) + 5


def test_a_gauge_wants_crlf_unless_told_otherwise() -> None:
    head = b"GET / HTTP/1.1\r\nA: b\nC: d\r\n"
    assert _refusal(HeaderGauge(LIMITS, 16, bare_lf=False), head) == "bad_line_end"
    assert _refusal(HeaderGauge(LIMITS, 16, bare_lf=True), head) is None


@pytest.mark.parametrize(
    ("request_line_bytes", "free"),
    [(24, 1000), (1024, 0), (1025, 8192 - 1025), (8192, 0)],
)
def test_lines_begin_in_the_buffer_of_the_request_line(request_line_bytes: int, free: int) -> None:
    limits = ClientSettings(max_header_buffers=1)
    in_large = request_line_bytes > 1024
    line = b"x" * request_line_bytes
    for size in (1, free - 2, free - 1, free, free + 1):
        if size < 1:
            continue
        gauge = HeaderGauge(limits, request_line_bytes, bare_lf=True)
        fits = size <= free or not in_large
        assert (_refusal(gauge, line + b"h" * (size - 1)) is None) == fits, size


def test_no_large_buffer_at_all() -> None:
    limits = ClientSettings(max_header_buffers=0)
    assert _refusal(HeaderGauge(limits, 24, bare_lf=False), b"x" * 24 + b"h" * 999) is None
    refusal = _refusal(HeaderGauge(limits, 24, bare_lf=False), b"x" * 24 + b"h" * 1000)
    assert refusal == "headers_too_large"
