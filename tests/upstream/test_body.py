"""Where the body of a reply ends, however it is cut into reads."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import ReplyHead
from proxy import errors
from proxy.errors import ProxyError
from proxy.upstream.body import ReplyBody
from tests.wire import chunked, cut


def make(length: int | None = None, *, chunks: bool = False) -> ReplyBody:
    return ReplyBody(ReplyHead(200, b"200 OK", content_length=length, chunked=chunks))


def feed(body: ReplyBody, pieces: list[bytes]) -> bytes:
    return b"".join(body.feed(piece) for piece in pieces)


POINTS = st.lists(st.integers(0, 10_000), max_size=10)


@given(data=st.binary(min_size=1, max_size=200), extra=st.binary(max_size=20), points=POINTS)
def test_a_length_ends_it(data: bytes, extra: bytes, points: list[int]) -> None:
    body = make(len(data))
    assert not body.complete
    assert feed(body, cut(data + extra, points)) == data
    assert body.complete
    body.finish(reset=True)


def test_a_length_of_0_needs_nothing() -> None:
    assert make(0).complete


@given(data=st.binary(max_size=200), points=POINTS)
def test_without_a_length_the_end_of_the_connection_ends_it(data: bytes, points: list[int]) -> None:
    body = make()
    assert feed(body, cut(data, points)) == data
    assert not body.complete
    body.finish(reset=False)
    assert body.complete


@given(pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=5), points=POINTS)
def test_the_last_chunk_ends_it(pieces: list[bytes], points: list[int]) -> None:
    body = make(chunks=True)
    data = chunked(*pieces)
    assert feed(body, cut(data + b"extra", points)) == b"".join(pieces)
    assert body.complete


@pytest.mark.parametrize(
    ("body", "said", "reset", "reason", "detail"),
    [
        (make(5), b"abc", False, errors.EOF_MID_BODY, "2 bytes are missing"),
        (make(5), b"", False, errors.EOF_MID_BODY, "5 bytes are missing"),
        (make(5), b"abc", True, errors.RESET_MID_BODY, "connection reset by the backend"),
        (make(), b"abc", True, errors.RESET_MID_BODY, "connection reset by the backend"),
        (
            make(chunks=True),
            b"3\r\nabc\r\n",
            False,
            errors.EOF_MID_BODY,
            "the last chunk is missing",
        ),
        (make(chunks=True), b"", False, errors.EOF_MID_BODY, "the last chunk is missing"),
    ],
)
def test_an_end_too_early(
    body: ReplyBody, said: bytes, reset: bool, reason: errors.Reason, detail: str
) -> None:
    if said:
        body.feed(said)
    with pytest.raises(ProxyError) as caught:
        body.finish(reset=reset)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
    assert not caught.value.nothing_sent


def test_chunks_that_make_no_sense() -> None:
    with pytest.raises(ProxyError) as caught:
        make(chunks=True).feed(b"nonsense\r\n")
    assert caught.value.reason is errors.BAD_REPLY_BODY


@given(st.binary(min_size=1, max_size=60))
def test_chunks_that_make_no_sense_are_no_other_error(data: bytes) -> None:
    with contextlib.suppress(ProxyError):
        make(chunks=True).feed(data)
