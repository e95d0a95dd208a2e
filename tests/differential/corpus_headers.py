"""Raw requests as data: header lines, and how many requests a connection serves (section 2)."""

from collections.abc import Iterator

from tests.differential.compare import Case
from tests.differential.corpus import NAMED, request
from tests.differential.differences import (
    Differs,
    closes,
    refused,
    stays_open,
    with_value,
    without,
)


def _headers() -> Iterator[Case]:
    """Rules 2.1 to 2.9: names and values."""
    yield Case(
        "header-hop-by-hop",
        request(
            b"/",
            b"Keep-Alive: 5",
            b"TE: trailers",
            b"Trailer: X",
            b"Upgrade: h2c",
            b"Proxy-Connection: x",
            b"Proxy-Authorization: y",
            b"Authorization: Basic eA==",
            b"Connection: X-Named",
            b"X-Named: 1",
        ),
        "2.1 2.16",
    )
    yield Case(
        "header-connection-listed", request(b"/", b"Connection: X-Named", b"X-Named: 1"), "2.1"
    )
    yield Case(
        "header-proxy",
        request(b"/", b"A: 1", b"Proxy: http://evil", b"B: 2"),
        "2.2",
        differs=(Differs("Proxy: is dropped (httpoxy)", without(b"HTTP_PROXY")),),
    )
    yield Case("header-joined", request(b"/", b"X-A: 1", b"B: b", b"x-a: 2", b"X-A:"), "2.3")
    yield Case("header-cookies", request(b"/", b"Cookie: a=1", b"X: y", b"cookie: b=2"), "2.3")
    for twice in (
        b"User-Agent",
        b"Referer",
        b"Range",
        b"Accept",
        b"Accept-Language",
        b"TE",
        b"Via",
        b"X-Forwarded-For",
        b"Upgrade",
        b"Connection",
    ):
        yield Case(
            f"header-twice-{twice.decode()}", request(b"/", twice + b": a", twice + b": b"), "2.11"
        )
    yield Case("header-content-type", request(b"/", b"Content-Type: text/x"), "1.12 1.27")
    type_twice = Differs(
        "lines of Content-Type are joined in CONTENT_TYPE too",
        with_value(b"CONTENT_TYPE", b"a/b, c/d"),
        until=(1, 23, 0),
    )
    yield Case(
        "header-content-type-twice",
        request(b"/", b"Content-Type: a/b", b"Content-Type: c/d"),
        "1.12 2.11",
        differs=(type_twice,),
    )
    yield Case("header-content-type-empty", request(b"/", b"Content-Type:"), "1.12")
    yield Case("header-underscore", request(b"/", b"X_A: 1", b"X-B: 2"), "2.4")
    yield Case(
        "header-odd-names",
        request(b"/", b"X.B: 1", b"X@C: 2", b"\xc3\xa9: 3", b"X!D: 4", b"X-E: 5"),
        "2.5",
    )
    yield Case("header-digits", request(b"/", b"1: 2", b"-: 3", b"X-2: 4"), "2.1")
    for name, line in {
        "space-in-name": b"X A: 1",
        "tab-in-name": b"X\tA: 1",
        "control-in-name": b"X\x01A: 1",
        "space-before-colon": b"X : 1",
        "tab-before-colon": b"X\t: 1",
        "leading-space": b" X: 1",
        "leading-tab": b"\tX: 1",
        "empty-name": b": 1",
        "nul-in-name": b"X\x00: 1",
        "nul-in-value": b"X: a\x00b",
        "cr-in-value": b"X: a\rb",
    }.items():
        yield Case(f"header-bad-{name}", request(b"/", line), "2.6 2.9", (400,))
    yield Case("header-delete-in-name", request(b"/", b"X\x7fA: 1"), "2.6", (400,))
    yield Case("header-folded", request(b"/", b"X: 1", b" 2"), "2.6", (400,))
    yield Case(
        "header-no-colon",
        request(b"/", b"A: 1", b"Foo", b"B: 2"),
        "2.7",
        differs=(Differs("a header line needs a colon", refused(400)),),
    )
    yield Case("header-value-spaces", request(b"/", b"X:   v w  ", b"Y:v", b"Z:   "), "2.8")
    yield Case("header-value-tabs", request(b"/", b"X:\t v \t"), "2.8")
    yield Case("header-value-bytes", request(b"/", b"X: \x01\x7f\xc3\xa9\xff", b"Y: a\x1fb"), "2.8")
    yield Case("header-value-colons", request(b"/", b"X: a:b: c", b"Y::"), "2.8")
    yield Case(
        "header-cr-cr-lf",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\r\nY: 2\r\n\r\n",
        "2.9",
        differs=(Differs("a bare CR is refused", refused(400)),),
    )
    yield Case(
        "header-forwarded",
        request(b"/", b"X-Forwarded-For: 1.2.3.4", b"X-Real-IP: 5", b"X-Forwarded-Proto: https"),
        "7.4",
    )
    yield Case(
        "header-conditional",
        request(
            b"/",
            b'If-None-Match: "x"',
            b"If-Modified-Since: y",
            b"Range: bytes=0-1",
            b'If-Range: "x"',
        ),
        "4.29",
    )
    yield Case("header-accel", request(b"/", b"X-Accel-Redirect: /x", b"Status: 500"), "2.1")
    yield Case(
        "header-wsgi-like",
        request(b"/", b"UWSGI-FILE: /x", b"Content-MD5: y", b"Script-Name: /z"),
        "2.1",
    )


def _once() -> Iterator[Case]:
    """Rule 2.11: lines that may come only once."""
    old = Differs("a second line of this name is refused", refused(400), until=(1, 23, 0))
    strict = (
        b"Content-Length",
        b"Transfer-Encoding",
        b"If-Modified-Since",
        b"If-Unmodified-Since",
        b"If-Match",
        b"If-None-Match",
        b"If-Range",
        b"Expect",
        b"Authorization",
        b"Content-Range",
        b"Proxy-Authorization",
    )
    values = {b"Content-Length": b"0", b"Transfer-Encoding": b"chunked"}
    for name in strict:
        line = name + b": " + values.get(name, b"a")
        lenient = name == b"Proxy-Authorization"
        yield Case(
            f"once-{name.decode()}",
            request(b"/", line, line),
            "2.11",
            (200,) if lenient else (400,),
            (old,) if lenient else (),
        )


def _connections() -> Iterator[Case]:
    """Rules 2.13, 2.14: does the connection live on?"""
    token = "Connection is matched by token, not by substring"
    for name, value, version in (
        ("close", b"close", b"HTTP/1.1"),
        ("close-upper", b"CLOSE", b"HTTP/1.1"),
        ("keep-alive", b"keep-alive", b"HTTP/1.1"),
        ("list-close", b"x, close", b"HTTP/1.1"),
        ("other", b"x-other", b"HTTP/1.1"),
        ("empty", b"", b"HTTP/1.1"),
        ("close-and-keep-alive", b"close, keep-alive", b"HTTP/1.1"),
        ("1.0-none", b"x", b"HTTP/1.0"),
        ("1.0-keep-alive", b"keep-alive", b"HTTP/1.0"),
        ("1.0-keep-alive-case", b"Keep-Alive", b"HTTP/1.0"),
        ("1.0-close", b"close", b"HTTP/1.0"),
        ("1.2-none", b"x", b"HTTP/1.2"),
    ):
        yield Case(
            f"connection-{name}", request(b"/", b"Connection: " + value, version=version), "2.14"
        )
    yield Case(
        "connection-substring",
        request(b"/", b"Connection: notclose"),
        "2.13",
        differs=(Differs(token, stays_open),),
    )
    yield Case(
        "connection-substring-1.0",
        request(b"/", b"Connection: xkeep-alivex", version=b"HTTP/1.0"),
        "2.13",
        differs=(Differs(token, closes),),
    )
    yield Case(
        "connection-two-lines-close-last",
        request(b"/", b"Connection: keep-alive", b"Connection: close"),
        "2.13",
    )
    yield Case(
        "connection-two-lines-close-first",
        request(b"/", b"Connection: close", b"Connection: keep-alive"),
        "2.13",
        differs=(Differs("`close` counts on any line", closes),),
    )


def _pipelines() -> Iterator[Case]:
    """Rules 0.3, 2.10, 3.12, 5.4: several requests on a connection."""
    two = request(b"/1") + request(b"/2", method=b"HEAD") + request(b"/3")
    yield Case("pipeline-three", two, "0.3 3.12", (200,) * 3, heads=(False, True, False))
    yield Case(
        "pipeline-crlf-between",
        request(b"/1") + b"\r\n\r\n" + request(b"/2"),
        "2.10",
        (200, 200),
        heads=(False, False),
    )
    yield Case(
        "pipeline-then-bad",
        request(b"/1") + b"bad\r\n\r\n",
        "2.17",
        (200, 400),
        heads=(False, False),
    )
    yield Case(
        "pipeline-close-first",
        request(b"/1", b"Connection: close") + request(b"/2"),
        "2.14",
        (200,),
        heads=(False, False),
    )
    yield Case(
        "pipeline-bad-first", b"bad\r\n\r\n" + request(b"/2"), "2.17", (400,), heads=(False, False)
    )
    yield Case(
        "pipeline-http-0.9-then-more",
        b"GET /1\r\n" + request(b"/2"),
        "2.20",
        (0,),
        differs=(NAMED,),
        heads=(False, False),
    )
    yield Case(
        "keepalive-requests",
        request(b"/1") + request(b"/2"),
        "5.4",
        (200, 200),
        setting="two-requests",
        heads=(False, False),
    )
    split = tuple(request(b"/split?x", b"X-A: 1")[i : i + 1] for i in range(50))
    yield Case("pieces", (*split, request(b"/split?x", b"X-A: 1")[50:]), "0.1")


CASES: tuple[Case, ...] = (
    *_headers(),
    *_once(),
    *_connections(),
    *_pipelines(),
)
