"""The face that both parser libraries have. What they do behind it has files of its own."""

import inspect

import pytest

from protocol.http1.engine import Engine
from tests.protocol.http1.transcript import ENGINES


def test_there_are_two_engines() -> None:
    assert [engine.name for engine in ENGINES] == ["httptools", "h11"]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_an_engine_has_the_whole_face(engine: Engine) -> None:
    for name, method in inspect.getmembers(Engine, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(type(engine), name)) == inspect.signature(method)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_nothing_stays_between_two_blocks(engine: Engine) -> None:
    assert engine.split_fields(b"Content-Length: 5\r\nTransfer-Encoding: x\r\n") is None
    assert engine.split_fields(b"Connection: close\r\n") == [(b"Connection", b"close")]
    assert engine.split_fields(b"A: b\r\n") == [(b"A", b"b")]
