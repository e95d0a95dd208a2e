"""Waiting for what the subscription server does: it logs every event that matters."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator


class Watch(logging.Handler):
    """Waits for what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as this is true; it is looked at whenever a line has been logged."""
        while not condition():
            self._event.clear()
            await self._event.wait()


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Have all events logged, and watch them."""
    logger, watch = logging.getLogger("proxy.subscription"), Watch()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(watch)
    try:
        yield watch
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)
