"""The nouns: what can be asked of a request and of a reply."""

import pytest

from protocol.messages import ConnectionFacts, HeaderBlock, ReplyHead, Request
from protocol.uri import Target

TARGET = Target(b"/", b"/", b"", None)


def _request(minor: int | None, headers: HeaderBlock) -> Request:
    return Request(b"GET / HTTP/1.1", b"GET", TARGET, b"HTTP/1.1", minor, headers)


def test_a_unix_client_has_no_ports() -> None:
    assert ConnectionFacts() == (b"unix:", b"", b"", b"http", None)


def test_a_header_is_found_by_its_name_in_any_case() -> None:
    block = HeaderBlock([(b"X-A", b"1"), (b"x-a", b"2"), (b"X-B", b"")])
    assert block.get(b"x-a") == b"1"
    assert block.get(b"x-b") == b""
    assert block.get(b"x-c") is None


@pytest.mark.parametrize(
    ("chunked", "length", "has_body"),
    [(False, None, False), (False, 0, False), (False, 1, True), (True, None, True)],
)
def test_which_requests_have_a_body(chunked: bool, length: int | None, has_body: bool) -> None:
    request = _request(1, HeaderBlock([], chunked=chunked, content_length=length))
    assert request.has_body is has_body


@pytest.mark.parametrize(
    ("minor", "close", "keep_alive", "wanted"),
    [
        (None, False, True, False),
        (0, False, False, False),
        (0, False, True, True),
        (0, True, True, False),
        (1, False, False, True),
        (1, False, True, True),
        (1, True, False, False),
        (1, True, True, False),
        (2, False, False, True),
    ],
)
def test_which_connections_the_client_wants_kept(
    minor: int | None, close: bool, keep_alive: bool, wanted: bool
) -> None:
    """nginx rule 2.14."""
    request = _request(minor, HeaderBlock([], close=close, keep_alive=keep_alive))
    assert request.wants_keep_alive is wanted


@pytest.mark.parametrize(
    ("minor", "expects", "wanted"),
    [(None, True, False), (0, True, False), (1, True, True), (7, True, True), (1, False, False)],
)
def test_which_requests_wait_for_a_continue(minor: int | None, expects: bool, wanted: bool) -> None:
    """nginx rule 3.6."""
    assert _request(minor, HeaderBlock([], expects_continue=expects)).wants_continue is wanted


@pytest.mark.parametrize(
    ("status", "interim", "bodiless"),
    [
        (99, False, False),
        (100, True, False),
        (101, False, False),
        (103, True, False),
        (199, True, False),
        (200, False, False),
        (204, False, True),
        (205, False, False),
        (304, False, True),
    ],
)
def test_what_a_status_says(status: int, interim: bool, bodiless: bool) -> None:
    reply = ReplyHead(status, b"%d x" % status)
    assert (reply.interim, reply.bodiless) == (interim, bodiless)


def test_two_replies_share_no_fields() -> None:
    one, other = ReplyHead(200, b"200 OK"), ReplyHead(200, b"200 OK")
    one.fields.append((b"A", b"b"))
    assert other.fields == []
