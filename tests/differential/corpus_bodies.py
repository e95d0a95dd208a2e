"""Request bodies as data (section 3, and 1.13, 2.12): framing, limits, Expect, pipelines."""

from collections.abc import Iterator

from tests.differential.client import Act
from tests.differential.compare import Case
from tests.differential.corpus import request
from tests.differential.differences import Differs, refused

CHUNKED = b"Transfer-Encoding: chunked"
EXPECT = b"Expect: 100-continue"


def post(
    body: bytes = b"hello",
    *lines: bytes,
    target: bytes = b"/",
    method: bytes = b"POST",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Return a request with a body and its Content-Length."""
    length = b"Content-Length: %d" % len(body)
    return request(target, length, *lines, method=method, version=version, body=body)


def chunked(wire: bytes, *lines: bytes, target: bytes = b"/", coding: bytes = CHUNKED) -> bytes:
    """Return a request with this text as its chunked body."""
    return request(target, coding, *lines, method=b"POST", body=wire)


def _lengths() -> Iterator[Case]:
    """Rules 1.13, 2.12, 3.1, 3.5: Content-Length."""
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"FOO"):
        yield Case(f"length-{method.decode()}", post(b"hello", method=method), "3.5 1.27")
    yield Case("length-none", request(method=b"POST"), "3.1")
    yield Case("length-1.0", post(b"hello", version=b"HTTP/1.0"), "3.1")
    yield Case("length-zero", post(b""), "1.13")
    yield Case(
        "length-zeros", request(b"/", b"Content-Length: 003", method=b"POST", body=b"abc"), "1.13"
    )
    yield Case(
        "length-spaces",
        request(b"/", b"Content-Length:  3 ", method=b"POST", body=b"abc"),
        "2.12 2.8",
    )
    yield Case("length-binary", post(bytes(range(256)) * 4), "3.2")
    yield Case("length-memory", post(b"m" * 10_000), "3.2")
    yield Case("length-file", post(b"f" * 600_000), "3.2")
    yield Case(
        "length-type", post(b"a=1", b"Content-Type: application/x-www-form-urlencoded"), "1.12 1.27"
    )
    for name, value in {
        "empty": b"",
        "plus": b"+3",
        "minus": b"-3",
        "list": b"3, 3",
        "hex": b"0x3",
        "text": b"3a",
        "space": b"3 3",
        "huge": b"9" * 20,
        "tab": b"\t3",
    }.items():
        raw = request(b"/", b"Content-Length: " + value, method=b"POST", body=b"abc")
        yield Case(f"length-bad-{name}", raw, "2.12", (400,))
    pieces = post(b"slow body")
    yield Case("length-pieces", (pieces[:-9], *(bytes((b,)) for b in b"slow body")), "3.2")
    yield Case("length-cut-half-close", (post(b"hello")[:-3], Act.HALF_CLOSE), "3.11", ())
    yield Case("head-cut-half-close", (b"GET / HT", Act.HALF_CLOSE), "2.34", ())
    yield Case("nothing-half-close", (Act.HALF_CLOSE,), "2.34", ())


def _codings() -> Iterator[Case]:
    """Rules 3.1, 3.4: Transfer-Encoding."""
    hello = b"5\r\nhello\r\n0\r\n\r\n"
    for name, value, status in (
        ("upper", b"CHUNKED", 200),
        ("spaces", b"  chunked  ", 200),
        ("tab", b"chunked\t", 501),
        ("gzip", b"gzip", 501),
        ("list", b"gzip, chunked", 501),
        ("double", b"chunked, chunked", 501),
        ("identity", b"identity", 501),
        ("empty", b"", 501),
        ("quoted", b'"chunked"', 501),
        ("parameter", b"chunked;a=b", 501),
        ("prefix", b"xchunked", 501),
    ):
        raw = chunked(hello, coding=b"Transfer-Encoding: " + value)
        yield Case(f"coding-{name}", raw, "3.1", (status,))
    yield Case(
        "coding-1.0",
        request(b"/", CHUNKED, method=b"POST", version=b"HTTP/1.0", body=hello),
        "3.1",
        (400,),
    )
    yield Case("coding-and-length", chunked(hello, b"Content-Length: 5"), "3.1", (400,))
    yield Case(
        "coding-and-length-first",
        request(b"/", b"Content-Length: 5", CHUNKED, method=b"POST", body=hello),
        "3.1",
        (400,),
    )
    yield Case(
        "coding-gzip-and-length",
        chunked(hello, b"Content-Length: 5", coding=b"Transfer-Encoding: gzip"),
        "0.1",
        (501,),
    )
    yield Case("coding-get", request(b"/", CHUNKED, body=hello), "3.5")


def _chunks() -> Iterator[Case]:
    """Rules 1.13, 3.4, 3.9: chunked bodies, sound and unsound."""
    for name, wire in {
        "one": b"5\r\nhello\r\n0\r\n\r\n",
        "two": b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "empty": b"0\r\n\r\n",
        "zeros": b"0005\r\nhello\r\n000\r\n\r\n",
        "hex-lower": b"a\r\n0123456789\r\n0\r\n\r\n",
        "hex-upper": b"A\r\n0123456789\r\n0\r\n\r\n",
        "extension": b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "extension-quoted": b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
        "trailer": b"5\r\nhello\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
        "data-like-framing": b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
        "large": b"30d40\r\n" + b"z" * 200_000 + b"\r\n0\r\n\r\n",
    }.items():
        yield Case(f"chunks-{name}", chunked(wire), "3.4 3.9 1.13")
    for name, wire in {
        "space-after-size": b"5 \r\nhello\r\n0\r\n\r\n",
        "tab-after-size": b"5\t\r\nhello\r\n0\r\n\r\n",
        "space-before-extension": b"5 ;a\r\nhello\r\n0\r\n\r\n",
        "control-in-extension": b"5;a\x01b\r\nhello\r\n0\r\n\r\n",
        "trailer-no-colon": b"5\r\nhello\r\n0\r\nfoo\r\n\r\n",
        "trailer-space": b"5\r\nhello\r\n0\r\nfoo bar: x\r\n\r\n",
    }.items():
        yield Case(f"chunks-loose-{name}", chunked(wire), "3.9")
    for name, wire in {
        "sign": b"+5\r\nhello\r\n0\r\n\r\n",
        "minus": b"-5\r\nhello\r\n0\r\n\r\n",
        "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
        "leading-space": b" 5\r\nhello\r\n0\r\n\r\n",
        "no-digits": b"\r\nhello\r\n0\r\n\r\n",
        "letter": b"g\r\nhello\r\n0\r\n\r\n",
        "letter-after": b"5g\r\nhello\r\n0\r\n\r\n",
        "size-too-small": b"4\r\nhello\r\n0\r\n\r\n",
        "no-crlf-after-data": b"5\r\nhello0\r\n\r\n",
        "huge": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "cr-in-extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "only-extension": b";a\r\nhello\r\n0\r\n\r\n",
    }.items():
        yield Case(f"chunks-bad-{name}", chunked(wire), "3.9", (400,))
    bare = Differs("a bare LF in chunked framing is refused", refused(400), until=(1, 29, 4))
    for name, wire in {
        "size-lf": b"5\nhello\r\n0\r\n\r\n",
        "data-lf": b"5\r\nhello\n0\r\n\r\n",
        "last-lf": b"5\r\nhello\r\n0\n\r\n",
        "end-lf": b"5\r\nhello\r\n0\r\n\n",
        "trailer-lf": b"5\r\nhello\r\n0\r\nX: 1\n\r\n",
    }.items():
        yield Case(f"chunks-bare-{name}", chunked(wire), "3.9 2.9", differs=(bare,))
    wire = b"5;x\r\nhello\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    raw = chunked(wire)
    yield Case("chunks-pieces", (raw[: -len(wire)], *(bytes((b,)) for b in wire)), "3.9")
    yield Case("chunks-cut-half-close", (chunked(b"5\r\nhel"), Act.HALF_CLOSE), "3.11", ())


def _limits() -> Iterator[Case]:
    """Rules 2.28, 3.8: client_max_body_size."""
    small = "small-body"
    yield Case("limit-at", post(b"x" * 10), "3.8", setting=small)
    yield Case("limit-over", post(b"x" * 11), "3.8 2.32", (413,), setting=small)
    yield Case("limit-over-head-only", post(b"x" * 11)[:-11], "3.8", (413,), setting=small)
    yield Case("limit-over-get", post(b"x" * 11, method=b"GET"), "3.8", (413,), setting=small)
    yield Case(
        "limit-over-head", post(b"x" * 11, method=b"HEAD"), "3.8 2.31", (413,), setting=small
    )
    yield Case("limit-over-1.0", post(b"x" * 11, version=b"HTTP/1.0"), "3.8", (413,), setting=small)
    yield Case(
        "limit-over-pipelined", post(b"x" * 11) + request(b"/2"), "3.8", (413,), setting=small
    )
    yield Case("limit-over-expect", post(b"x" * 11, EXPECT)[:-11], "3.7 3.8", (413,), setting=small)
    yield Case("limit-chunked-at", chunked(b"a\r\n0123456789\r\n0\r\n\r\n"), "3.8", setting=small)
    yield Case(
        "limit-chunked-over",
        chunked(b"b\r\n0123456789x\r\n0\r\n\r\n"),
        "3.8",
        (413,),
        setting=small,
    )
    yield Case(
        "limit-chunked-sum",
        chunked(b"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n"),
        "3.8",
        (413,),
        setting=small,
    )
    yield Case("limit-default-at", post(b"x" * (1 << 20)), "2.28")
    yield Case("limit-default-over", post(b"x" * ((1 << 20) + 1)), "2.28", (413,))
    yield Case("limit-none", post(b"x" * 2_000_000), "2.28", setting="any-body")


def _expectations() -> Iterator[Case]:
    """Rules 2.15, 3.6: Expect."""
    head, body = post(b"hello", EXPECT)[:-5], b"hello"
    yield Case("expect", (head, Act.READ_INTERIM, body), "3.6", (100, 200))
    yield Case(
        "expect-case",
        (post(b"hello", b"expect: 100-Continue")[:-5], Act.READ_INTERIM, body),
        "3.6",
        (100, 200),
    )
    yield Case(
        "expect-chunked",
        (
            request(b"/", CHUNKED, EXPECT, method=b"POST"),
            Act.READ_INTERIM,
            b"5\r\nhello\r\n0\r\n\r\n",
        ),
        "3.6",
        (100, 200),
    )
    yield Case("expect-body-there", post(b"hello", EXPECT), "3.6", (100, 200))
    yield Case("expect-no-body", request(b"/", EXPECT), "3.6", (100, 200))
    yield Case("expect-empty-body", post(b"", EXPECT), "3.6", (100, 200))
    yield Case("expect-1.0", post(b"hello", EXPECT, version=b"HTTP/1.0"), "3.6")
    yield Case("expect-other", post(b"hello", b"Expect: foo"), "2.15")
    yield Case("expect-list", post(b"hello", b"Expect: 100-continue, foo"), "2.15")
    yield Case(
        "expect-pipelined",
        post(b"hello", EXPECT) + request(b"/2"),
        "3.6 3.12",
        (100, 200, 200),
        heads=(False, False),
    )
    yield Case(
        "expect-streamed",
        (head, Act.READ_INTERIM, body),
        "3.6",
        (100, 200),
        setting="streamed-request",
    )


def _pipelines() -> Iterator[Case]:
    """Rule 3.12: the next request begins where the body ends."""
    both, get = (False, False), request(b"/2")
    yield Case("pipeline-post-get", post(b"hello") + get, "3.12", (200, 200), heads=both)
    yield Case(
        "pipeline-post-post",
        post(b"hello") + post(b"bye", target=b"/2"),
        "3.12",
        (200, 200),
        heads=both,
    )
    yield Case(
        "pipeline-chunked-get",
        chunked(b"5\r\nhello\r\n0\r\n\r\n") + get,
        "3.12",
        (200, 200),
        heads=both,
    )
    yield Case(
        "pipeline-trailer-get",
        chunked(b"5\r\nhello\r\n0\r\nT: 1\r\n\r\n") + get,
        "3.12",
        (200, 200),
        heads=both,
    )
    yield Case("pipeline-crlf", post(b"hello") + b"\r\n" + get, "3.12 2.10", (200, 200), heads=both)
    yield Case(
        "pipeline-get-body",
        post(b"GET /evil HTTP/1.1\r\n\r\n", method=b"GET") + get,
        "3.12",
        (200, 200),
        heads=both,
    )
    yield Case("pipeline-large", post(b"L" * 100_000) + get, "3.12", (200, 200), heads=both)
    yield Case("pipeline-bad-chunk", chunked(b"x\r\n\r\n") + get, "3.9", (400,), heads=both)


def _streamed() -> Iterator[Case]:
    """Rules 3.3, 3.11: request buffering off."""
    off = "streamed-request"
    yield Case("streamed-length", post(b"hello"), "3.3", setting=off)
    yield Case("streamed-none", request(), "3.3", setting=off)
    yield Case("streamed-large", post(b"s" * 500_000), "3.3", setting=off)
    yield Case("streamed-chunked", chunked(b"5\r\nhello\r\n0\r\n\r\n"), "3.3", setting=off)
    yield Case("streamed-limit", post(b"x" * ((1 << 20) + 1)), "3.8", (413,), setting=off)
    yield Case(
        "streamed-pipeline",
        post(b"hello") + request(b"/2"),
        "3.12",
        (200, 200),
        setting=off,
        heads=(False, False),
    )


CASES: tuple[Case, ...] = (
    *_lengths(),
    *_codings(),
    *_chunks(),
    *_limits(),
    *_expectations(),
    *_pipelines(),
    *_streamed(),
)
