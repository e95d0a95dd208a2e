"""The last exchanges that failed, for people: what, where, why, and what to do next.

A sink of records that keeps a bounded number. An attempt that failed and was made good by another
one is kept as well: its client noticed nothing, but its backend wants to be looked at.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from proxy.errors import ALL, Blame
from proxy.record import AttemptRecord, Record

MAX_KEPT = 50
"""Failures, the latest."""

MAX_OF_CLIENTS = 10
"""How many of them may be faults of clients: a scanner must not hide what backends do."""

MAX_RETRIED = 15
"""How many of them may be attempts that another one made good."""

MAX_LINE_CHARS = 200
"""Of a request line that is shown."""

MAX_DETAIL_CHARS = 300
"""Of what was seen."""


def printable(text: bytes, limit: int = MAX_LINE_CHARS) -> str:
    """Return what a client sent, on one line: quotes, control and 8-bit bytes as \\xHH."""
    shown = text[: limit + 1]
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02X}" for byte in shown
    )
    return escaped[:limit] + "…" if len(text) > limit else escaped


class Failures:
    """See the module. `ahead_s` is what to add to monotonic time to get Unix time."""

    def __init__(self, ahead_s: Callable[[], float]) -> None:
        self._ahead_s = ahead_s
        self._kept: deque[dict[str, Any]] = deque(maxlen=MAX_KEPT - MAX_OF_CLIENTS - MAX_RETRIED)
        self._of_clients: deque[dict[str, Any]] = deque(maxlen=MAX_OF_CLIENTS)
        self._retried: deque[dict[str, Any]] = deque(maxlen=MAX_RETRIED)

    def __call__(self, record: Record) -> None:
        """Take note of one exchange, if anything has failed in it."""
        if record.reason is None and len(record.attempts) < 2:
            return
        for row in _rows(record, self._ahead_s()):
            if row["retried"]:
                self._retried.append(row)
            elif row["blame"] == Blame.CLIENT.value:
                self._of_clients.append(row)
            else:
                self._kept.append(row)

    @property
    def latest(self) -> list[dict[str, Any]]:
        """What is kept, the latest first."""
        return latest_of(map(list, (self._kept, self._of_clients, self._retried)))


def _rows(record: Record, ahead_s: float) -> Iterable[dict[str, Any]]:
    rescued = [one for one in record.attempts if one.reason is not None]
    if record.reason is not None:
        last = record.attempts[-1] if record.attempts else None
        # The last attempt is why the whole has failed: told once.
        rescued = [one for one in rescued if one is not last]
    for attempt in rescued:
        yield _row(record, attempt, ahead_s)
    if record.reason is not None:
        yield _row(record, None, ahead_s)


def _row(record: Record, rescued: AttemptRecord | None, ahead_s: float) -> dict[str, Any]:
    """Return what is to be shown of an exchange, or of one attempt that another one made good."""
    reason = record.reason if rescued is None else rescued.reason
    assert reason is not None
    ended = record.ended if rescued is None or rescued.ended is None else rescued.ended
    last = record.attempts[-1].backend if record.attempts else ""
    line = record.request.line if record.request is not None else record.line
    return {
        "time": round(ended + ahead_s, 3),
        "reason": reason.word,
        "blame": reason.blame.value,
        "status": record.status,
        "backend": last if rescued is None else rescued.backend,
        "request": printable(line),
        "client": record.remote_addr.decode("latin-1"),
        "seconds": round(ended - record.started, 3),
        "detail": record.detail[:MAX_DETAIL_CHARS] if rescued is None else "",
        "next_step": reason.next_step,
        "retried": rescued is not None,
    }


def latest_of(several: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the latest of the failures of several processes."""
    rows = [row for rows in several for row in rows]
    return sorted(rows, key=lambda row: -row["time"])[:MAX_KEPT]


def next_step_of(word: str) -> str:
    """Return what to do about a reason; empty for a word that is none."""
    return ALL[word].next_step if word in ALL else ""
