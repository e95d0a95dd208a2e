"""Signals that come before there is anybody to act on them: they are kept, and sent again later.

Until the event loop has handlers of its own, SIGTERM would kill: without a drain, and with the
embedded worker left to the kernel. To process number 1, which is what we are in a container, the
kernel does not even deliver a signal that has no handler. And SIGUSR1, which should only reopen
logs, would kill as well.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP)
"""The first of these drains, the second one ends at once."""

Deliver = Callable[[], None]
"""Sends again what has been kept; to be called once there are handlers."""


@contextlib.contextmanager
def kept_signals(end: Callable[[int], object] = os._exit) -> Iterator[Deliver]:
    """Keep signals until they are delivered. For the main thread of a process that is ours.

    Args:
        end: called with the exit code when a second one says that it has to be at once.
    """
    kept: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        if number in ENDING and any(one in ENDING for one in kept):
            end(128 + number)
        kept.append(number)

    def deliver() -> None:
        while kept:
            signal.raise_signal(kept.pop(0))

    before = {number: signal.signal(number, keep) for number in (*ENDING, signal.SIGUSR1)}
    try:
        yield deliver
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
