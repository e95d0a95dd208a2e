"""Finds a backend for one request, again and again if need be.

    pick ──► open ──► connected ──► sent      until then, whatever fails, another may be tried
      │        └─► busy, absent ──┐
      └─► nothing to be had ──► in line ──► a lease ──► open ──► connected ──► sent
                                                        at once, where nothing has to wait

A backend whose listen queue is full is busy, not dead; backends that have just gone may be
restarting. For both a request waits in the pool's line, where it costs no worker anything, and
where nothing is left of it when its client leaves.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil

from protocol.messages import ConnectionFacts, ReplyHead, Request
from protocol.reply import ReplyParser
from proxy import errors
from proxy.clock import TICK_S
from proxy.errors import BackendBusy, ProxyError, Reason
from proxy.record import Record
from proxy.settings import Condition, UpstreamSettings
from proxy.upstream.attempt import DEFAULT_PACKET_BYTES, Attempt, Phase, Source
from proxy.upstream.backend import Backend, Lease
from proxy.upstream.balance import observe_times
from proxy.upstream.channel import Network
from proxy.upstream.health import Outcome
from proxy.upstream.line import Waiter
from proxy.upstream.pool import Outlook, Pool
from proxy.upstream.requirements import Requirements
from proxy.upstream.retry import (
    NON_IDEMPOTENT,
    Failure,
    RetryBudget,
    RetryPolicy,
    condition_of,
    condition_of_status,
    outcome_of_reply,
)
from proxy.waiting import Vigil

_DIED = (errors.EOF_BEFORE_HEADERS, errors.RESET_BEFORE_HEADERS)
"""How the death of a worker looks: another worker of the same backend may do better."""

MAX_TRIES_ALONE = 3
"""Of one request at a backend that is the only one. Two are what a stop of uWSGI costs: the worker
is killed, and the one after it is never started."""


@dataclass(slots=True)
class UpstreamMeans:
    """What is needed to reach the backends of one upstream; shared by all exchanges."""

    settings: UpstreamSettings
    pool: Pool
    network: Network
    parser: ReplyParser
    wall_clock: Callable[[], float] = time.time
    requirements: Requirements = field(init=False)
    policy: RetryPolicy = field(init=False)
    budget: RetryBudget = field(init=False)

    def __post_init__(self) -> None:
        retry = self.settings.retry
        self.requirements = Requirements(self.settings)
        self.policy = RetryPolicy(retry)
        self.budget = RetryBudget(retry.budget_percent, retry.budget_min)


class Connector:
    """See the module. One serves one request; `close` it in the end."""

    __slots__ = (
        "_budgeted",
        "_first",
        "_last",
        "_may_end",
        "_may_reuse",
        "_means",
        "_packet",
        "_record",
        "_request",
        "_tries",
        "_vigil",
        "_waiter",
        "_wanted",
        "attempt",
    )

    def __init__(
        self,
        means: UpstreamMeans,
        request: Request,
        facts: ConnectionFacts,
        vigil: Vigil,
        record: Record,
    ) -> None:
        self.attempt: Attempt | None = None
        self._means = means
        self._request = request
        self._vigil = vigil
        self._record = record
        self._wanted = means.requirements.of(request, facts)
        self._packet = b""
        self._last: ProxyError | None = None
        self._waiter: Waiter | None = None
        self._first = len(record.attempts)  # of this request; those before led to a redirect
        self._tries = 0
        self._budgeted = False
        self._may_end = True  # without a word, at a lone backend
        # What may be done twice must not meet a connection that is just being closed.
        self._may_reuse = request.method not in NON_IDEMPOTENT

    def close(self) -> None:
        """Give back what is still held, whatever has happened."""
        attempt = self.attempt
        if attempt is not None:
            if attempt.record.ended is None:
                attempt.close()
            if self._means.requirements.needs_times:
                self._note_times(attempt)
        if self._budgeted:
            self._leave_budget()
        self._waiter = None  # they hold each other, and would be left to the collector

    def _note_times(self, attempt: Attempt) -> None:
        record = attempt.record
        if record.reason is None and record.first_byte is not None and record.ended is not None:
            header_ms = (record.first_byte - record.started) * 1000
            last_byte_ms = (record.ended - record.started) * 1000
            observe_times(attempt.backend, header_ms, last_byte_ms, record.ended)

    def insist_on_fresh(self) -> None:
        """Use no connection that has served before: the request could not be sent again."""
        self._may_reuse = False

    # -- connect --------------------------------------------------------------------------------

    def connect_at_once(self, packet: bytes) -> Attempt | None:
        """Return an attempt that has begun to send, if that takes no waiting, as it mostly does.

        Raises:
            ProxyError: no backend can be used.
        """
        self.attempt, self._packet = None, packet
        attempt = self._open_next()
        if attempt is None or not self._is_connected(attempt):
            return None
        attempt.send_at_once(packet)
        return attempt

    async def connect(self) -> Attempt:
        """Go on where `connect_at_once` had to wait.

        Raises:
            ProxyError: no backend can be used, or not in time.
            ClientGone
        """
        settings, attempt = self._means.settings, self.attempt
        give_up = self._vigil.now() + settings.queue.timeout_s
        while True:
            if attempt is None:
                await self._wait_in_line(give_up)
                attempt = self.attempt or self._open_next()
                continue
            if attempt.phase is not Phase.NOTHING_SENT:
                return attempt
            if self._is_connected(attempt):
                attempt.send_at_once(self._packet)
                return attempt
            self._vigil.arm(settings.connect_timeout_s)
            try:
                await attempt.finish_connecting()
            except ProxyError as error:
                self._skip(attempt, error)
                attempt = self._open_next()

    def _is_connected(self, attempt: Attempt) -> bool:
        if not attempt.channel.connected():
            return False
        if attempt.backend.troubled and not attempt.reused:
            self._means.pool.note_presence(attempt.backend)
        return True

    def _open_next(self) -> Attempt | None:
        """Open a connection to the next backend; None when there is none to be had now."""
        while (lease := self._means.pool.pick(self._wanted)) is not None:
            attempt = self._open(lease)
            if attempt is not None:
                return attempt
        return None

    def _open(self, lease: Lease) -> Attempt | None:
        """Open a connection; None when that fails so that something else can be tried.

        Raises:
            ProxyError: it failed, and nothing else can be.
        """
        means = self._means
        # Held from here on: what nobody has foreseen must not keep the lease.
        self.attempt = attempt = Attempt(lease, means.settings, means.parser, self._vigil)
        try:
            if not (lease.backend.idle.limit and self._may_reuse and attempt.reuse()):
                attempt.open(means.network)
        except BackendBusy:
            self.attempt = None
            attempt.close(Outcome.BUSY)
            return None
        except ProxyError as error:
            self._count(attempt)
            self._skip(attempt, error)
            return None
        self._count(attempt)
        return attempt

    def _count(self, attempt: Attempt) -> None:
        self._tries += 1
        self._record.attempts.append(attempt.record)

    def _skip(self, attempt: Attempt, error: ProxyError) -> None:
        """End an attempt that got no connection; raise its error if that was the last one."""
        self.attempt, self._last = None, error
        attempt.fail(error)
        attempt.record.retried = True
        if self._means.pool.is_held(attempt.backend):
            self._tries -= 1  # it was a look whether the backend is back
        else:
            self._wanted = self._wanted.without(attempt.backend)
        if not error.nothing_sent or not self._is_allowed(condition_of(error.reason), sent=False):
            raise error

    # -- wait -----------------------------------------------------------------------------------

    async def _wait_in_line(self, give_up: float) -> None:
        """Wait for a place until the time `give_up`; what can be done with it at once is done.

        Raises:
            ProxyError: `queue_full`, too late, nothing to wait for, or what `_start` met with.
            ClientGone
        """
        vigil = self._vigil
        self._waiter = waiter = self._join_line(give_up)
        try:
            while True:
                await vigil.wake
                if waiter.answered:
                    break
                if vigil.expired or vigil.client_gone:
                    vigil.check(self._why_late())
        except BaseException as error:
            self._leave_line(waiter, error)
            raise
        if vigil.client_gone:
            vigil.check(errors.CLIENT_GONE)
        if waiter.failure is not None:
            raise waiter.failure
        if waiter.lease is None:
            raise self._full() if waiter.displaced else self._last_error()

    def _join_line(self, give_up: float) -> Waiter:
        """Take a place in line, or the old one again.

        Raises:
            ProxyError: there is none, nothing to wait for, or no time left.
        """
        pool, vigil, wanted = self._means.pool, self._vigil, self._wanted
        if pool.outlook(wanted) is Outlook.NOTHING:
            raise self._last_error()
        waiter = self._waiter
        if waiter is None:
            priority = self._means.requirements.priority_of(self._request)
            waiter = Waiter(priority, wanted, vigil.wake, self._start)
        waiter.wanted, waiter.since, waiter.failure = wanted, vigil.now(), None
        left_s = give_up - waiter.since
        if left_s <= 0:
            raise ProxyError(self._why_late(), pool.name, nothing_sent=True)
        if not pool.wait(waiter):
            raise self._full()
        self._record.waited_at = pool.tally
        # Rounded: there is one queue of deadlines for each length of time.
        vigil.arm(ceil(left_s / TICK_S) * TICK_S)
        return waiter

    def _leave_line(self, waiter: Waiter, error: BaseException) -> None:
        pool = self._means.pool
        if not waiter.answered:
            pool.leave(waiter)
            self._record.waited_s += self._vigil.now() - waiter.since
        if isinstance(error, ProxyError) and not error.detail:
            is_gone = pool.outlook(waiter.wanted) is Outlook.RETURN
            error.detail = f"{pool.name}: none of its backends is there" if is_gone else pool.name

    def _start(self) -> bool:
        """Use the place in line whose turn has come, as far as that needs no waiting.

        It runs inside of whoever has made room, before that one does anything else: so a worker has
        its next request before the response to its last one is written. Our own coroutine need not
        be resumed until there is a reply. What goes wrong is kept for it.

        Returns whether the request is on its way, so that nothing else can be done now.
        """
        vigil, waiter = self._vigil, self._waiter
        assert waiter is not None
        self._record.waited_s += vigil.now() - waiter.since
        try:
            if waiter.lease is not None:
                attempt = self._open(waiter.lease)
                if attempt is not None and self._is_connected(attempt):
                    attempt.send_at_once(self._packet)
                    if not (attempt.pending or self._request.has_body):
                        attempt.expect_head()
                        return True
        except Exception as error:  # also a bug: it is this request that it belongs to
            waiter.failure = error
        vigil.disarm()
        return False

    def _full(self) -> ProxyError:
        detail = f"{len(self._means.pool.line)} wait"
        return ProxyError(errors.QUEUE_FULL, detail, nothing_sent=True)

    def _why_late(self) -> Reason:
        """Say what kept a request waiting for too long."""
        is_full = any(not one.gate.is_open for one in self._means.pool.backends)
        return errors.BACKLOG_FULL if is_full else errors.QUEUE_TIMEOUT

    def _last_error(self) -> ProxyError:
        if self._last is not None:
            return self._last
        pool = self._means.pool
        detail = pool.name
        if self._wanted.has_body and any(one.settings.puwsgi for one in pool.backends):
            detail += ": a request with a body cannot go to a puwsgi socket"
        return ProxyError(errors.NO_BACKEND, detail, nothing_sent=True)

    # -- again ----------------------------------------------------------------------------------

    def retries(self, error: ProxyError, source: Source | None) -> bool:
        """Whether the request goes to a backend again after its attempt has failed.

        If so, the attempt has been ended, and the body begins again.
        """
        attempt, condition = self.attempt, condition_of(error.reason)
        if attempt is None or attempt.phase is Phase.REPLYING or condition is None:
            return False
        if attempt.reused and error.reason in _DIED and (source is None or source.rewind()):
            # It was closed while it was idle, and we have not known yet: nobody's fault.
            self._may_reuse = False
            self._tries -= 1
            attempt.record.reason = error.reason
            attempt.record.retried = True
            attempt.close(Outcome.NEUTRAL)
            self.attempt = None
            return True
        attempt.fail(error)  # before it is asked who is left: this may be the one that is not
        if not self._may_another_worker(attempt, error):
            self._wanted = self._wanted.without(attempt.backend)
        is_free = self._is_one_event(attempt.backend, error)
        if not self._may_try_again(condition, source, is_free=is_free):
            return False
        self.attempt, self._last = None, error
        attempt.record.retried = True
        return True

    def _may_another_worker(self, attempt: Attempt, error: ProxyError) -> bool:
        """Whether another worker of a backend may do what a dead one has not, if no other can.

        A reset means that nobody has read the request: a master that stops resets what is in its
        listen queue. An end without a reply may be what the application does to this request.
        """
        backend = attempt.backend
        if not backend.replied or self._tries >= MAX_TRIES_ALONE:
            return False
        if not backend.health.alone and (
            self._wanted.tried or self._means.pool.has_other(backend, self._wanted)
        ):
            return False
        if error.reason is errors.RESET_BEFORE_HEADERS:
            return attempt.packet_bytes <= DEFAULT_PACKET_BYTES
        may, self._may_end = self._may_end, False
        return may and error.reason is errors.EOF_BEFORE_HEADERS

    def _is_one_event(self, backend: Backend, error: ProxyError) -> bool:
        """Whether a failure is part of a death that is no reason to think of a budget.

        A worker with many threads, or a whole instance, takes all its requests along at once, and
        those that wait for it to come back do not run.
        """
        if error.reason not in _DIED:
            return False
        return self._means.pool.is_held(backend) or backend.note_death(self._vigil.now())

    def retries_reply(self, status: int, source: Source | None) -> bool:
        """Whether the request goes to another backend because of the status of a reply."""
        attempt, policy = self.attempt, self._means.policy
        if attempt is None or status not in policy.watched:
            return False
        self._wanted = self._wanted.without(attempt.backend)
        if not self._may_try_again(condition_of_status(status), source):
            return False
        self.attempt = None
        attempt.record.retried = True
        attempt.close(outcome_of_reply(status, retried=True))
        return True

    def bind(self, reply: ReplyHead) -> ReplyHead:
        """Return the reply with the cookie that leads its client back, where there is one."""
        cookie = self._means.requirements.sticky
        if cookie is None or self.attempt is None:
            return reply
        line = (b"Set-Cookie", cookie.render(self.attempt.backend, self._means.wall_clock()))
        return replace(reply, fields=[*reply.fields, line], rendered=None)

    def _may_try_again(
        self, condition: Condition | None, source: Source | None, *, is_free: bool = False
    ) -> bool:
        """Whether something that was sent may be sent again; takes its place in the budget."""
        repeatable = source is None or source.rewind()
        if not self._is_allowed(condition, sent=True, repeatable=repeatable):
            return False
        return is_free or self._take_budget()

    def _take_budget(self) -> bool:
        pool = self._means.pool
        self._leave_budget()  # the retry that has failed runs no more
        self._budgeted = self._means.budget.begin(pool.in_flight + len(pool.line))
        return self._budgeted

    def _leave_budget(self) -> None:
        if self._budgeted:
            self._budgeted = False
            self._means.budget.end()

    def _is_allowed(
        self, condition: Condition | None, *, sent: bool, repeatable: bool = True
    ) -> bool:
        """Whether the rules allow another try, and there is a backend for it."""
        failure = Failure(
            condition=condition,
            method=self._request.method,
            nothing_sent=not sent,
            tries=self._tries,
            elapsed_s=self._vigil.now() - self._record.attempts[self._first].started,
            others=self._means.pool.outlook(self._wanted) is not Outlook.NOTHING,
            is_repeatable=repeatable,
        )
        return self._means.policy.allows(failure)
