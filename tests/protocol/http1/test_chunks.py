"""The chunked coding: written here, held against two parser libraries."""

from typing import NamedTuple

import h11
import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import RequestError
from protocol.http1.chunks import MAX_CHUNK_BYTES, MAX_FRAMING_BYTES, ChunkDecoder
from protocol.http1.writer import LAST_CHUNK, chunk

_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

anything = settings(deadline=None, max_examples=150)
bodies = st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.just(b"\r\n\r\n")), max_size=8)
rests = st.one_of(st.just(b""), st.just(b"\r\n\r\n"), st.binary(max_size=30))
cuts = st.lists(st.integers(1, 30), min_size=1, max_size=5)
_WORDS = (
    *(b"0", b"3", b"a", b"\r\n", b"\r\n", b"\r", b"\n", b"abc", b";", b"=", b" ", b"\t", b'"'),
    *(b"\0", b"\xff", b"T: x\r\n", b"T\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"f" * 16, b"7" * 16),
)
wire = st.one_of(
    st.lists(st.sampled_from(_WORDS), max_size=15).map(b"".join),
    st.lists(st.sampled_from(_WORDS), max_size=5).map(
        lambda words: b"3\r\nabc\r\n" + b"".join(words)
    ),
    st.binary(max_size=60),
)


class Decoded(NamedTuple):
    """What came out of a decoder, and what it left."""

    body: bytes
    done: bool
    rest: bytes


def _decode(data: bytes, sizes: list[int]) -> Decoded | None:
    """Feed `data` in reads of these sizes, taken in turn; None when it is refused."""
    decoder = ChunkDecoder()
    body, position, turn = b"", 0, 0
    while position < len(data) and not decoder.done:
        size = sizes[turn % len(sizes)]
        try:
            pieces = decoder.feed(data[position : position + size])
        except RequestError:
            return None
        assert all(pieces)
        assert decoder.done or not decoder.rest
        body += b"".join(pieces)
        position += size
        turn += 1
    return Decoded(body, decoder.done, decoder.rest + data[position:])


def _encode(pieces: list[bytes], trailers: bytes = b"") -> bytes:
    return b"".join(map(chunk, pieces)) + LAST_CHUNK[:-2] + trailers + b"\r\n"


@anything
@given(bodies, rests, cuts)
@example([b"\r\n\r\n", b"0\r\n\r\n"], b"\r\n\r\n", [1])
@example([b"a"], b"\n\r\n", [4])
@example([], b"GET / HTTP/1.1\r\n\r\n", [6])
def test_round_trip(pieces: list[bytes], rest: bytes, cuts: list[int]) -> None:
    """Whatever is encoded comes out again, and not a byte of what follows is touched."""
    for trailers in (b"", b"T: x\r\nU:\r\n"):
        data = _encode(pieces, trailers) + rest
        assert _decode(data, cuts) == Decoded(b"".join(pieces), True, rest)


@anything
@given(wire, cuts)
def test_any_bytes_mean_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole = _decode(data, [len(data) or 1])
    assert _decode(data, cuts) == whole
    assert _decode(data, [1]) == whole


def test_a_body_truncated_anywhere_is_not_done() -> None:
    data = _encode([b"hello", b"\r\n\r\n", b"x"], b"T: x\r\n")
    for end in range(len(data)):
        decoded = _decode(data[:end], [1000])
        assert decoded is not None
        assert not decoded.done, end
        assert b"hello\r\n\r\nx".startswith(decoded.body)


class _Llhttp:
    """Collects what llhttp makes of a body."""

    def __init__(self) -> None:
        self.body = b""
        self.done = False

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self.body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.done = True


def _by_llhttp(data: bytes) -> Decoded | None:
    collector = _Llhttp()
    parser = httptools.HttpRequestParser(collector)
    parser.feed_data(_HEAD)
    fed = 0
    try:
        while fed < len(data) and not collector.done:
            fed += 1
            parser.feed_data(data[fed - 1 : fed])
    except httptools.HttpParserError:
        return None
    return Decoded(collector.body, collector.done, data[fed:])


def _by_h11(data: bytes) -> Decoded | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(_HEAD + data)
    connection.next_event()
    body = b""
    try:
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.EndOfMessage):
                return Decoded(body, True, connection.trailing_data[0])
            assert isinstance(event, h11.Data)
            body += event.data
    except h11.RemoteProtocolError:
        return None
    return Decoded(body, False, b"")


@anything
@given(wire)
@example(b"3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\nrest")
def test_what_llhttp_accepts_is_accepted_and_means_the_same(data: bytes) -> None:
    """It is the stricter of the two, but for sizes that do not fit into 63 bits."""
    expected = _by_llhttp(data)
    if expected is None or b"f" * 16 in data:
        return
    got = _decode(data, [len(data) or 1])
    assert got is not None
    assert (got.body, got.done) == (expected.body, expected.done)
    assert got.rest == (expected.rest if expected.done else b"")


@anything
@given(wire)
@example(b"3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\nrest")
def test_what_both_this_and_h11_finish_means_the_same(data: bytes) -> None:
    expected, got = _by_h11(data), _decode(data, [len(data) or 1])
    if expected is not None and got is not None and expected.done and got.done:
        assert got == expected


@pytest.mark.parametrize("step", [7, 4096, 10**6])
def test_framing_without_a_body_is_bounded_to_the_byte(step: int) -> None:
    unchanged = Decoded(b"", False, b"")
    extension = b"1;" + b"a" * (MAX_FRAMING_BYTES - 2)
    assert _decode(extension, [step]) == unchanged
    assert _decode(extension + b"a", [step]) is None
    trailers = b"0\r\n" + b"T: x\r\n" * 10_000
    trailers += b"T" * (MAX_FRAMING_BYTES - len(trailers))
    assert _decode(trailers, [step]) == unchanged
    assert _decode(trailers + b"a", [step]) is None


@pytest.mark.parametrize("step", [7, 4096, 10**6])
def test_a_byte_of_body_starts_the_count_again(step: int) -> None:
    data = (b"1;" + b"a" * (MAX_FRAMING_BYTES - 10) + b"\r\nx\r\n") * 3 + b"0\r\n\r\n"
    assert _decode(data, [step]) == Decoded(b"xxx", True, b"")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "data",
    [b"0" * 60_000, b"1;" + b"a" * 60_000, b"0\r\nT" + b"a" * 60_000, b"1\r\na\r\n" * 5000],
    ids=["size", "extension", "trailer", "small chunks"],
)
def test_bytes_that_drip_in_cost_little(data: bytes) -> None:
    assert _decode(data, [1]) is not None


def test_sizes_fit_into_63_bits() -> None:
    for size, fits in ((MAX_CHUNK_BYTES, True), (MAX_CHUNK_BYTES + 1, False)):
        assert (_decode(b"%x\r\n" % size, [1000]) is not None) == fits


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"x\r\n", "malformed chunk size: b'x"),
        (b"1\r\naX", "no CRLF behind the data of a chunk"),
        (b"0\r\nT\n", "malformed trailer: b'T"),
        (b"f" * 16 + b"\r\n", "overflows"),
        (b"1;" + b"a" * MAX_FRAMING_BYTES, "over 65536 bytes of chunk framing"),
    ],
)
def test_a_mistake_says_what_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(RequestError, match=what) as caught:
        ChunkDecoder().feed(data)
    assert (caught.value.status, caught.value.reason) == (400, "bad_chunk")
