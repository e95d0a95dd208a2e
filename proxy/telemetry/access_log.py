"""The access log: one line per exchange, in the format that was asked for.

Formatting happens when lines are written, not while requests are served, and the writing is done
by a thread of its own (`proxy.telemetry.writer`).
"""

from collections.abc import Iterator
from logging import getLogger

from prometheus_client.core import Metric

from proxy.record import Record
from proxy.telemetry import catalogue
from proxy.telemetry.destination import Destination
from proxy.telemetry.family import add
from proxy.telemetry.log_format import Format
from proxy.telemetry.moment import Moment
from proxy.telemetry.writer import CLOSE_TIMEOUT_S, Writer, ahead_s

MAX_PENDING_LINES = 10_000
"""Waiting to be written, before lines are lost."""

MAX_PENDING_BYTES = 16 * 1024 * 1024
"""Of request heads that those lines are made of."""

TELL_LOST_S = 10.0
"""Between two lines in the error log that say how many were lost."""

log = getLogger("proxy")


class AccessLog:
    """A sink that writes one line per record."""

    def __init__(self, destination: Destination, form: Format) -> None:
        self._form = form
        self._pending: list[Record] = []
        self._writer = Writer(
            destination, self._render, "access-log", MAX_PENDING_LINES, MAX_PENDING_BYTES
        )
        self._told = 0
        self._told_at = -TELL_LOST_S

    @property
    def lost(self) -> int:
        """Lines that were not written."""
        return self._writer.lost

    def __call__(self, record: Record) -> None:
        """Take a record; it is written after the next `flush`."""
        self._pending.append(record)

    def flush(self) -> None:
        """Hand what has been taken to the writer. To be called a few times a second."""
        if self._pending:
            batch, self._pending = self._pending, []
            self._writer.put(batch, sum([record.request_bytes for record in batch]))

    def tell_lost(self, now: float) -> None:
        """Say in the error log how many lines were lost, if any were, and not too often."""
        lost = self.lost
        if lost > self._told and now - self._told_at >= TELL_LOST_S:
            log.error(
                "access log: %d lines lost (%s); next: look at its disk or its reader",
                lost - self._told,
                self._writer.trouble,
            )
            self._told, self._told_at = lost, now

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, for `prometheus_client`."""
        lost = catalogue.ACCESS_LOG_LOST.family()
        add(lost, (), self.lost)
        yield lost

    def reopen(self) -> None:
        """Go on in a new file."""
        self.flush()
        self._writer.reopen()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what is left, for at most `timeout_s` seconds; return whether that is done."""
        self.flush()
        return self._writer.close(timeout_s)

    def _render(self, batch: list[Record]) -> list[bytes]:
        moment, form = Moment(ahead_s()), self._form
        return [form(record, moment).encode() for record in batch]
