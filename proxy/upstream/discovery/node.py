"""The values that the subscription server deals in: nodes, events, and what it asks of others."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

from protocol.subscription import Announcement
from proxy.settings import Address, BackendSettings
from proxy.upstream.backend import Backend
from proxy.upstream.discovery.admission import Sender


class Members(Protocol):
    """What is done to a pool; see `proxy.upstream.pool`."""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All, those that are leaving included."""

    def add(self, settings: BackendSettings, address: Address, source: str) -> Backend:
        """Let a backend have requests; one that is leaving may come back instead."""

    def remove(self, backend: Backend) -> None:
        """Drain it; it is gone when its last request has finished."""

    def drain(self, backend: Backend) -> None:
        """Give it no new requests."""

    def enable(self, backend: Backend) -> None:
        """Give it requests again."""

    def learn(self, backend: Backend, conns: int) -> None:
        """Take note of how many requests it works on at a time."""

    def set_weight(self, backend: Backend, weight: int) -> None:
        """Change its share."""


P = TypeVar("P", bound=Members)


class Verifier(Protocol):
    """See `proxy.upstream.discovery.signature`."""

    def verify(
        self, key: str, address: Address, announcement: Announcement, unix_now: float
    ) -> None:
        """Accept a genuine announcement once.

        Raises:
            Refused
        """


class Stage(Enum):
    """How far a node has come."""

    ANNOUNCED = auto()
    SERVING = auto()
    DOUBTED = auto()


@dataclass(slots=True, eq=False)
class Node(Generic[P]):
    """One instance under one key."""

    key: str
    address: Address
    said: Announcement
    """Its last announcement."""
    sender: Sender
    """Who announced it first."""
    seen_at: float
    stage: Stage = Stage.ANNOUNCED
    proving: bool = False
    """Whether a proof is under way."""
    doubt_until: float = 0.0
    home: tuple[P, Backend] | None = None
    """Its pool and its backend there, from its first proof on."""

    @property
    def weight(self) -> int:
        """Its share: 0 is what uWSGI sends when none is configured."""
        return self.said.weight or 1

    def __str__(self) -> str:
        return f"{self.key}: {self.address}"


@dataclass(frozen=True, slots=True)
class Ack:
    """A datagram to send."""

    text: bytes
    to: Address


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was counted. `text` is for the log, and empty for what happens all the time;
    `is_refusal` says whether somebody should look into it."""

    name: str
    text: str = ""
    is_refusal: bool = False
    ack: Ack | None = None
