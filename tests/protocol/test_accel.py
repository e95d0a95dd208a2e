"""X-Accel-Redirect: which request follows, and what remains of the first reply."""

import pytest

from protocol.accel import inherit, redirect
from protocol.errors import ReplyError
from protocol.messages import HeaderBlock, ReplyHead, Request
from protocol.uri import Target


def _request(method: bytes = b"POST") -> Request:
    headers = HeaderBlock(
        [(b"X-A", b"1")],
        host=b"a",
        content_type=b"t",
        content_length=5,
        content_length_text=b"5",
        variables=b"encoded",
        count=3,
    )
    target = Target(b"/first?q", b"/first", b"q", b"authority")
    return Request(b"POST /first?q HTTP/1.1", method, target, b"HTTP/1.1", 1, headers, 99)


def test_the_request_that_follows() -> None:
    first = _request()
    second = redirect(first, b"/a%20b//c/d?x=%41")
    assert second.method == b"GET"
    assert second.target == Target(b"/first?q", b"/a b/c/d", b"x=%41", b"authority")
    assert not second.has_body
    assert second.headers.content_length_text == b""
    assert (second.headers.host, second.headers.variables) == (b"a", b"encoded")
    assert (second.protocol, second.minor, second.line) == (first.protocol, 1, first.line)


def test_the_first_request_stays_as_it_was() -> None:
    """Its header block may be shared with the next request of the connection."""
    first = _request()
    redirect(first, b"/x")
    assert (first.method, first.headers.content_length, first.target.path) == (
        b"POST",
        5,
        b"/first",
    )


@pytest.mark.parametrize(
    ("before", "after"), [(b"GET", b"GET"), (b"HEAD", b"HEAD"), (b"PUT", b"GET")]
)
def test_the_method(before: bytes, after: bytes) -> None:
    assert redirect(_request(before), b"/x").method == after


def test_a_chunked_body_is_gone_too() -> None:
    request = _request()
    request.headers.chunked = True
    assert not redirect(request, b"/x").has_body


@pytest.mark.parametrize(
    "location",
    [b"", b"x", b"http://a/b", b"@name", b"/a/../b", b"/a/..", b"/..", b"/%00", b"/%zz", b"/a b",
     b"/%2e%2e/x", b"/%0a"],
)  # fmt: skip
def test_an_unsafe_location(location: bytes) -> None:
    """nginx rule 4.38."""
    with pytest.raises(ReplyError, match="X-Accel-Redirect") as caught:
        redirect(_request(), location)
    assert caught.value.reason == "unsafe_redirect"


def test_what_remains_of_the_first_reply() -> None:
    """nginx rule 4.37."""
    first = ReplyHead(
        201,
        b"201 Made",
        [
            (b"set-cookie", b"a"),
            (b"X-A", b"1"),
            (b"Set-Cookie", b"b"),
            (b"Content-Disposition", b"c"),
            (b"Cache-Control", b"d"),
            (b"Expires", b"e"),
            (b"Accept-Ranges", b"f"),
            (b"ETag", b"g"),
        ],
        content_type=b"first",
        content_length=1,
    )
    second = ReplyHead(200, b"200 OK", [(b"X-B", b"2")], b"second", 7)
    reply = inherit(second, first)
    assert (reply.status, reply.status_line, reply.content_length) == (200, b"200 OK", 7)
    assert reply.fields == [
        (b"set-cookie", b"a"),
        (b"Set-Cookie", b"b"),
        (b"Content-Disposition", b"c"),
        (b"Cache-Control", b"d"),
        (b"Expires", b"e"),
        (b"Accept-Ranges", b"f"),
        (b"X-B", b"2"),
    ]
    assert second.fields == [(b"X-B", b"2")]


@pytest.mark.parametrize(
    ("second", "first", "kept"),
    [(b"s", b"f", b"s"), (None, b"f", b"f"), (b"", b"f", b"f"), (None, None, None)],
)
def test_the_content_type(second: bytes | None, first: bytes | None, kept: bytes | None) -> None:
    reply = inherit(
        ReplyHead(200, b"200 OK", content_type=second), ReplyHead(200, b"", content_type=first)
    )
    assert reply.content_type == kept
