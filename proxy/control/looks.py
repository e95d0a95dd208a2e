"""Whether somebody listens at a backend of which nothing else tells.

A backend without active checks is known by its requests only. Before the first one, and after an
outage that has ended, there are none: /readyz would say no for want of requests, and get none
because it says no. So while somebody asks for readiness, such backends are connected to now and
then, and the pool hears of an absence that is over. Nobody asks: nothing is done, and a uWSGI in
cheap mode may sleep. A look at a unix socket is over before the answer is due; one at TCP takes a
round trip, so the first answer may still be no.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from proxy.clock import CallLater
from proxy.errors import ClientGone
from proxy.upstream.backend import Backend
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.probe import probe
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Finding, Verdict
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.health import State
from proxy.waiting import Vigil

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks at who has to be looked at."""

QUIET_S = 5.0
"""Without a request, after which a backend that listened is looked at again."""

ASKED_S = 60.0
"""For so long after a question for readiness looks go on."""

TIMEOUT_S = 2.0
"""For one connection."""

MAX_RUNNING = 8
"""Looks at a time."""


@dataclass(slots=True)
class _Known:
    """What is known of one backend: what was found, when, and how many attempts it had then."""

    finding: Finding
    at: float
    attempts: int


class Looks:
    """See the module. `upstreams` are those of the moment."""

    def __init__(
        self, upstreams: Callable[[], Iterator[Upstream]], tools: Tools, call_later: CallLater
    ) -> None:
        self._upstreams = upstreams
        self._tools = tools
        self._call_later = call_later
        self._known: dict[Backend, _Known] = {}
        self._seen: set[Backend] = set()
        self._running: dict[Backend, Vigil] = {}
        self._asked_at = -inf
        self._is_on = False

    def start(self) -> None:
        """Look from now on, as long as somebody asks."""
        self._is_on = True
        self._call_later(LOOK_S, self._tick)

    def stop(self) -> None:
        """Look no more; may be called twice."""
        self._is_on = False
        for vigil in list(self._running.values()):
            vigil.client_gone = True
            self._tools.timing.call_soon(vigil.wake)

    def note_question(self) -> None:
        """Somebody wants to know, at once."""
        self._asked_at = now = self._tools.timing.now()
        if self._is_on:
            self._look(now)

    def finding(self, backend: Backend) -> Finding | None:
        """Return what was found out about a backend; None while that says nothing any more."""
        known = self._known.get(backend)
        if known is None or not self._is_fresh(backend, known):
            return None
        return None if known.finding is _TOLD_BY_REQUESTS else known.finding

    def has_seen(self, backend: Backend) -> bool:
        """Whether somebody has ever been found to listen there."""
        return backend in self._seen

    def _is_fresh(self, backend: Backend, known: _Known) -> bool:
        """Whether its requests have not told anything since, and it is not long ago."""
        now = self._tools.timing.now()
        return known.attempts == backend.attempts and now - known.at < ASKED_S

    # -- one after the other ----------------------------------------------------------------------

    def _tick(self) -> None:
        if not self._is_on:
            return
        now = self._tools.timing.now()
        if now - self._asked_at < ASKED_S:
            self._look(now)
        self._call_later(LOOK_S, self._tick)

    def _look(self, now: float) -> None:
        members = [
            (upstream, backend)
            for upstream in self._upstreams()
            for backend in upstream.pool.backends
        ]
        for gone in self._known.keys() - {backend for _, backend in members}:
            del self._known[gone]
            self._seen.discard(gone)
        for upstream, backend in members:
            if len(self._running) >= MAX_RUNNING:
                return
            if backend in self._running or not backend.serves or backend.in_flight:
                continue  # what is in flight will tell by itself
            is_absent = backend.health.state(now) is State.ABSENT
            if is_checked(upstream, backend):
                is_due = is_absent and self._is_due(backend, now, LOOK_S)
            else:
                is_due = self._is_due(backend, now, LOOK_S if is_absent else QUIET_S)
            if is_due:
                self._begin(upstream, backend)

    def _is_due(self, backend: Backend, now: float, pause_s: float) -> bool:
        """Whether a backend has to be looked at; `pause_s` is for one where somebody was."""
        known = self._known.get(backend)
        if known is None and not backend.replied:
            return True
        if known is None or known.attempts != backend.attempts:
            # Its requests have told more than a look would: wait until there are none.
            self._known[backend] = _Known(_TOLD_BY_REQUESTS, now, backend.attempts)
            return False
        is_bad = known.finding.verdict is Verdict.BAD
        return now - known.at >= (LOOK_S if is_bad else pause_s)

    def _begin(self, upstream: Upstream, backend: Backend) -> None:
        tools = self._tools
        vigil = self._running[backend] = Vigil(tools.deadlines, tools.timing.now)
        attempts = backend.attempts

        async def run() -> None:
            found = await probe(_CHECK, Subject(backend), tools.network, vigil, TIMEOUT_S)
            self._known[backend] = _Known(found, tools.timing.now(), attempts)
            if found.verdict is not Verdict.BAD and found.verdict is not Verdict.UNKNOWN:
                self._seen.add(backend)
                upstream.pool.note_presence(backend)

        def on_end(error: BaseException | None) -> None:
            del self._running[backend]
            if error is not None and not isinstance(error, ClientGone):
                log.error("internal_error: a look ended in a bug", exc_info=error)

        vigil.wake.start(run(), on_end)


_CHECK = ConnectCheck()
_TOLD_BY_REQUESTS = Finding(Verdict.UNKNOWN, "requests")


def is_checked(upstream: Upstream, backend: Backend) -> bool:
    """Whether active checks tell how a backend is doing."""
    return upstream.checks is not None and upstream.checks.applies(backend)


def find_troubles(upstream: Upstream, looks: Looks, now: float) -> dict[Backend, str]:
    """Return for each backend why it cannot serve, in a few words; empty where it can.

    When all are paused or ejected, they are tried all the same (`--panic-threshold`): then that is
    no reason.
    """
    backends = upstream.pool.backends
    found = {one: _why_not(upstream, one, looks, now, False) for one in backends}
    if all(found.values()) and upstream.settings.health.panic_percent > 0:
        return {one: _why_not(upstream, one, looks, now, True) for one in backends}
    return found


def _why_not(upstream: Upstream, backend: Backend, looks: Looks, now: float, panics: bool) -> str:
    if not backend.serves:
        return "draining" if backend.draining and not backend.down else "out of service"
    state = backend.health.state(now)
    word: str = state.value
    if state is State.DOWN:
        return word
    if state in (State.PAUSED, State.EJECTED) and not (panics or backend.health.usable(now)):
        return word
    found = looks.finding(backend)
    if found is not None and found.verdict is Verdict.BAD:
        return found.word
    if state is State.ABSENT:
        return word
    return "" if backend.replied else _why_not_yet(upstream, backend, looks)


def _why_not_yet(upstream: Upstream, backend: Backend, looks: Looks) -> str:
    """Say what is missing for a backend of which no request has told yet."""
    if is_checked(upstream, backend):
        assert upstream.checks is not None
        return "" if upstream.checks.tally(backend).passes else "no good check yet"
    return "" if looks.has_seen(backend) else "not looked at yet"
