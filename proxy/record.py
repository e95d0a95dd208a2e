"""The facts of one exchange, for whoever wants to know afterwards.

The exchange fills the record as it goes and publishes it once, at the end, to the sinks: access
log, metrics, and what later comes. A sink must not wait and must not raise. Times are seconds of
the monotonic clock.

One of each is made for every request, and what `dataclass` would generate stays interpreted in the
compiled build: so they say themselves how they begin.
"""

from collections.abc import Callable, Iterable
from logging import getLogger
from typing import Final

from protocol.identity import Identity
from protocol.messages import ConnectionFacts, ReplyHead, Request
from proxy.errors import Reason
from proxy.tally import BackendTally, UpstreamTally

_NO_FACTS: Final = ConnectionFacts()

log = getLogger("proxy")


class AttemptRecord:
    """One try at one backend. `connected`, `first_byte` and `ended` are None until they happen."""

    __slots__ = (
        "backend",
        "bytes_received",
        "bytes_sent",
        "connected",
        "ended",
        "first_byte",
        "packet",
        "reason",
        "retried",
        "started",
        "status",
        "tally",
    )

    def __init__(self, backend: str, started: float, tally: BackendTally | None = None) -> None:
        self.backend = backend
        self.started = started
        self.connected: float | None = None
        self.first_byte: float | None = None
        self.ended: float | None = None
        self.status: int | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.reason: Reason | None = None
        self.retried = False
        """Whether the request may go to a backend again because of how this has ended."""
        self.tally = BackendTally() if tally is None else tally
        """Where it is counted."""
        self.packet = b""
        """What was sent, without the request's body; empty until then."""


class Record:
    """One exchange: a request, or what was meant to be one, and what became of it.

    `request` is None when the head could not be parsed; `line` is then what there was of it.
    `status` is what the client got, or by nginx's custom 408, 499 or 0 when it got nothing.
    `sent_bytes` is everything written to the client, `head_bytes` the part that was heads.
    """

    __slots__ = (
        "attempts",
        "body_bytes",
        "connection",
        "connection_requests",
        "detail",
        "ended",
        "facts",
        "head_bytes",
        "identity",
        "line",
        "pipelined",
        "reason",
        "remote_addr",
        "reply",
        "request",
        "request_bytes",
        "sent_bytes",
        "started",
        "status",
        "waited_at",
        "waited_s",
    )

    def __init__(self, remote_addr: bytes, started: float) -> None:
        self.remote_addr = remote_addr
        self.started = started
        self.request: Request | None = None
        self.line = b""
        self.status = 0
        self.sent_bytes = 0
        self.head_bytes = 0
        self.request_bytes = 0
        self.body_bytes = 0
        self.reason: Reason | None = None
        self.detail = ""
        self.waited_s = 0.0
        """In line for a backend."""
        self.waited_at: UpstreamTally | None = None
        """Where that is counted."""
        self.attempts: list[AttemptRecord] = []
        self.ended = 0.0
        self.facts = _NO_FACTS
        self.connection = 0
        """The serial number of the client's connection."""
        self.connection_requests = 0
        """How many requests there have been on it, with this one."""
        self.pipelined = False
        self.identity: Identity | None = None
        """What the request is called; None when that is not asked for, or it has no head."""
        self.reply: ReplyHead | None = None
        """What the response was made of; None for an answer of our own."""

    @property
    def seconds(self) -> float:
        """How long it took, from the first byte of the request to the last of the response."""
        return self.ended - self.started


Sink = Callable[[Record], None]
"""Called once for each finished exchange."""


class Sinks:
    """Everybody who is told of finished exchanges; itself a sink, by `publish`."""

    def __init__(self, sinks: Iterable[Sink] = ()) -> None:
        self._sinks = list(sinks)

    def add(self, sink: Sink) -> None:
        """Tell one more."""
        self._sinks.append(sink)

    def publish(self, record: Record) -> None:
        """Tell all of them."""
        for sink in self._sinks:
            try:
                sink(record)
            except Exception:  # one of the program around us: the others have to hear of it
                log.exception("internal_error: a sink has failed: %r", sink)
