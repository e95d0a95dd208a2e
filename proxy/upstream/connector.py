"""Finds a backend that accepts a connection for one request.

Backends that refuse are skipped; a backend whose listen queue is full is busy, not dead, and is
tried again a little later. Nothing has been sent to any of them, so nothing can be done twice, and
a client that leaves while it waits here costs no worker anything.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from protocol.reply import ReplyParser
from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.record import Record
from proxy.settings import UpstreamSettings
from proxy.upstream.attempt import Attempt
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Network
from proxy.upstream.pool import Pool
from proxy.waiting import Vigil

MIN_BUSY_WAIT_S = 0.005
MAX_BUSY_WAIT_S = 0.05
"""Between two tries at full listen queues: random between these, so that waiters spread."""

CallLater = Callable[[float, Callable[[], None]], object]


@dataclass(slots=True)
class UpstreamMeans:
    """What is needed to reach the backends of one upstream; shared by all exchanges."""

    settings: UpstreamSettings
    pool: Pool
    network: Network
    parser: ReplyParser
    call_later: CallLater


class Connector:
    """See the module. One serves one request."""

    __slots__ = ("_broken", "_busy", "_means", "_record", "_vigil", "attempt")

    def __init__(self, means: UpstreamMeans, vigil: Vigil, record: Record) -> None:
        self.attempt: Attempt | None = None
        self._means = means
        self._vigil = vigil
        self._record = record
        self._broken: dict[Backend, ProxyError] = {}
        self._busy: set[Backend] = set()

    def connect_at_once(self) -> Attempt | None:
        """Return a connected attempt if that takes no waiting, as it mostly does.

        Raises:
            ProxyError: no backend can be used.
        """
        self.attempt = None
        attempt = self._open_next()
        return attempt if attempt is not None and attempt.channel.connected() else None

    async def connect(self) -> Attempt:
        """Go on where `connect_at_once` had to wait.

        Raises:
            ProxyError: no backend can be used, or all stayed busy for the connect timeout.
            ClientGone
        """
        timeout_s = self._means.settings.connect_timeout_s
        give_up = self._vigil.now() + timeout_s
        while True:
            attempt = self.attempt or self._open_next()
            if attempt is None:
                await self._wait_for_room(give_up)
                continue
            self._vigil.arm(timeout_s)
            try:
                await attempt.finish_connecting()
            except ProxyError as error:
                self._give_up(attempt, error)
            else:
                return attempt

    def _open_next(self) -> Attempt | None:
        """Open a connection to the next backend; None when those that are left are busy."""
        means = self._means
        while True:
            unusable = {*self._broken, *self._busy} if self._broken or self._busy else ()
            lease = means.pool.pick(unusable)
            if lease is None:
                if self._busy:
                    return None
                raise self._last_error()
            attempt = Attempt(lease, means.settings, means.parser, self._vigil)
            try:
                attempt.open(means.network)
            except BackendBusy:
                attempt.close()
                self._busy.add(lease.backend)
            except ProxyError as error:
                self._record.attempts.append(attempt.record)
                self._give_up(attempt, error)
            else:
                self._record.attempts.append(attempt.record)
                self.attempt = attempt
                return attempt

    def _give_up(self, attempt: Attempt, error: ProxyError) -> None:
        """Close a failed attempt; go on only if another backend may be tried."""
        attempt.fail(error)
        self.attempt = None
        self._broken[attempt.backend] = error
        if not error.retryable:
            raise error

    def _last_error(self) -> ProxyError:
        if self._broken:
            return next(reversed(self._broken.values()))
        return ProxyError(errors.NO_BACKEND, self._means.pool.name, nothing_sent=True)

    async def _wait_for_room(self, give_up: float) -> None:
        """Wait a moment; then those that were busy may be tried again."""
        vigil = self._vigil
        vigil.disarm()  # that of the request's head may still be set; ours is `give_up`
        pause = random.uniform(MIN_BUSY_WAIT_S, MAX_BUSY_WAIT_S)
        if vigil.now() + pause > give_up:
            names = ", ".join(backend.name for backend in self._busy)
            raise ProxyError(errors.BACKLOG_FULL, names, nothing_sent=True)
        over = False

        def end() -> None:
            nonlocal over
            over = True
            vigil.wake()

        self._means.call_later(pause, end)
        while not over:
            await vigil.wake
            vigil.check(errors.BACKLOG_FULL)
        self._busy.clear()
