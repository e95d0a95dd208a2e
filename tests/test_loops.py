"""Which loop runs, and what it says when nobody else does."""

import asyncio
import contextlib
import errno
import logging
import sys

import pytest
import uvloop

from proxy.exits import StartError
from proxy.loops import LoopErrors, loop_factory


def test_uvloop_where_it_is_installed() -> None:
    assert loop_factory("auto") is loop_factory("uvloop") is uvloop.new_event_loop
    assert loop_factory("asyncio") is asyncio.new_event_loop


def test_without_uvloop_the_standard_loop_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    for name in ("auto", "asyncio"):
        assert loop_factory(name) is asyncio.new_event_loop
    with pytest.raises(StartError, match="uvloop is not installed"):
        loop_factory("uvloop")


def test_a_lack_of_descriptors_is_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        handler = LoopErrors()
        for _ in range(5):
            handler(loop, {"message": "x", "exception": OSError(errno.EMFILE, "Too many")})
        handler(loop, {"message": "something else", "exception": ValueError("of ours")})
    ours, other = caplog.records
    assert ours.getMessage().startswith("out_of_descriptors: cannot accept ")
    assert ours.levelno == logging.ERROR
    assert other.getMessage() == "something else"
