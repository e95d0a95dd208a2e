"""What a backend is, how it was configured, and how it is doing."""

from dataclasses import dataclass, field
from math import ceil, inf
from random import Random
from typing import Protocol

from proxy.settings import Address, BackendSettings, HealthSettings, RetrySettings
from proxy.share import Share
from proxy.tally import BackendTally
from proxy.upstream.backlog import Depth
from proxy.upstream.gate import Gate
from proxy.upstream.health import Health, Outcome
from proxy.upstream.idle import IdleChannels

DEATH_S = 0.2
"""How far apart the requests that die with one worker, or one instance, come to their end."""

QUIET_S = 5.0
"""Without a death, after which the next one is an event of its own."""


def _health_by_default() -> Health:
    return Health(BackendSettings(Address()), HealthSettings(), RetrySettings().try_duration_s)


@dataclass(slots=True, eq=False)
class Backend:
    """One uwsgi address with its live counters; `pool` changes them.

    `weight`, `max_conns`, `draining` and `down` are what is in force now, whatever was configured.
    `source` says where it comes from; `leaving` that it is gone with its last lease.
    `share` is this process's part of its limits; None for all of them.
    `replied` turns true with its first reply; until then `speaks_http` may be found out, once.
    """

    address: Address
    name: str
    settings: BackendSettings = field(default_factory=lambda: BackendSettings(Address()))
    health: Health = field(default_factory=_health_by_default)
    gate: Gate = field(default_factory=lambda: Gate(Random()))
    source: str = "configured"
    share: Share | None = None
    tally: BackendTally = field(default_factory=BackendTally)
    weight: int = field(init=False)
    max_conns: int = field(init=False)
    down: bool = field(init=False)
    puwsgi: bool = field(init=False)
    """Whether its connections hold a core of uWSGI each, and take no bodies."""
    draining: bool = False
    leaving: bool = False
    troubled: bool = True
    """Whether its health or its gate has to be asked; mostly there is nothing to ask."""
    _puwsgi_conns: int = field(init=False)
    learned_conns: int = 0
    """Requests at a time, by the backend's own account; 0 while that is not known."""
    in_flight: int = 0
    attempts: int = 0
    failures: int = 0
    current_weight: float = 0.0
    effective_weight: int = field(init=False)
    ramp: float = 1.0
    header_ms: float = 0.0
    last_byte_ms: float = 0.0
    timed_at: float = 0.0
    backlog: Depth | None = None
    """Its listen queue in the kernel; None while that is not known."""
    foreign: int = 0
    """Requests there that are not ours, as the listen queue told when it was last looked at."""
    idle: IdleChannels = field(init=False)
    died_at: float = -inf
    """When the last event began in which workers died; see `note_death`."""
    replied: bool = False
    speaks_http: bool | None = None

    def __post_init__(self) -> None:
        self.idle = IdleChannels(0)
        self._take(self.settings)

    def adopt(self, settings: BackendSettings) -> None:
        """Take new settings for the same address; what is known of its health stays."""
        self.settings = settings
        self.health.adopt(settings)
        self.leaving = False
        self._take(settings)
        self.idle.shrink(self.idle.limit if self.serves else 0)

    def _take(self, settings: BackendSettings) -> None:
        self.weight = self.effective_weight = settings.weight
        self.max_conns = settings.max_conns
        self.down, self.puwsgi = settings.down, settings.puwsgi
        self.idle.limit = self.part(settings.keepalive)
        self._puwsgi_conns = settings.keepalive if settings.puwsgi else 0

    def note_death(self, now: float) -> bool:
        """Take note that a request has ended without a word; whether it belongs to one event.

        That is what ends within `DEATH_S` of the first such request for `QUIET_S`.
        """
        if now - self.died_at > QUIET_S:
            self.died_at = now
        return now - self.died_at <= DEATH_S

    def note_backlog(self, depth: Depth | None) -> None:
        """Take note of the listen queue. While something waits in it, all workers are busy."""
        self.backlog = depth
        waiting = 0 if depth is None else depth.pending
        workers = (self.max_conns or self.learned_conns) if waiting else 0
        self.foreign = max(0, waiting + workers - self.in_flight)

    def part(self, whole: int) -> int:
        """Return this process's part of a limit."""
        return whole if self.share is None else self.share.part(whole, self.name)

    @property
    def cap(self) -> int:
        """How many requests it may have from here, slow start included; 0 for no limit.

        A connection to a puwsgi socket holds a core of uWSGI as long as it is open, so there can be
        no more requests than connections that are kept.
        """
        cap = self.max_conns or self.learned_conns or self._puwsgi_conns
        if self.share is not None:
            cap = self.share.part(cap, self.name)
        return cap if self.ramp == 1 or not cap else ceil(cap * self.ramp)

    def has_room(self, now: float) -> bool:
        """Whether it takes one request more."""
        cap = self.cap
        return (not cap or self.in_flight < cap) and self.gate.admits(self.in_flight, now)

    @property
    def serves(self) -> bool:
        """Whether it is meant to get requests from anybody, however it is doing."""
        return not (self.down or self.draining or self.leaving)


class Lender(Protocol):
    """Where leases come from, and go back to."""

    def give_back(self, backend: Backend, outcome: Outcome, status: int) -> None:
        """Take back one use of a backend, which ended so; `status` is that of the reply, or 0."""


class Lease:
    """Permission to use one backend once. Must be released, with how it ended."""

    __slots__ = ("_lender", "_open", "backend")

    def __init__(self, backend: Backend, lender: Lender) -> None:
        self.backend = backend
        self._lender = lender
        self._open = True
        backend.in_flight += 1
        backend.attempts += 1

    def release(self, outcome: Outcome, status: int = 0) -> None:
        """Give the backend back. A second call does nothing."""
        if self._open:
            self._open = False
            self._lender.give_back(self.backend, outcome, status)
