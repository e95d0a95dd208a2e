"""The facts of one exchange, for whoever wants to know afterwards.

The exchange fills the record as it goes and publishes it once, at the end, to the sinks: access
log, metrics, and what later comes. A sink must not wait and must not raise. Times are seconds of
the monotonic clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.identity import Identity
from protocol.messages import ConnectionFacts, ReplyHead, Request
from proxy.errors import Reason
from proxy.tally import BackendTally, UpstreamTally

_NO_FACTS = ConnectionFacts()


@dataclass(slots=True, eq=False)
class AttemptRecord:
    """One try at one backend. `connected`, `first_byte` and `ended` are None until they happen."""

    backend: str
    started: float
    connected: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    status: int | None = None
    bytes_received: int = 0
    bytes_sent: int = 0
    reason: Reason | None = None
    retried: bool = False
    """Whether the request may go to a backend again because of how this has ended."""
    tally: BackendTally = field(default_factory=BackendTally)
    """Where it is counted."""
    packet: bytes = b""
    """What was sent, without the request's body; empty until then."""


@dataclass(slots=True, eq=False)
class Record:
    """One exchange: a request, or what was meant to be one, and what became of it.

    `request` is None when the head could not be parsed; `line` is then what there was of it.
    `status` is what the client got, or by nginx's custom 408, 499 or 0 when it got nothing.
    `sent_bytes` is everything written to the client, `head_bytes` the part that was heads.
    """

    remote_addr: bytes
    started: float
    request: Request | None = None
    line: bytes = b""
    status: int = 0
    sent_bytes: int = 0
    head_bytes: int = 0
    request_bytes: int = 0
    body_bytes: int = 0
    reason: Reason | None = None
    detail: str = ""
    waited_s: float = 0.0
    """In line for a backend."""
    waited_at: UpstreamTally | None = None
    """Where that is counted."""
    attempts: list[AttemptRecord] = field(default_factory=list)
    ended: float = 0.0
    facts: ConnectionFacts = _NO_FACTS
    connection: int = 0
    """The serial number of the client's connection."""
    connection_requests: int = 0
    """How many requests there have been on it, with this one."""
    pipelined: bool = False
    identity: Identity | None = None
    """What the request is called; None when that is not asked for, or it has no head."""
    reply: ReplyHead | None = None
    """What the response was made of; None for an answer of our own."""

    @property
    def seconds(self) -> float:
        """How long it took, from the first byte of the request to the last of the response."""
        return self.ended - self.started


Sink = Callable[[Record], None]
"""Called once for each finished exchange."""
