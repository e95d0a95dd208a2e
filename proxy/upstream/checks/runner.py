"""Makes the checks: starts probes when they are due, and tells the pool what they found.

No task and no queue: a probe is a coroutine that its own sockets and its deadline drive, as a
client's connection is; a timer says when the next one is due. Nothing of the traffic waits for any
of this: probes take no lease, and `max_running` bounds both them and the work of one turn.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from proxy.clock import CallLater, Deadlines
from proxy.errors import ClientGone
from proxy.settings import CheckSettings, CheckSpec
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Network
from proxy.upstream.checks.agent import StatsCheck
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.http import HttpCheck
from proxy.upstream.checks.ping import PingCheck
from proxy.upstream.checks.probe import Check, probe
from proxy.upstream.checks.scheduler import Job, Scheduler
from proxy.upstream.checks.stats import StatsFacts
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Finding, Result, Verdict, combine
from proxy.upstream.rise_fall import RiseFall
from proxy.waiting import Vigil

LOOK_S = 1.0
"""How often the pool is looked at for backends that have come or gone."""


log = logging.getLogger("proxy.upstream")

_BUG = Finding(Verdict.UNKNOWN, "internal_error", "a bug here: see the error log")


class CheckedPool(Protocol):
    """What checks need of a pool."""

    @property
    def backends(self) -> Sequence[Backend]:
        """All, now; another object when one has come or gone."""

    def checked(self, backend: Backend, up: bool) -> None:
        """Take note that the verdict of active checks has changed."""

    def learn(self, backend: Backend, conns: int) -> None:
        """Take note of how many requests at a time a backend takes."""


@dataclass(frozen=True, slots=True)
class CheckMeans:
    """What checks are made with. `clock` and `deadlines` share their time, in seconds."""

    network: Network
    deadlines: Deadlines
    clock: Callable[[], float]
    call_later: CallLater
    rng: Random
    modifiers: tuple[int, int] = (0, 0)
    """modifier1 and modifier2 of the traffic's packets."""


@dataclass(slots=True)
class Tally:
    """How often a backend was checked: for metrics and admin pages."""

    checks: int = 0
    """Checks that were made."""
    fails: int = 0
    """Those of them that were bad."""
    busy: int = 0
    """Those that met a backend without a free worker."""
    unknown: int = 0
    """Those that could not be made."""
    downs: int = 0
    """How often they have taken the backend down."""

    @property
    def passes(self) -> int:
        """Those that were good."""
        return self.checks - self.fails - self.busy - self.unknown

    def count(self, verdict: Verdict) -> None:
        """Count one check."""
        self.checks += 1
        self.fails += verdict is Verdict.BAD
        self.busy += verdict is Verdict.BUSY
        self.unknown += verdict is Verdict.UNKNOWN


@dataclass(slots=True, eq=False)
class _Watched:
    """Everything that is known of one backend here."""

    subject: Subject
    counter: RiseFall
    awaits_first: bool
    """Whether it is down from the start, until its first good round."""
    results: dict[Check, Result] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    """Of the running round."""
    rounds: int = 0
    tally: Tally = field(default_factory=Tally)


def make_check(spec: CheckSpec, modifiers: tuple[int, int] = (0, 0)) -> Check:
    """Prepare a check: compile its patterns, build its packet.

    Raises:
        re.error: a pattern is none.
        RequestError: the URI is none.
    """
    match spec.kind:
        case "connect":
            return ConnectCheck()
        case "ping":
            return PingCheck(modifiers)
        case "http":
            return HttpCheck(spec, modifiers)
        case "stats":
            return StatsCheck()


class Checks:
    """All active checks of one upstream. `start` and `stop` belong to one event loop.

    Raises:
        re.error, RequestError: see `make_check`.
    """

    def __init__(self, settings: CheckSettings, pool: CheckedPool, means: CheckMeans) -> None:
        self._settings = settings
        self._pool = pool
        self._means = means
        self._checks = tuple(make_check(spec, means.modifiers) for spec in settings.checks)
        self._scheduler = Scheduler(settings.max_running)
        self._watched: dict[Backend, _Watched] = {}
        self._seen: Sequence[Backend] | None = None
        self._running: set[Vigil] = set()
        self._is_on = False
        self._is_pumping = False
        self._alarm: float | None = None  # when the timer that counts goes off
        self._alarms = 0

    # -- for the server -------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. With `initial` down, all backends are down when this returns."""
        if self._checks and not self._is_on:
            self._is_on = True
            self._look()
            self._set_alarm(self._means.clock())

    def stop(self) -> None:
        """Call off what runs, for good. May be called twice."""
        self._is_on = False
        for vigil in list(self._running):
            vigil.client_gone = True
            vigil.wake()

    def hasten(self, backend: Backend) -> None:
        """Check a backend at once, since a request has failed there; at most each fast interval."""
        if self._is_on:
            now = self._means.clock()
            self._scheduler.hasten(backend, self._settings.fast_interval_s, now)
            self._set_alarm(now)

    # -- for admin pages and metrics ------------------------------------------------------------

    @property
    def running(self) -> int:
        """Checks that are being made now."""
        return len(self._running)

    def applies(self, backend: Backend) -> bool:
        """Whether any check is made of a backend."""
        return any(check.applies(backend) for check in self._checks)

    def results(self, backend: Backend) -> tuple[Result, ...]:
        """Return what each check has last found out about a backend, in the order of settings."""
        watched = self._watched.get(backend)
        if watched is None:
            return ()
        return tuple(watched.results[c] for c in self._checks if c in watched.results)

    def facts(self, backend: Backend) -> StatsFacts | None:
        """Return what a backend's stats server has last said."""
        watched = self._watched.get(backend)
        return None if watched is None else watched.subject.facts

    def tally(self, backend: Backend) -> Tally:
        """Return how often a backend was checked."""
        watched = self._watched.get(backend)
        return Tally() if watched is None else watched.tally

    # -- time -----------------------------------------------------------------------------------

    def _set_alarm(self, now: float, at_once: bool = False) -> None:
        """See to it that `_pump` runs when something is due, and at least each `LOOK_S`."""
        due = self._scheduler.next_due()
        when = now + LOOK_S if due is None else min(max(due, now), now + LOOK_S)
        when = now if at_once else when
        if self._alarm is not None and self._alarm <= when:
            return  # that one will look again
        self._alarm = when
        self._alarms += 1
        number = self._alarms

        def ring() -> None:
            if number == self._alarms:  # else an earlier one was set behind it
                self._alarm = None
                self._pump()

        self._means.call_later(when - now, ring)

    def _pump(self) -> None:
        """Start what is due, though not too much in one turn of the event loop."""
        if not self._is_on or self._is_pumping:
            return
        self._is_pumping = True
        try:
            self._look()
            now = self._means.clock()
            job = None
            for _ in range(max(1, self._settings.max_running)):
                job = self._scheduler.next_job(now)
                if job is None:
                    break
                self._begin(job, now)
        finally:
            self._is_pumping = False
        self._set_alarm(now, at_once=job is not None)

    # -- who is checked -------------------------------------------------------------------------

    def _look(self) -> None:
        """Take note of backends that have come or gone."""
        backends = self._pool.backends
        if backends is self._seen:
            return
        self._seen = backends
        for gone in self._watched.keys() - set(backends):
            del self._watched[gone]
            self._scheduler.remove(gone)
        newcomers = [backend for backend in backends if backend not in self._watched]
        now = self._means.clock()
        for number, backend in enumerate(newcomers):
            # No herd: their first checks are spread over an interval, and so are their second.
            delay_s = self._settings.fast_interval_s * number / len(newcomers)
            self._watch(backend, now + delay_s)

    def _watch(self, backend: Backend, due: float) -> None:
        settings = self._settings
        up = settings.initial == "up" or not self.applies(
            backend
        )  # who is not checked must not wait for it
        counter = RiseFall(settings.rise, settings.fall, up)
        self._watched[backend] = _Watched(Subject(backend), counter, not up)
        self._scheduler.add(backend, self._checks, due)
        if not up:
            self._pool.checked(backend, False)

    # -- one check ------------------------------------------------------------------------------

    def _begin(self, job: Job, now: float) -> None:
        backend = job.backend
        if backend.down or backend.leaving or not job.check.applies(backend):
            self._end(job, None)
            return
        means = self._means
        vigil = Vigil(means.deadlines, means.clock)
        self._running.add(vigil)
        found: list[Finding] = []
        subject, timeout_s = self._watched[backend].subject, self._settings.timeout_s

        async def run() -> None:
            found.append(await probe(job.check, subject, means.network, vigil, timeout_s))

        def on_end(error: BaseException | None) -> None:
            self._running.discard(vigil)
            if error is not None and not isinstance(error, ClientGone):
                log.error("internal_error: a check ended in a bug", exc_info=error)
            if self._is_on:
                end = means.clock()
                finding = found[0] if found else _BUG
                self._end(job, Result(job.check.label, finding, end, end - now))

        vigil.wake.start(run(), on_end)

    def _end(self, job: Job, result: Result | None) -> None:
        """Note a result, None for a check that was not made; go on with what it was in the way."""
        watched = self._watched.get(job.backend)
        is_last = self._scheduler.end(job)
        if watched is not None:
            if result is not None:
                self._note(watched, job, result)
            if is_last:
                self._end_round(watched)
        self._pump()

    def _note(self, watched: _Watched, job: Job, result: Result) -> None:
        verdict = result.finding.verdict
        watched.results[job.check] = result
        watched.verdicts.append(verdict)
        watched.tally.count(verdict)
        facts = watched.subject.facts
        if facts is not None and facts.capacity:
            self._pool.learn(job.backend, facts.capacity)

    def _end_round(self, watched: _Watched) -> None:
        """Judge a backend by all checks of its round, and set the time of the next."""
        good = combine(watched.verdicts)
        watched.verdicts.clear()
        backend, means = watched.subject.backend, self._means
        change = None if good is None else self._feed(watched, good)
        delay_s = watched.counter.next_interval(self._settings, means.rng)
        if not watched.rounds:
            delay_s *= means.rng.random()
        watched.rounds += 1
        self._scheduler.plan(backend, delay_s, means.clock())
        if change is not None:
            self._tell(watched, change)

    def _feed(self, watched: _Watched, good: bool) -> bool | None:
        """Count a round. One that has not come up yet does so with the first good one."""
        if watched.awaits_first:
            if not good:
                return None
            watched.awaits_first = False
        return watched.counter.feed(good)

    def _tell(self, watched: _Watched, up: bool) -> None:
        backend = watched.subject.backend
        watched.tally.downs += not up
        if not up:
            bad = [r for r in self.results(backend) if r.finding.verdict is Verdict.BAD]
            log.warning("checks take %s down: %s", backend.name, "; ".join(map(str, bad)))
        self._pool.checked(backend, up)
