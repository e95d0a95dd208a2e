"""Event loops: which one runs, and what it does with what nobody has caught."""

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from typing import Any

from proxy import errors
from proxy.exits import StartError

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

ACCEPT_LOG_PAUSE_S = 10.0
"""Between two lines that say that no connection can be accepted."""

log = logging.getLogger("proxy")


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


class LoopErrors:
    """The event loop's exception handler.

    Out of descriptors, asyncio reports every connection that waits, with a traceback, over and
    over: one line in ten seconds says it as well. It tries again a second later by itself.
    """

    def __init__(self) -> None:
        self._said = -ACCEPT_LOG_PAUSE_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        if now - self._said >= ACCEPT_LOG_PAUSE_S:
            self._said = now
            reason = errors.OUT_OF_DESCRIPTORS
            log.error("%s: cannot accept (%s); next: %s", reason.word, error, reason.next_step)
