"""Python's `logging`, written by a thread: a standard error that nobody reads stops nobody.

Lines are made harmless here, whoever has said them: control characters become \\xHH, and a message
is one line. Only tracebacks are more than one.
"""

import logging
import time
from collections.abc import Callable
from math import inf
from types import TracebackType

from proxy.telemetry.destination import Destination
from proxy.telemetry.repeats import Repeats
from proxy.telemetry.writer import Writer

MAX_PENDING_LINES = 2_000
"""Waiting to be written, before lines are lost."""

MAX_PENDING_BYTES = 1024 * 1024
"""Of those lines together."""

TRACEBACK_BURST = 5
"""Tracebacks from the same place in a window (`proxy.telemetry.repeats`); the rest is counted."""

FLUSH_TIMEOUT_S = 1.0
"""For what is left at the end, or before something else is written to the same place."""

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CONTROL = {code: f"\\x{code:02X}" for code in (*range(32), *range(127, 160))}
_CONTROL_BUT_LINES = {code: text for code, text in _CONTROL.items() if code not in (9, 10)}

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Formatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(_CONTROL)

    def formatException(self, ei: _ExcInfo) -> str:
        return super().formatException(ei).translate(_CONTROL_BUT_LINES)


class LogHandler(logging.Handler):
    """Hands lines to a writer. `now` is seconds, monotonic."""

    def __init__(self, destination: Destination, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._tracebacks: Repeats[str] = Repeats(TRACEBACK_BURST)
        self.setFormatter(_Formatter(_FORMAT))
        self._writer: Writer[bytes] = Writer(
            destination, _as_they_are, "error-log", MAX_PENDING_LINES, MAX_PENDING_BYTES
        )
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        try:
            self._tell_held_back(self._now())
            trace = record.exc_info[2] if record.exc_info else None
            if trace is None or self._tracebacks.admit(_place(trace), self._now()):
                self._put(self.format(record))
        except Exception:
            self.handleError(record)

    def _tell_held_back(self, now: float) -> None:
        for place, count in self._tracebacks.due(now):
            where = "elsewhere" if place is None else place
            self._put(f"uwsgi-frontend: {count:,} more tracebacks that end {where}")

    def _put(self, text: str) -> None:
        writer = self._writer
        before = writer.lost
        data = text.encode(errors="backslashreplace")
        writer.put(data.split(b"\n"), len(data))
        lost = before - self._told
        if lost and writer.lost == before:  # there is room again
            self._told = before
            writer.put([b"uwsgi-frontend: %d lines of this log were lost before" % lost], 0)

    def reopen(self) -> None:
        """Go on in a new file."""
        self._writer.reopen()

    def rest(self) -> None:
        """Be without a thread until there is something to write: so this process can be forked."""
        self._writer.rest(FLUSH_TIMEOUT_S)

    def fileno(self) -> int:
        """Return the descriptor that is written to, -1 for none: a child needs it, too."""
        return self._writer.fileno()

    def flush(self) -> None:
        """Wait until everything is written, but not for long."""
        self._writer.flush(FLUSH_TIMEOUT_S)

    def close(self) -> None:
        """Write what is left, but do not wait for long."""
        self._tell_held_back(inf)
        self._writer.close(FLUSH_TIMEOUT_S)
        super().close()


def _place(trace: TracebackType) -> str:
    """Return where an exception was raised: a bug that strikes again does so at the same place."""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def reopen_log() -> None:
    """Let the process's log go on in a new file."""
    for handler in _handlers():
        handler.reopen()


def flush_log() -> None:
    """Let what has been said be written before something else is."""
    for handler in logging.root.handlers:
        handler.flush()


def rest_log() -> list[int]:
    """Prepare for a fork; return the descriptors that the child has to keep."""
    handlers = _handlers()
    for handler in handlers:
        handler.rest()
    return [handler.fileno() for handler in handlers]


def _handlers() -> list[LogHandler]:
    return [handler for handler in logging.root.handlers if isinstance(handler, LogHandler)]


def _as_they_are(lines: list[bytes]) -> list[bytes]:
    return lines
