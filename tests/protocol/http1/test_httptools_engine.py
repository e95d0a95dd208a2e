"""The httptools engine: what llhttp is not given, or not believed."""

import pytest

from protocol.http1.httptools_engine import HttptoolsEngine
from protocol.messages import Field

ENGINE = HttptoolsEngine()


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        (b"", []),
        (b"Host: a\r\nX-Y:1\r\n", [(b"Host", b"a"), (b"X-Y", b"1")]),
        (b"A:\r\nB:   b\r\n", [(b"A", b""), (b"B", b"b")]),
        (b"a_b: \xff\r\n", [(b"a_b", b"\xff")]),
        (b"A: 1\r\nA: 2\r\n", [(b"A", b"1"), (b"A", b"2")]),
        # what would change the connection, were these bytes a request of llhttp's own
        (b"Content-Length: 5\r\n", [(b"Content-Length", b"5")]),
        (b"Transfer-Encoding: chunked\r\n", [(b"Transfer-Encoding", b"chunked")]),
        (
            b"Connection: upgrade\r\nUpgrade: x\r\n",
            [(b"Connection", b"upgrade"), (b"Upgrade", b"x")],
        ),
        (b"Connection: close\r\nExpect: x\r\n", [(b"Connection", b"close"), (b"Expect", b"x")]),
    ],
)
def test_well_formed_lines_are_split(block: bytes, fields: list[Field]) -> None:
    assert ENGINE.split_fields(block) == fields


@pytest.mark.parametrize(
    "block",
    [
        b"A: b \r\n",  # llhttp would keep the space
        b"A: \tb\r\n",  # and drop the tab
        b"A: b\r\n c\r\n",  # and unfold this
        b"A b: c\r\n",
        b"A : c\r\n",
        b"A@b: c\r\n",
        b"A\r\n",
        b": c\r\n",
        b"A: b\nC: d\r\n",
        b"A: b\rc\r\n",
        b"A: \x01\r\n",
        b"A: \x00\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_the_rest_is_handed_on(block: bytes) -> None:
    assert ENGINE.split_fields(block) is None
