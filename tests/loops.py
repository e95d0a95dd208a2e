"""Both event loops, for tests that need a real one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

TIMEOUT_S = 20.0
"""For anything that should happen at once."""

FACTORIES: dict[str, LoopFactory] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

both_loops = pytest.mark.parametrize("loop", FACTORIES)
"""The test gets `loop`, the name of one, for `run`."""


def run(loop: str, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on this kind of event loop, for at most `TIMEOUT_S`."""

    async def bounded() -> T:
        async with asyncio.timeout(TIMEOUT_S):
            return await main

    with asyncio.Runner(loop_factory=FACTORIES[loop]) as runner:
        return runner.run(bounded())


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
