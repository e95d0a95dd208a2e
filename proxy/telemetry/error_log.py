"""The error log: one line for each exchange that failed, with its reason and the next step.

    WORD STATUS "METHOD /path" from CLIENT: BACKEND: what was seen; next: what to do

When many fail alike, the first of them are written, and then how many there were:

    WORD BACKEND: 1,234 more like this in the last 10 s
"""

from logging import INFO, WARNING, getLogger
from math import inf

from proxy.errors import Blame, Reason
from proxy.record import Record
from proxy.telemetry.escape import escape
from proxy.telemetry.repeats import WINDOW_S, Repeats

MAX_REQUEST_LINE = 200
"""How much of a request line is quoted, in bytes."""

log = getLogger("proxy.exchange")


class ErrorLog:
    """A sink. Of failures with the same reason at the same backend `burst` in a window are told."""

    def __init__(self, burst: int) -> None:
        self._repeats: Repeats[tuple[Reason, str]] = Repeats(burst)

    def __call__(self, record: Record) -> None:
        """Write a line if the exchange has failed, and not too many have failed alike."""
        reason = record.reason
        if reason is None:
            return
        level = _level(reason)
        if log.isEnabledFor(level) and self._repeats.admit(
            (reason, _backend(record)), record.ended
        ):
            _write(record, reason, level)

    def tick(self, now: float) -> None:
        """Tell what was held back; to be called a few times a second."""
        for kind, count in self._repeats.due(now):
            reason, backend = kind or (None, "")
            log.log(
                _level(reason),
                "%s: %s more like this in the last %d s",
                f"{reason.word} {backend}".rstrip() if reason is not None else "other failures",
                f"{count:,}",
                WINDOW_S,
            )

    def close(self) -> None:
        """Tell what is left."""
        self.tick(inf)


def _level(reason: Reason | None) -> int:
    """Clients' own faults are only information."""
    return INFO if reason is not None and reason.blame is Blame.CLIENT else WARNING


def _backend(record: Record) -> str:
    return record.attempts[-1].backend if record.attempts else ""


def _write(record: Record, reason: Reason, level: int) -> None:
    line = record.request.line if record.request is not None else record.line
    log.log(
        level,
        '%s %03d "%s" from %s: %s; next: %s',
        reason.word,
        record.status,
        escape(line[:MAX_REQUEST_LINE]),
        _client(record),
        _seen(record),
        reason.next_step,
    )


def _client(record: Record) -> str:
    """Return who asked, and what the request is called if it has a name."""
    address, identity = record.remote_addr.decode(), record.identity
    if identity is None:
        return address
    trace = identity.trace
    names = (identity.request_id, b"" if trace is None else b"trace " + trace.trace_id)
    return " ".join([address, *(escape(name) for name in names if name)])


def _seen(record: Record) -> str:
    """Return what was seen and at which backend, if it came that far."""
    backend = _backend(record)
    if backend in record.detail:
        return record.detail or "-"
    return f"{backend}: {record.detail}" if record.detail else backend
