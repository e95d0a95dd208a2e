"""Header lines by nginx's grammar, rules 2.5 to 2.9."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import RequestError
from protocol.http1.engine import Engine
from protocol.http1.lines import split_fields
from protocol.messages import Field
from proxy.settings import ClientSettings
from tests.protocol.http1.corpus import BARE_LF, COLONLESS
from tests.protocol.http1.transcript import DEFAULT, ENGINES


def _split(block: bytes, rules: ClientSettings = DEFAULT) -> list[Field] | str:
    try:
        return split_fields(block, rules)
    except RequestError as error:
        return error.reason if error.status == 400 else str(error)


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        (b"", []),
        (b"A: b\r\n", [(b"A", b"b")]),
        (b"A:b\r\nc:  d e  \r\n", [(b"A", b"b"), (b"c", b"d e")]),
        (b"A:\r\nB: \r\n", [(b"A", b""), (b"B", b"")]),
        (b"A: \tb\t \r\n", [(b"A", b"\tb\t")]),
        (b"A: \x01\xff:\x7f\r\n", [(b"A", b"\x01\xff:\x7f")]),
        (b"a_b.c@\xe9: d\r\n", [(b"a_b.c@\xe9", b"d")]),
    ],
)
def test_what_is_accepted(block: bytes, fields: list[Field]) -> None:
    assert _split(block) == fields


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"A\r\n", "bad_header"),
        (b"A b: c\r\n", "bad_header"),
        (b"A : c\r\n", "bad_header"),
        (b" A: c\r\n", "bad_header"),
        (b"\tA: c\r\n", "bad_header"),
        (b": c\r\n", "bad_header"),
        (b"\r\n", "bad_header"),
        (b"A: b\r\n\r\nC: d\r\n", "bad_header"),
        (b"A\x00: b\r\n", "bad_header"),
        (b"A: b\x00\r\n", "bad_header"),
        (b"A: b\rc\r\n", "bad_line_end"),
        (b"A: b\r\r\n", "bad_line_end"),
        (b"A: b\nC: d\r\n", "bad_line_end"),
        (b"A: b\n", "bad_line_end"),
        (b" \r\nA: b\n\r\n", "bad_line_end"),
    ],
)
def test_what_is_refused(block: bytes, reason: str) -> None:
    assert _split(block) == reason


def test_lines_without_a_colon_need_a_permission() -> None:
    assert _split(b"A\r\nB: c\r\n", COLONLESS) == [(b"A", b""), (b"B", b"c")]
    assert _split(b"A b\r\n", COLONLESS) == "bad_header"
    assert _split(b"A\x00\r\n", COLONLESS) == "bad_header"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n", b"\r\r\r\n"])
def test_bare_line_feeds_need_a_permission(end: bytes) -> None:
    fields = [(b"A", b"b"), (b"C", b"d")]
    assert _split(b"A: b" + end + b"C: d" + end, BARE_LF) == fields
    assert _split(b"A: b\rc" + end, BARE_LF) == "bad_line_end"
    assert _split(b"A: b" + end + end + b"C: d" + end, BARE_LF) == "bad_header"


_WORDS = (
    *(b"A", b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"x_b"),
    *(
        b": ",
        b":",
        b" ",
        b"\t",
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"5",
        b"5, 5",
        b"chunked",
        b"close",
    ),
    *(
        b"upgrade",
        b"\x00",
        b"\x01",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"@",
        b".",
        b'"',
        b"(",
        b"GET / HTTP/1.1",
    ),
)
_blocks = st.lists(st.sampled_from(_WORDS), max_size=12).map(
    lambda words: b"".join(words) + b"\r\n"
)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@settings(deadline=None, max_examples=200)
@given(_blocks)
@example(b"A: b \r\n")
@example(b"A: b\t\r\n")
@example(b"Content-Length: 5\r\nContent-Length: 5\r\n")
@example(b"Content-Length: 5, 5\r\n")
@example(b"Connection: upgrade\r\nUpgrade: x\r\n")
@example(b"A: b\r\n c\r\n")
def test_what_an_engine_accepts_is_what_the_grammar_says(engine: Engine, block: bytes) -> None:
    """The property that makes the choice of an engine invisible."""
    if b"\r\n\r\n" in block or block.startswith(b"\r\n"):
        return  # a reader would have ended the head there
    fields = engine.split_fields(block)
    if fields is not None:
        assert fields == _split(block)
