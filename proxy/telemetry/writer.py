"""A thread that writes what others have to say, so that a slow disk never blocks the event loop.

The queue is bounded, in things and in bytes. What is too much is lost and counted: a log that lags
must neither hold up requests nor fill the memory. The thread begins with the first thing to write,
and again after a fork, since a thread stays behind then.
"""

import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from proxy.telemetry.destination import Destination

T = TypeVar("T")

CLOSE_TIMEOUT_S = 5.0
"""For what is left at the end; then the writer is given up."""


class Writer(Generic[T]):
    """Writes batches of things to a destination, each as one line.

    `render` makes the lines, on the thread. `max_pending` things may wait to be written, of
    `max_bytes` together.
    """

    def __init__(
        self,
        destination: Destination,
        render: Callable[[list[T]], list[bytes]],
        name: str,
        max_pending: int,
        max_bytes: int,
    ) -> None:
        self._destination = destination
        self._render = render
        self._name = name
        self._max_pending = max_pending
        self._max_bytes = max_bytes
        self._trouble = ""
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Each count is written by one thread only: there are no locks here.
        self._queued = self._queued_bytes = self._refused = 0
        self._done = self._done_bytes = self._failed = 0

    @property
    def lost(self) -> int:
        """Lines that were not written."""
        return self._refused + self._failed

    @property
    def trouble(self) -> str:
        """What went wrong last, for people."""
        return self._trouble or self._destination.trouble or "the writer is behind"

    def put(self, batch: list[T], size: int) -> None:
        """Have these things written; `size` is about how many bytes they keep in memory."""
        if self._pid != os.getpid():
            self._begin()
        room = self._max_pending - (self._queued - self._done)
        if self._queued_bytes - self._done_bytes + size > self._max_bytes:
            room = 0
        if room < len(batch):
            self._refused += len(batch) - room
            batch = batch[:room]
        if batch:
            self._queued += len(batch)
            self._queued_bytes += size
            if not self._tell(lambda: self._write(batch, size)):
                self._queued -= len(batch)
                self._queued_bytes -= size
                self._refused += len(batch)

    def reopen(self) -> None:
        """Go on in the file that has the name now; what was put before goes to the old one."""
        self._tell(self._destination.reopen)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written, for at most `timeout_s`; return whether it is."""
        if self._thread is None or self._pid != os.getpid():
            return True
        reached = threading.Event()
        self._tell(reached.set)
        return reached.wait(timeout_s)

    def rest(self, timeout_s: float) -> None:
        """Write what is left, and end the thread until there is more, unless it takes too long."""
        thread = self._thread
        if thread is not None and self._pid == os.getpid():
            self._queue.put(None)
            thread.join(timeout_s)
            if not thread.is_alive():
                self._thread = None

    def fileno(self) -> int:
        """Return the descriptor of the destination, -1 while there is none."""
        return self._destination.fileno()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what is left and close the destination; give up after `timeout_s` seconds.

        Returns whether all was written or counted as lost.
        """
        thread = self._thread
        if thread is not None and self._pid == os.getpid():
            self._queue.put(None)
            thread.join(timeout_s)
            if thread.is_alive():
                return False
            self._thread = None
        self._destination.close()
        return True

    def _tell(self, act: Callable[[], None]) -> bool:
        """Have something done by the thread; return whether there is one, or can be."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system allows no more of them
                self._trouble = str(error)
                return False
            self._thread, self._trouble = thread, ""
        self._queue.put(act)
        return True

    def _run(self) -> None:
        while (act := self._queue.get()) is not None:
            act()

    def _write(self, batch: list[T], size: int) -> None:
        try:
            lines = self._render(batch)
            self._failed += len(lines) - self._destination.write(lines)
        except Exception as error:  # a bug; it must not end the log
            self._failed += len(batch)
            self._trouble = repr(error)
        self._done += len(batch)
        self._done_bytes += size


def ahead_s() -> float:
    """Return what to add to a monotonic time to get Unix time."""
    return time.time() - time.monotonic()
