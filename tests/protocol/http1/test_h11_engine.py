"""The h11 engine: where h11 is more lenient than nginx, and is not followed."""

import pytest

from protocol.http1.h11_engine import H11Engine
from protocol.messages import Field

ENGINE = H11Engine()


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        (b"", []),
        (b"Host: a\r\nX-Y:1\r\n", [(b"Host", b"a"), (b"X-Y", b"1")]),
        (b"A:\r\nB:   b  \r\n", [(b"A", b""), (b"B", b"b")]),
        (b"a_b: \xff\r\n", [(b"a_b", b"\xff")]),
        (b"A: 1\r\nA: 2\r\n", [(b"A", b"1"), (b"A", b"2")]),
        (b"Content-Length: 5\r\n", [(b"Content-Length", b"5")]),
        (b"Transfer-Encoding: chunked\r\n", [(b"Transfer-Encoding", b"chunked")]),
    ],
)
def test_well_formed_lines_are_split(block: bytes, fields: list[Field]) -> None:
    assert ENGINE.split_fields(block) == fields


@pytest.mark.parametrize(
    "block",
    [
        b"A: \tb\r\n",  # h11 would drop the tab
        b"A: b\r\n c\r\n",  # and unfold this
        b"A: b\nC: d\r\n",  # and take a bare LF
        b"A: b\r\n\r\nGET / HTTP/1.1\r\n",  # and see a request behind
        b"Content-Length: 5, 5\r\n",  # and merge these
        b"X: y\r\ncontent-length:5,5\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"A b: c\r\n",
        b"A : c\r\n",
        b"A@b: c\r\n",
        b"A\r\n",
        b": c\r\n",
        b"A: b\rc\r\n",
        b"A: \x00\r\n",
        b"Host: a\r\nHost: a\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_the_rest_is_handed_on(block: bytes) -> None:
    assert ENGINE.split_fields(block) is None


def test_blocks_are_limited_elsewhere() -> None:
    """`HeaderGauge` judges sizes; the library must not have an opinion of its own."""
    block = b"A: %s\r\n" % (b"v" * 300_000)
    assert ENGINE.split_fields(block) == [(b"A", b"v" * 300_000)]
