"""Lines that have come before are split as they were, and as the engine alone would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.http1.engine import Engine
from protocol.http1.h11_engine import H11Engine
from protocol.http1.httptools_engine import HttptoolsEngine
from protocol.http1.known_lines import REMEMBERED, REMEMBERED_BYTES, KnownLines
from protocol.http1.lines import split_fields
from protocol.messages import Field
from proxy.settings import ClientSettings

LINES = (
    b"Host: a", b"Accept: */*", b"X: 1", b"X: 2", b"Cookie: a=b", b"Content-Length: 3",
    b"Content-Length: 4", b"Transfer-Encoding: chunked", b"Connection: close", b"Upgrade: h2c",
    b" folded", b"\tfolded", b"no colon", b": no name", b"bad name: x", b"Tail: x ", b"Tab:\tx",
    b"Null: \0", b"Empty:", b"", b"Bare: \n", b"Bare: \r", b"Long: " + b"x" * REMEMBERED_BYTES,
)  # fmt: skip


class Asked:
    """An engine that tells what it was asked."""

    name = "asked"

    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    def split_fields(self, block: bytes) -> list[Field] | None:
        self.blocks.append(block)
        return HttptoolsEngine().split_fields(block)


def test_only_new_lines_are_asked_for() -> None:
    engine = Asked()
    known = KnownLines(engine)
    first = [(b"Host", b"a"), (b"X", b"1")]
    assert known.split_fields(b"Host: a\r\nX: 1\r\n") == first
    assert known.split_fields(b"Host: a\r\nX: 1\r\n") == first
    assert known.split_fields(b"X: 2\r\nHost: a\r\n") == [(b"X", b"2"), (b"Host", b"a")]
    assert engine.blocks == [b"Host: a\r\nX: 1\r\n", b"X: 2\r\n"]


def test_a_line_that_continues_a_known_one_is_not_taken_for_one_of_its_own() -> None:
    known = KnownLines(HttptoolsEngine())
    assert known.split_fields(b"Host: a\r\n") is not None
    assert known.split_fields(b"Host: a\r\n b: c\r\n") is None


def test_its_memory_is_bounded() -> None:
    engine = Asked()
    known = KnownLines(engine)
    for number in range(REMEMBERED + 1):
        known.split_fields(b"X: %d\r\n" % number)
    assert len(known._known) == 1
    for _ in range(2):
        known.split_fields(b"X: %s\r\n" % (b"y" * REMEMBERED_BYTES))
    assert len(known._known) == 1


@pytest.mark.parametrize("engine", [HttptoolsEngine(), H11Engine()])
@given(st.lists(st.lists(st.sampled_from(LINES), max_size=5), max_size=6), st.booleans())
def test_the_verdict_is_that_of_the_engine(
    engine: Engine, blocks: list[list[bytes]], is_cut: bool
) -> None:
    """A block that is only refused for what its lines mean together may be split all the same."""
    known = KnownLines(engine)
    for lines in blocks:
        block = b"".join(line + b"\r\n" for line in lines)
        if is_cut:
            block = block[:-1]
        expected, found = engine.split_fields(block), known.split_fields(block)
        if expected is None and found is not None:
            expected = split_fields(block, ClientSettings())
        assert found == expected
