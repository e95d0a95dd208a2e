"""Both event loops, for tests that need a real one."""

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

TIMEOUT_S = 60.0
"""For anything that should happen at once."""

FACTORIES: dict[str, LoopFactory] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

both_loops = pytest.mark.parametrize("loop", FACTORIES)
"""The test gets `loop`, the name of one, for `run`."""


def run(loop: str, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on this kind of event loop, for at most `TIMEOUT_S`; nothing may be left open."""

    async def bounded() -> T:
        async with asyncio.timeout(TIMEOUT_S):
            return await main

    runner = asyncio.Runner(loop_factory=FACTORIES[loop])
    try:
        result = runner.run(bounded())
    finally:
        left_open = _close(runner)
    assert not left_open
    return result


def _close(runner: asyncio.Runner) -> list[str]:
    """Return what had to be closed with the loop.

    uvloop warns of each such thing before it closes it. If that warning were an error, as warnings
    are in these tests, it would not close it but wait for its end for ever.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        runner.close()
    return [str(one.message) for one in caught]


class Happened:
    """Something to call, and to wait for."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._event = asyncio.Event()

    def __call__(self, *args: Any) -> None:
        self.calls.append(args[0] if args else None)
        self._event.set()

    async def wait(self) -> Any:
        """Return what the last call was given, as soon as there is a new one."""
        await self._event.wait()
        self._event.clear()
        return self.calls[-1]
