"""The wire ring: each request of the corpus, cut in every way, read with both engines."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import RequestError
from protocol.http1.engine import Engine
from protocol.http1.reader import NEED_DATA, PAUSED, State
from protocol.messages import Request
from proxy.settings import ClientSettings
from tests.protocol.http1.corpus import (
    BARE_LF,
    CASES,
    CHUNKED,
    GET,
    POST,
    Case,
)
from tests.protocol.http1.transcript import (
    DEFAULT,
    ENGINES,
    Message,
    Reading,
    Refused,
    Transcript,
    agrees,
    is_beginning,
    new_reader,
    read,
)

NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"

both_engines = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
corpus = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    assert len(CASES) > 300
    assert len({case.name for case in CASES}) == len(CASES)


@corpus
def test_whole(case: Case) -> None:
    for engine in ENGINES:
        assert agrees(read(new_reader(engine, case.rules), [case.raw]), case.expected), engine.name


@corpus
def test_byte_by_byte(case: Case) -> None:
    for engine in ENGINES:
        _check_bytes(engine, case)


@corpus
def test_truncated_and_continued_at_each_offset(case: Case) -> None:
    for engine in ENGINES:
        _check_cuts(engine, case)


@corpus
def test_with_a_request_behind(case: Case) -> None:
    for engine in ENGINES:
        reader = new_reader(engine, case.rules)
        expected = read(reader, [case.raw])
        got = read(new_reader(engine, case.rules), [case.raw + NEXT])
        if expected.refused is not None:
            assert agrees(got, expected), engine.name
        elif expected.unfinished is None and not reader.head_begun:
            following = Message(uri=b"/next", host=b"n")
            assert got == Transcript((*expected.messages, following)), engine.name
        else:
            assert got.messages[: len(expected.messages)] == expected.messages, engine.name


def _check_bytes(engine: Engine, case: Case) -> None:
    reading = Reading(new_reader(engine, case.rules))
    for byte in case.raw:
        assert is_beginning(reading.feed(bytes((byte,))), case.expected), engine.name
    assert agrees(reading.feed(), case.expected), engine.name


def _check_cuts(engine: Engine, case: Case) -> None:
    for cut in range(min(len(case.raw), 300) + 1):
        reading = Reading(new_reader(engine, case.rules))
        assert is_beginning(reading.feed(case.raw[:cut]), case.expected), (engine.name, cut)
        assert agrees(reading.feed(case.raw[cut:]), case.expected), (engine.name, cut)


# -- limits ---------------------------------------------------------------------------------------


def _line(size: int, name: bytes = b"X") -> bytes:
    """Return a header line of `size` bytes, CRLF included."""
    return name + b": " + b"v" * (size - len(name) - 4) + b"\r\n"


def _lines(*sizes: int) -> bytes:
    return b"".join(_line(size, b"X-%d" % number) for number, size in enumerate(sizes))


def _request_line(size: int) -> bytes:
    return b"GET /" + b"a" * (size - 16) + b" HTTP/1.1\r\n"


FIRST_BUFFER = GET + _line(1024 - len(GET))
"""Fills nginx's first buffer to the last byte."""
HOST = b"Host: a\r\n"

FIT = {
    "2.22 request line": _request_line(8192) + HOST,
    "2.22 and three large buffers": _request_line(8192) + _lines(8192, 8192) + HOST,
    "2.23 header line": GET + _line(8192),
    "2.24 four of 7000": GET + _lines(7000, 7000, 7000, 7000),
    "2.24 every buffer to the last byte": FIRST_BUFFER + _lines(8192, 8192, 8192, 8190),
    "2.24 a request line in the first buffer": _request_line(1024)
    + HOST
    + _lines(8000, 8000, 8000),
    "2.25 a thousand lines": GET + b"a:b\r\n" * 999,
    "2.25 and dropped ones": GET + b"a:b\r\n" * 999 + b"_:b\r\n" * 100,
}
TOO_LARGE = {
    "2.22 request line": (_request_line(8193) + HOST, Refused(414, "request_line_too_long")),
    "2.23 header line": (GET + _line(8193), Refused(400, "headers_too_large")),
    "2.24 five of 7000": (GET + _lines(*[7000] * 5), Refused(400, "headers_too_large")),
    "2.24 no room for the blank line": (
        FIRST_BUFFER + _lines(8192, 8192, 8192, 8191),
        Refused(400, "headers_too_large"),
    ),
    "2.24 one byte over the first buffer": (
        GET + _line(1025 - len(GET)) + _lines(8192, 8192, 8192),
        Refused(400, "headers_too_large"),
    ),
    "2.25 a line over a thousand": (GET + b"a:b\r\n" * 1000, Refused(400, "too_many_headers")),
    "2.30 a dropped line counts": (GET + _line(9000, b"X_"), Refused(400, "headers_too_large")),
}


@both_engines
@pytest.mark.parametrize("head", FIT.values(), ids=FIT)
def test_heads_that_just_fit(head: bytes, engine: Engine) -> None:
    raw = head + b"\r\n"
    for step in (len(raw), 4096, 97):
        got = read(new_reader(engine), _pieces(raw, step))
        assert (len(got.messages), got.refused) == (1, None), step


@both_engines
@pytest.mark.parametrize(("head", "refused"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_heads_that_are_a_byte_too_large(head: bytes, refused: Refused, engine: Engine) -> None:
    raw = head + b"\r\n"
    for step in (len(raw), 4096, 97):
        got = read(new_reader(engine), _pieces(raw, step))
        assert got == Transcript(refused=refused), step


@pytest.mark.parametrize(
    ("begun", "refused"),
    [
        (_request_line(9000)[:8191], None),
        (_request_line(9000)[:8192], Refused(414, "request_line_too_long")),
        (GET + _line(9000)[:8191], None),
        (GET + _line(9000)[:8192], Refused(400, "headers_too_large")),
        (FIRST_BUFFER + _lines(8192, 8192, 8192, 8192)[:-2], None),
        (FIRST_BUFFER + _lines(8192, 8192, 8192, 8192), Refused(400, "headers_too_large")),
    ],
)
def test_what_cannot_fit_any_more_is_refused_before_its_end(
    begun: bytes, refused: Refused | None
) -> None:
    assert read(new_reader(ENGINES[0]), [begun]).refused == refused


def test_limits_of_ones_own() -> None:
    rules = ClientSettings(
        max_request_line_bytes=2000, max_header_line_bytes=1500, max_header_buffers=1, max_headers=2
    )
    long = _request_line(2000) + HOST
    for raw, refused in (
        (long, Refused(400, "headers_too_large")),  # the request line took the only large one
        (_request_line(2001), Refused(414, "request_line_too_long")),
        (_request_line(1490) + HOST + b"\r\n", Refused(400, "headers_too_large")),
        (_request_line(1489) + HOST + b"\r\n", None),
        (GET + b"a:b\r\n\r\n", None),
        (GET + b"a:b\r\nc:d\r\n\r\n", Refused(400, "too_many_headers")),
    ):
        for step in (len(raw), 1):
            got = read(new_reader(ENGINES[0], rules), _pieces(raw, step))
            assert got.refused == refused, (raw[-40:], step)


def test_a_limit_below_the_first_buffer_holds() -> None:
    rules = ClientSettings(max_request_line_bytes=100)
    for size, refused in ((100, None), (101, Refused(414, "request_line_too_long"))):
        for step in (1000, 1):
            pieces = _pieces(_request_line(size) + HOST + b"\r\n", step)
            assert read(new_reader(ENGINES[0], rules), pieces).refused == refused


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rules", [DEFAULT, BARE_LF])
def test_a_head_that_drips_in_costs_linear_time(rules: ClientSettings) -> None:
    raw = GET + b"a:\r\n" * 8000 + b"\r\n"
    got = read(new_reader(ENGINES[0], rules), _pieces(raw, 1))
    assert got.refused == Refused(400, "too_many_headers")


def _pieces(raw: bytes, step: int) -> Iterator[bytes]:
    return (raw[start : start + step] for start in range(0, len(raw), step))


# -- the calling contract -------------------------------------------------------------------------


def test_a_complete_request_pauses_the_reader() -> None:
    reader = new_reader(ENGINES[0])
    assert reader.next_event() is NEED_DATA
    with pytest.raises(RuntimeError, match="HEAD"):
        reader.next_request()
    reader.receive_data(NEXT + NEXT)
    assert isinstance(reader.next_event(), Request)
    assert reader.state is State.DONE
    assert reader.next_event() is PAUSED
    assert reader.buffered_bytes == len(NEXT)
    reader.next_request()
    assert isinstance(reader.next_event(), Request)
    assert reader.buffered_bytes == 0


def test_a_refusal_is_final() -> None:
    reader = new_reader(ENGINES[0])
    reader.receive_data(b"nonsense\r\n")
    with pytest.raises(RequestError):
        reader.next_event()
    assert reader.state is State.FAILED
    reader.receive_data(NEXT)
    assert reader.next_event() is PAUSED
    with pytest.raises(RuntimeError, match="FAILED"):
        reader.next_request()
    assert reader.first_line == b"nonsense"


def test_how_far_a_head_has_come() -> None:
    reader = new_reader(ENGINES[0])
    assert not reader.head_begun
    reader.receive_data(b"\r\n")
    assert reader.next_event() is NEED_DATA
    assert not reader.head_begun
    reader.receive_data(b"GET /x HT")
    assert reader.next_event() is NEED_DATA
    assert (reader.head_begun, reader.first_line) == (True, b"GET /x HT")
    reader.receive_data(b"TP/1.1\r\nHost: a\r\n")
    assert reader.next_event() is NEED_DATA
    assert (reader.head_begun, reader.first_line) == (True, b"GET /x HTTP/1.1")
    reader.receive_data(b"\r\n")
    request = reader.next_event()
    assert isinstance(request, Request)
    assert (request.line, request.head_bytes) == (b"GET /x HTTP/1.1", 28)
    assert not reader.head_begun


def test_the_first_line_of_a_refused_head_stays() -> None:
    reader = new_reader(ENGINES[0])
    reader.receive_data(b"GET /x HTTP/1.1\r\nX: 1\r\n\r\n")
    with pytest.raises(RequestError):
        reader.next_event()
    assert reader.first_line == b"GET /x HTTP/1.1"


def test_the_bytes_of_another_protocol_can_be_taken() -> None:
    reader = new_reader(ENGINES[0])
    reader.receive_data(GET + b"Upgrade: x\r\n\r\n\0\1other")
    assert isinstance(reader.next_event(), Request)
    assert reader.take_rest() == b"\0\1other"
    assert reader.take_rest() == b""
    assert reader.buffered_bytes == 0


def test_a_body_comes_in_the_pieces_that_it_came_in() -> None:
    reader = new_reader(ENGINES[0])
    reader.receive_data(POST + b"Content-Length: 5\r\n\r\n")
    assert isinstance(reader.next_event(), Request)
    assert reader.next_event() is NEED_DATA
    for piece in (b"ab", b"cd"):
        reader.receive_data(piece)
        assert reader.next_event() == piece
        assert reader.next_event() is NEED_DATA


def test_small_chunks_come_as_one_event() -> None:
    for engine in ENGINES:
        reader = new_reader(engine)
        reader.receive_data(CHUNKED + b"1\r\na\r\n" * 1000)
        assert isinstance(reader.next_event(), Request)
        assert reader.next_event() == b"a" * 1000
        assert reader.next_event() is NEED_DATA


@both_engines
@pytest.mark.parametrize("cut", range(0, len(NEXT), 5))
def test_a_repeated_head_leaves_no_trace(cut: int, engine: Engine) -> None:
    """A head that is known from before may come in pieces, and another one behind it."""
    other = b"POST /other HTTP/1.1\r\nHost: b\r\n\r\n"
    for forgets in (False, True):
        reader = new_reader(engine)
        reading = Reading(reader)
        reading.feed(NEXT)
        if forgets:
            reader.forget()
        got = reading.feed(NEXT[:cut], NEXT[cut:], other, NEXT + other)
        known = Message(uri=b"/next", host=b"n")
        unknown = Message(b"POST", b"/other", host=b"b")
        assert got == Transcript((known, known, unknown, known, unknown))


def test_control_characters_in_a_path_need_a_permission() -> None:
    raw = b"GET /%0a HTTP/1.1\r\nHost: a\r\n\r\n"
    assert read(new_reader(ENGINES[0]), [raw]).refused == Refused(400, "bad_request_target")
    reader = new_reader(ENGINES[0])
    reader.allow_control = True
    assert read(reader, [raw]).messages == (Message(uri=b"/%0a"),)


# -- any bytes ------------------------------------------------------------------------------------

_WORDS = (
    *(b"GET", b"POST", b"get", b" ", b" ", b"/", b"/a?b", b"*", b"http://h/", b"HTTP/1.1"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", b":", b"\t"),
    *(b"Host: a\r\n", b"Host: a\r\n", b"Content-Length: 3\r\n", b"Content-Length: x\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"X_A: 1\r\n", b"X: 1\r\n"),
    *(b"Expect: 100-continue\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"abc", b"\0", b"\xff"),
    *(b"\x7f", b";a=b", b"\x01", GET, POST, CHUNKED, NEXT, b"a" * 1000, b"X: " + b"v" * 7000),
)
_words = st.lists(st.sampled_from(_WORDS), max_size=12).map(b"".join)
_streams = st.one_of(_words, _words.map(lambda words: GET + words), st.binary(max_size=200))
_cuts = st.lists(st.integers(0, 300), max_size=6)
_rules = st.builds(
    ClientSettings,
    dangerously_accept_bare_lf=st.booleans(),
    dangerously_accept_headers_without_colon=st.booleans(),
    underscores_in_headers=st.booleans(),
    ignore_invalid_headers=st.booleans(),
)


@settings(deadline=None, max_examples=200)
@given(_streams, _cuts, _rules)
def test_any_bytes_mean_the_same_however_they_are_cut(
    stream: bytes, cuts: list[int], rules: ClientSettings
) -> None:
    """Whatever comes is a transcript or a `RequestError`; anything else would show up here."""
    ends = [0, *sorted(cuts), len(stream)]
    for engine in ENGINES:
        whole = read(new_reader(engine, rules), [stream])
        pieces = [stream[start:end] for start, end in pairwise(ends)]
        parts = read(new_reader(engine, rules), pieces)
        assert (parts.messages, parts.refused) == (whole.messages, whole.refused)
        if parts.refused is None:
            assert parts.unfinished == whole.unfinished


@settings(deadline=None, max_examples=200)
@given(_streams, _rules)
def test_both_engines_read_any_bytes_alike(stream: bytes, rules: ClientSettings) -> None:
    one, other = (read(new_reader(engine, rules), [stream]) for engine in ENGINES)
    assert one == other
