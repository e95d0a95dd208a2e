"""The backends of one upstream: which is next, who waits for one, and how they are doing.

    pick ──lease──► give_back ──► health, gate ──► the next in line has its turn

Decides only, and connects nothing; who belongs to it is `Roster`'s. The loop's part is played by a
`Timing`: who is next in line and cannot `start` at once is woken by `call_soon`, and while somebody
waits `call_later` looks again at what time changes by itself. After every event nobody is left
waiting whom a backend could serve; so a newcomer that finds a free slot overtakes nobody.
"""

import logging
from collections.abc import Callable, Hashable
from enum import Enum, auto

from proxy.settings import UpstreamSettings
from proxy.share import Share
from proxy.upstream import sticky
from proxy.upstream.backend import Backend, Lease
from proxy.upstream.balance import make_balance
from proxy.upstream.balance.query import Query
from proxy.upstream.health import Outcome, State
from proxy.upstream.line import Line, Waiter
from proxy.upstream.outlier import Outliers, is_good, panicking
from proxy.upstream.roster import Roster
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import ANYTHING, Wanted

LOOK_S = 0.1
"""How often a line looks again for what no event tells: pauses and trials that are over."""

MIN_LOOK_S = 0.002
"""Not more often than this."""

_NOBODY = (State.DOWN, State.ABSENT)

log = logging.getLogger("proxy.upstream")


class Outlook(Enum):
    """What a request that finds no backend can hope for."""

    ROOM = auto()
    """A backend would do, but has no room now."""
    RETURN = auto()
    """Backends are absent, and not for long yet: they may be restarting."""
    NOTHING = auto()
    """None is left that could be tried."""


class Pool(Roster):
    """See the module."""

    def __init__(
        self, settings: UpstreamSettings, timing: Timing, share: Share | None = None
    ) -> None:
        """Begin without backends; `share` is this process's part of their limits."""
        super().__init__(settings, timing, share)
        self.name = settings.name
        self.line = Line(settings.queue.max_waiting)
        self.on_trouble: Callable[[Backend], None] = _ignore
        """Called when a request has failed at a backend: checks may want to look sooner."""
        self._balance = make_balance(settings.balance, timing.random)
        self._outliers = Outliers(settings.health)
        self._panic_percent = settings.health.panic_percent
        self._tiers: tuple[tuple[Backend, ...], ...] = ()
        self._only: Backend | None = None
        self._bound: frozenset[str] = frozenset()
        """Cookies that lead to backends that drain: who has one may find a place that others do
        not."""
        self._is_looking = False
        self._is_over = False
        self._is_serving = False
        self._is_news = False
        """Whether something has changed for those in line while they were served."""
        self._emptied_at: float | None = timing.now()
        """Since when no backend is meant to serve; None while one is."""

    def __repr__(self) -> str:
        states = ", ".join(f"{b.name} {b.in_flight} in flight" for b in self.backends)
        return f"<Pool {self.name}: {states}>"

    @property
    def in_flight(self) -> int:
        """Requests that run at backends now."""
        return sum(backend.in_flight for backend in self.backends)

    def _regroup(self) -> None:
        members = [one for one in self.backends if not one.leaving]
        for backend in members:
            backend.health.alone = len(members) == 1
        primaries = tuple(one for one in members if not one.settings.backup)
        backups = tuple(one for one in members if one.settings.backup)
        self._tiers = tuple(tier for tier in (primaries, backups) if tier)
        draining = [one for one in members if one.draining and not one.down]
        is_sticky = bool(self.settings.balance.sticky.name)
        self._bound = frozenset(sticky.value_of(one) for one in draining if is_sticky)
        if any(one.serves for one in members):
            self._emptied_at = None
        elif self._emptied_at is None:
            self._emptied_at = self._timing.now()
        is_plain = len(members) == 1 and members[0].serves and not self._outliers.is_on
        self._only = members[0] if is_plain else None
        self._serve(self._timing.now())

    # -- which is next --------------------------------------------------------------------------

    def pick(self, wanted: Wanted) -> Lease | None:
        """Return a lease of the next backend; None when there is none to be had now."""
        only = self._only
        if only is not None and not (only.troubled or wanted.is_picky):
            cap = only.cap  # nothing else can be in the way
            if cap and only.in_flight >= cap:
                return None
            if not self.line.waiters:
                return Lease(only, self)
        elif self._is_full and wanted.cookie not in self._bound:
            return None
        now = self._timing.now()
        if self.line.waiters:
            self._serve(now)
        return self._pick(wanted, now)

    @property
    def _is_full(self) -> bool:
        """Whether all are well, and have as many requests as they take: for none is there room."""
        for backend in self.backends:
            cap = backend.cap
            if backend.troubled or not cap or (backend.in_flight < cap and backend.serves):
                return False
        return True

    @property
    def _is_troubled(self) -> bool:
        """Whether anybody's health has to be asked."""
        return any(backend.troubled for backend in self.backends)

    def _pick(self, wanted: Wanted, now: float) -> Lease | None:
        panic = self._panic_percent > 1 and self._panics(now, wanted)
        backend = self._choose(wanted, now, panic)
        if backend is None and not panic and self._is_troubled and self._panics(now, wanted):
            backend = self._choose(wanted, now, True)
        if backend is None:
            return None
        backend.health.selected(now)
        return Lease(backend, self)

    def _choose(self, wanted: Wanted, now: float, panic: bool) -> Backend | None:
        """Return the next backend: a backup only if no other will do (rule 6.18)."""
        query = wanted.query or Query(now)
        query.now = now
        if query.cookie and (bound := self._find_bound(query.cookie, wanted, now, panic)):
            return bound
        for tier in self._tiers:
            usable = [one for one in tier if one.serves and self._may(one, wanted, now, panic)]
            if usable:
                return self._balance.choose(tier, usable, query)
        return None

    def _find_bound(self, cookie: str, wanted: Wanted, now: float, panic: bool) -> Backend | None:
        """Return the backend that a cookie leads to; one that drains still serves its own."""
        bound = sticky.find([one for tier in self._tiers for one in tier], cookie)
        if bound is None or bound.down or not self._may(bound, wanted, now, panic):
            return None
        return bound

    def _is_bound(self, wanted: Wanted, backend: Backend) -> bool:
        """Whether a backend that drains still serves a request, because its cookie leads there."""
        cookie = wanted.cookie
        is_out = backend.down or backend.leaving
        return cookie != "" and not is_out and cookie == sticky.value_of(backend)

    def _may(self, backend: Backend, wanted: Wanted, now: float, panic: bool) -> bool:
        """Whether a request may go to a backend now."""
        if backend.troubled:
            health = backend.health
            backend.ramp = health.ramp(now)
            if not (health.usable(now) or (panic and not self.is_held(backend))):
                return False
        return self._takes(wanted, backend) and backend.has_room(now)

    def _takes(self, wanted: Wanted, backend: Backend) -> bool:
        """Whether a backend would do, however it is doing. An absent one returns as a new one."""
        if wanted.has_tried(backend) and not self.is_held(backend):
            return False
        return wanted.suits(backend)

    def _panics(self, now: float, wanted: Wanted = ANYTHING) -> bool:
        """Whether so few of those that could serve it are healthy that health is ignored."""
        serving = [one for one in self.backends if one.serves and wanted.suits(one)]
        usable = sum(one.health.usable(now) for one in serving)
        return panicking(usable, len(serving), self._panic_percent)

    @property
    def is_panicking(self) -> bool:
        """Whether requests go to backends that are unwell, for want of others."""
        return self._is_troubled and self._panics(self._timing.now())

    def has_other(self, backend: Backend, wanted: Wanted) -> bool:
        """Whether there is another backend that could serve a request, and somebody is there."""
        now = self._timing.now()
        others = (one for one in self.backends if one is not backend and one.serves)
        return any(wanted.suits(one) and one.health.state(now) not in _NOBODY for one in others)

    def is_held(self, backend: Backend) -> bool:
        """Whether a backend's absence is so young that requests wait for its end."""
        return self._is_young(backend.health.absent_since, self._timing.now())

    def _is_young(self, since: float | None, now: float) -> bool:
        return since is not None and now - since < self._hold_s

    # -- who waits ------------------------------------------------------------------------------

    def outlook(self, wanted: Wanted) -> Outlook:
        """Say what a request can hope for that `pick` had nothing for."""
        only = self._only
        if only is not None and not (only.troubled or wanted.is_picky):
            return Outlook.ROOM
        return self._outlook(wanted, self._timing.now())

    def _outlook(self, wanted: Wanted, now: float) -> Outlook:
        panic = self._is_troubled and self._panics(now, wanted)
        outlook = Outlook.NOTHING
        for backend in self.backends:
            if not (backend.serves or self._is_bound(wanted, backend)):
                continue
            if not self._takes(wanted, backend):
                continue
            if self.is_held(backend):
                outlook = Outlook.RETURN
            elif panic or not backend.troubled or backend.health.usable(now):
                return Outlook.ROOM
        return Outlook.RETURN if self._is_young(self._emptied_at, now) else outlook

    def wait(self, waiter: Waiter) -> bool:
        """Join the line; False when it is full of those that are served before this one."""
        displaced = self.line.make_room(waiter)
        if displaced is not None:
            self._give_turn(displaced)
        if not self.line.join(waiter):
            return False
        if not self._is_looking:
            self._look_later(self._timing.now())
        return True

    def end_line(self) -> None:
        """Give nobody in line a turn any more: what frees places now is that all are cut."""
        self._is_over = True

    def leave(self, waiter: Waiter) -> None:
        """Leave the line; a lease that has just been granted goes to the next."""
        self.line.leave(waiter)
        if waiter.lease is not None:
            waiter.lease.release(Outcome.NEUTRAL)

    def _serve(self, now: float) -> None:
        """Give whoever can be served a turn, in order.

        Whoever starts may fail, which is news for the others: they are looked at once more, by the
        same call, so that a thousand failures are a loop and not a thousand calls deep.
        """
        if self._is_serving or self._is_over:
            self._is_news = True
            return
        self._is_serving = True
        try:
            self._serve_line(now)
            while self._is_news:
                self._is_news = False
                self._serve_line(now)
        finally:
            self._is_serving = False
        if self.line.waiters and not self._is_looking:
            self._look_later(now)

    def _serve_line(self, now: float) -> None:
        line, only = self.line, self._only
        while line.waiters:
            first = line.waiters[0]
            if only is None or only.troubled or first.wanted.is_picky:
                first.lease = self._pick(first.wanted, now)
            elif not (cap := only.cap) or only.in_flight < cap:  # nothing else can be in the way
                first.lease = Lease(only, self)
            if first.lease is None:
                self._serve_others(now)
                return
            self._give_turn(first)
            if self._is_full and not self._bound:
                return  # and nobody's hopes have changed

    def _serve_others(self, now: float) -> None:
        """Look at everybody: where the first one finds nothing, others may, or have to give up."""
        stuck: set[Hashable] = set()  # where one finds nothing, none of its kind does
        bound = self._bound
        for waiter in self.line:
            kind, cookie = waiter.kind, waiter.wanted.cookie if bound else ""
            if cookie in bound:
                kind = kind, cookie
            if kind in stuck:
                continue
            waiter.lease = self._pick(waiter.wanted, now)
            waiter.hopeless = (
                waiter.lease is None and self._outlook(waiter.wanted, now) is Outlook.NOTHING
            )
            if not waiter.answered:
                stuck.add(kind)
                if len(stuck) == self.line.kinds and not bound:
                    return
                continue
            self._give_turn(waiter)
            if waiter.lease is not None and self._is_full and not bound:
                return

    def _give_turn(self, waiter: Waiter) -> None:
        self.line.leave(waiter)
        if not waiter.start():
            self._timing.call_soon(waiter.wake)

    def _look_later(self, now: float) -> None:
        """Look again at what only time changes; once at a time, while somebody waits."""
        self._is_looking = True
        self._timing.call_later(max(MIN_LOOK_S, self._next_chance(now) - now), self._look)

    def _look(self) -> None:
        self._is_looking = False
        if self.line:
            self._serve(self._timing.now())

    def _next_chance(self, now: float) -> float:
        """When time alone may help somebody who waits."""
        soonest = now + LOOK_S
        for backend in self.backends:
            if backend.troubled:
                # What time has allowed already waits for something else: for a lease that ends.
                for when in (backend.gate.retry_at, backend.health.usable_at(now)):
                    soonest = min(soonest, when) if when > now else soonest
        return soonest

    # -- how they are doing ---------------------------------------------------------------------

    def give_back(self, backend: Backend, outcome: Outcome, status: int) -> None:
        """Take back a lease; see `Lender`."""
        backend.in_flight -= 1
        if outcome is not Outcome.GOOD or backend.troubled or self._outliers.is_on:
            self._judge(backend, outcome, status)
        if backend.leaving and not backend.in_flight:
            self._drop(backend)
        if self.line.waiters:
            self._serve(self._timing.now())

    def _judge(self, backend: Backend, outcome: Outcome, status: int) -> None:
        now, health = self._timing.now(), backend.health
        backend.troubled = True
        if outcome is Outcome.BUSY:
            backend.tally.full += 1
            backend.gate.narrow(backend.in_flight, now)
        elif outcome in (Outcome.BAD, Outcome.ABSENT):
            backend.failures += 1
        if health.observe(outcome, now):
            penalty = health.penalty(backend.weight)
            backend.effective_weight = max(0, backend.effective_weight - penalty)
        if self._outliers.is_on:
            self._outliers.observe(backend, is_good(outcome, status), now, self.backends)
        self._tell(backend, now)
        if outcome is Outcome.BAD:
            self.on_trouble(backend)

    def note_presence(self, backend: Backend) -> None:
        """A connection was accepted: an absence is over, whatever becomes of the request.

        Others need not wait for the reply, which may take its time.
        """
        if backend.health.absent_since is not None:
            now = self._timing.now()
            backend.health.observe(Outcome.BUSY, now)
            self._tell(backend, now)
            self._serve(now)

    def checked(self, backend: Backend, up: bool) -> None:
        """Active checks have come to another verdict about a backend."""
        now = self._timing.now()
        backend.troubled = True
        backend.health.checked(up, now, is_new=not backend.attempts)
        self._tell(backend, now)
        self._serve(now)

    def learn(self, backend: Backend, conns: int) -> None:
        """Note how many requests at a time a backend takes by its own account; 0 for unknown."""
        if conns != backend.learned_conns:
            backend.learned_conns = conns
            self._serve(self._timing.now())

    def tick(self) -> None:
        """Look at what time has changed; to be called about once a second."""
        now = self._timing.now()
        if self._outliers.is_on:
            self._outliers.sweep(self.backends, now)
        for backend in self.backends:
            if backend.troubled or self._outliers.is_on:
                backend.gate.forget(backend.in_flight, now)
                self._tell(backend, now)
        self._serve(now)

    def _tell(self, backend: Backend, now: float) -> None:
        """Log a change of state; find out whether a backend is without any trouble again."""
        health = backend.health
        change = health.news(now)
        if change is not None:
            level = logging.INFO if change.after.is_healthy else logging.WARNING
            log.log(
                level,
                "backend %s is %s, after %.1f s %s",
                backend.name,
                change.after.value,
                change.lasted_s,
                change.before.value,
            )
        backend.ramp = health.ramp(now)
        backend.troubled = not (
            backend.gate.is_open
            and health.fails == 0
            and backend.ramp == 1
            and health.state(now) is State.UP
        )


def _ignore(backend: Backend) -> None:
    """Nobody wants to know."""
