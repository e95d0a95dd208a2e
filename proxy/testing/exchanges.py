"""What a front end did, as values that a test can look at: one `Exchange` for each request.

`Exchanges` is a sink: a front end in another thread fills it while a test waits for the next.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import overload

from protocol.uwsgi import HEADER_BYTES, decode_vars
from proxy.record import AttemptRecord, Record

WAIT_S = 10.0
"""How long `wait` waits unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one backend; times are seconds from its start, None for what did not happen."""

    backend: str
    variables: dict[str, str]
    """What was sent, in wire order; empty if nothing was."""
    status: int | None
    reason: str
    """Why it failed, in one word; empty if it did not."""
    connect_s: float | None
    first_byte_s: float | None
    total_s: float | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One finished request."""

    line: str
    """The request line."""
    status: int
    """What the client got; 499 or 408 when it got nothing."""
    reason: str
    """Why it failed, one word of the closed list (docs/reasons.md); empty if it did not."""
    detail: str
    next_step: str
    """What an operator would do about it."""
    attempts: tuple[Attempt, ...]
    waited_s: float
    """In line for a worker."""
    total_s: float
    request_bytes: int
    sent_bytes: int

    @classmethod
    def of(cls, record: Record) -> "Exchange":
        """Return what a record says."""
        line = record.line if record.request is None else record.request.line
        reason = record.reason
        return cls(
            line=line.decode("latin-1"),
            status=record.status,
            reason=reason.word if reason else "",
            detail=record.detail,
            next_step=reason.next_step if reason else "",
            attempts=tuple(_attempt(one) for one in record.attempts),
            waited_s=record.waited_s,
            total_s=record.seconds,
            request_bytes=record.request_bytes,
            sent_bytes=record.sent_bytes,
        )

    @property
    def method(self) -> str:
        """The first word of the request line."""
        return self.line.partition(" ")[0]

    @property
    def target(self) -> str:
        """The second word of the request line."""
        return self.line.partition(" ")[2].partition(" ")[0]

    @property
    def backend(self) -> str:
        """Where it was tried last; empty for nowhere."""
        return self.attempts[-1].backend if self.attempts else ""

    @property
    def variables(self) -> dict[str, str]:
        """What the application was told, at the last attempt."""
        return self.attempts[-1].variables if self.attempts else {}

    def __str__(self) -> str:
        """Return one line for people."""
        ways = [f"{one.backend}{f' ({one.reason})' if one.reason else ''}" for one in self.attempts]
        text = f"{self.status} {self.line!r} in {self.total_s:.3f} s"
        text += f", tried {', then '.join(ways)}" if ways else ", no backend tried"
        return f"{text}: {self.reason}: {self.detail}" if self.reason else text


class Exchanges(Sequence[Exchange]):
    """The finished exchanges so far, in the order in which they ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[Exchange] = []
        self._paused = False

    def __call__(self, record: Record) -> None:
        """Take one: a front end calls this."""
        if self._paused:
            return
        exchange = Exchange.of(record)
        with self._changed:
            self._all.append(exchange)
            self._changed.notify_all()

    def wait(self, count: int, timeout_s: float = WAIT_S) -> list[Exchange]:
        """Wait until `count` have finished and return all there are.

        A client may have its response a moment before the exchange is over.

        Raises:
            AssertionError: there were fewer; the text has those there were.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._all) >= count, timeout_s):
                raise AssertionError(
                    f"{len(self._all)} of {count} exchanges finished in {timeout_s:g} s\n{self}"
                )
            return list(self._all)

    def clear(self) -> None:
        """Forget all there are."""
        with self._changed:
            self._all.clear()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take none within a block: for loads of which nobody will look at single requests."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    @property
    def failed(self) -> list[Exchange]:
        """Those that have a reason."""
        return [one for one in self if one.reason]

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        with self._changed:
            return self._all[index]

    def __len__(self) -> int:
        with self._changed:
            return len(self._all)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self[:])

    def __str__(self) -> str:
        """Return one line for each."""
        return "\n".join(f"{number}: {one}" for number, one in enumerate(self)) or "none"


def _attempt(record: AttemptRecord) -> Attempt:
    pairs = decode_vars(record.packet[HEADER_BYTES:]) if record.packet else []

    def since(moment: float | None) -> float | None:
        return None if moment is None else moment - record.started

    return Attempt(
        record.backend,
        {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs},
        record.status,
        record.reason.word if record.reason else "",
        since(record.connected),
        since(record.first_byte),
        since(record.ended),
    )
