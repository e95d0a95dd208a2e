"""Which event loop runs, for whoever starts one."""

import asyncio
from collections.abc import Callable

from proxy.exits import StartError

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(name: str) -> LoopFactory:
    """Return what makes the loop that `--loop` names; nothing is set for the process.

    Raises:
        StartError: it is not installed.
    """
    if name != "asyncio":
        try:
            import uvloop

            return uvloop.new_event_loop
        except ImportError:
            if name == "uvloop":
                raise StartError("--loop uvloop: uvloop is not installed") from None
    return asyncio.new_event_loop
