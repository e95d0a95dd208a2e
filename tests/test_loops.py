import asyncio
import sys

import pytest
import uvloop

from proxy.exits import StartError
from proxy.loops import loop_factory


def test_uvloop_where_it_is_installed() -> None:
    assert loop_factory("auto") is loop_factory("uvloop") is uvloop.new_event_loop
    assert loop_factory("asyncio") is asyncio.new_event_loop


def test_without_uvloop_the_standard_loop_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    for name in ("auto", "asyncio"):
        assert loop_factory(name) is asyncio.new_event_loop
    with pytest.raises(StartError, match="uvloop is not installed"):
        loop_factory("uvloop")
