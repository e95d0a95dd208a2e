"""The access log: nginx's combined format, then what the upstream did and why things failed.

    REMOTE_ADDR - USER [TIME] "REQUEST LINE" STATUS BODY_BYTES "REFERER" "USER_AGENT"
        SECONDS "UPSTREAM" CONNECT_S HEADER_S RESPONSE_S REASON

all on one line. Upstream values of several attempts are joined by a comma and a space; what did not
happen is `-`. Formatting happens when lines are written, not while requests are served, and the
writing is done by a thread of its own: a full disk or a stopped reader never blocks the event loop.
When the writer falls behind by more than `MAX_PENDING_LINES`, lines are dropped and counted.
"""

import base64
import binascii
import re
import threading
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import BinaryIO

from proxy.record import AttemptRecord, Record

MAX_PENDING_LINES = 100_000
"""Waiting to be written, before lines are dropped."""

_ESCAPED = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')


def escape(text: bytes) -> str:
    """Return `text` as nginx logs it: quote, backslash, control and 8-bit bytes as \\xHH."""
    return _ESCAPED.sub(lambda match: b"\\x%02X" % match[0][0], text).decode("ascii")


def remote_user(authorization: bytes | None) -> str:
    """Return the user name of a Basic Authorization header (RFC 7617), `-` for none."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        return "-"
    try:
        decoded = base64.b64decode(authorization[6:].strip(), validate=True)
    except binascii.Error:
        return "-"
    return escape(decoded.partition(b":")[0]) or "-"


def local_time(seconds: float) -> str:
    """Return nginx's `$time_local`: `21/Nov/2026:21:36:44 +0000`."""
    when = time.localtime(seconds)
    return (
        f"{when.tm_mday:02d}/{_MONTHS[when.tm_mon - 1]}/{when.tm_year}"
        f":{when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d} {time.strftime('%z', when)}"
    )


# strftime's %b depends on the locale; log parsers do not.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _header(record: Record, name: bytes) -> str:
    value = record.request.headers.get(name) if record.request is not None else None
    return "-" if value is None else escape(value) or "-"


def _seconds(begin: float, end: float | None) -> str:
    return "-" if end is None else f"{end - begin:.3f}"


def _joined(attempts: list[AttemptRecord], show: Callable[[AttemptRecord], str]) -> str:
    return ", ".join(map(show, attempts)) or "-"


def format_line(record: Record, wall_clock_ahead_s: float) -> str:
    """Return the line for one exchange, without its line end.

    Args:
        wall_clock_ahead_s: what to add to the record's monotonic times to get Unix time.
    """
    request, attempts = record.request, record.attempts
    line = request.line if request is not None else record.line
    authorization = request.headers.get(b"authorization") if request is not None else None
    return (
        f"{record.remote_addr.decode()} - {remote_user(authorization)}"
        f" [{local_time(record.ended + wall_clock_ahead_s)}]"
        f' "{escape(line)}" {record.status} {record.sent_bytes - record.head_bytes}'
        f' "{_header(record, b"referer")}" "{_header(record, b"user-agent")}"'
        f' {record.seconds:.3f} "{_joined(attempts, lambda a: a.backend)}"'
        f" {_joined(attempts, lambda a: _seconds(a.started, a.connected))}"
        f" {_joined(attempts, lambda a: _seconds(a.started, a.first_byte))}"
        f" {_joined(attempts, lambda a: _seconds(a.started, a.ended))}"
        f" {record.reason.word if record.reason is not None else '-'}"
    )


class AccessLog:
    """A sink that writes one line per record to a binary file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending: list[Record] = []
        self._queue: SimpleQueue[list[Record] | None] = SimpleQueue()
        # Each count is written by one thread only: there are no locks here.
        self._queued = 0
        self._refused = 0
        self._written = 0
        self._failed = 0
        self._thread = threading.Thread(target=self._write_all, name="access-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._refused + self._failed

    def __call__(self, record: Record) -> None:
        """Take a record; it is written after the next `flush`."""
        self._pending.append(record)

    def flush(self) -> None:
        """Hand what has been taken to the writer. To be called a few times a second."""
        if not self._pending:
            return
        batch, self._pending = self._pending, []
        if self._queued - self._written + len(batch) > MAX_PENDING_LINES:
            self._refused += len(batch)
            return
        self._queued += len(batch)
        self._queue.put(batch)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end the writer; give up on it after `timeout_s` seconds.

        Returns whether the writer has ended: only then may the file be closed.
        """
        self.flush()
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _write_all(self) -> None:
        while (batch := self._queue.get()) is not None:
            self._write(batch)
            self._written += len(batch)

    def _write(self, batch: Iterable[Record]) -> None:
        ahead = time.time() - time.monotonic()
        text = "".join(format_line(record, ahead) + "\n" for record in batch)
        try:
            self._file.write(text.encode())
            self._file.flush()
        except (OSError, ValueError):
            self._failed += text.count("\n")
