"""The error log: one line for each exchange that failed, with its reason and the next step.

WORD STATUS "METHOD /path" from CLIENT: BACKEND: what was seen; next: what to do
"""

from logging import getLogger

from proxy.errors import Blame
from proxy.record import Record
from proxy.telemetry.access_log import escape

log = getLogger("proxy.exchange")


def log_failure(record: Record) -> None:
    """A sink: write a line if the exchange has failed. Clients' own faults are only information."""
    reason = record.reason
    if reason is None:
        return
    line = record.request.line if record.request is not None else record.line
    write = log.info if reason.blame is Blame.CLIENT else log.warning
    write(
        '%s %d "%s" from %s: %s; next: %s',
        reason.word,
        record.status,
        escape(line[:200]),
        record.remote_addr.decode(),
        _seen(record),
        reason.next_step,
    )


def _seen(record: Record) -> str:
    """Return what was seen and at which backend, if it came that far."""
    backend = record.attempts[-1].backend if record.attempts else ""
    if backend in record.detail:
        return record.detail or "-"
    return f"{backend}: {record.detail}" if record.detail else backend
