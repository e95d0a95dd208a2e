"""One request's life, in the order of docs/life-of-a-request.md.

    check ─► read the body ─► pick ─► attempt (another?) ─► head ─► relay ─► record

This is the only place that decides to try again, and what the client is told when things fail. It
tries again only while nothing has been sent to a backend: nothing is ever done twice.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from protocol.http1.engine import Engine
from protocol.http1.writer import BodyFraming, choose_framing
from protocol.messages import ReplyHead, Request
from protocol.params import ConnectionVars, PacketBuilder, PacketTooLarge
from protocol.reply import ReplyParser
from proxy import errors
from proxy.downstream import ClientSource, Downstream, SpoolSource, page_for
from proxy.errors import BackendBusy, ClientGone, ProxyError
from proxy.record import Record
from proxy.relay import Relay
from proxy.settings import Settings
from proxy.spool import Spool
from proxy.tunnel import run_tunnel
from proxy.upstream.attempt import Attempt, Phase, Source
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Network
from proxy.upstream.pool import Pool

MIN_BUSY_WAIT_S = 0.005
MAX_BUSY_WAIT_S = 0.05
"""Between two tries at a full listen queue: random between these, so that waiters spread."""

CallLater = Callable[[float, Callable[[], None]], object]


@dataclass(slots=True)
class Means:
    """What an exchange works with; made once by the server and shared by all exchanges."""

    settings: Settings
    pool: Pool
    network: Network
    builder: PacketBuilder
    parser: ReplyParser
    engine: Engine
    call_later: CallLater


class Exchange:
    """One request and what becomes of it."""

    __slots__ = ("_attempt", "_client", "_means", "_record", "_request", "_spool")

    def __init__(self, means: Means, client: Downstream) -> None:
        self._means = means
        self._client = client
        self._request: Request = client.request
        self._record: Record = client.record
        self._attempt: Attempt | None = None
        self._spool: Spool | None = None

    async def serve(self) -> None:
        """Serve the request. Raises nothing: what goes wrong is answered and recorded."""
        client = self._client
        client.vigil.may_leave = self._means.settings.client.ignore_client_abort
        try:
            await self._serve()
        except ProxyError as error:
            self._fail(error)
        finally:
            if self._attempt is not None:
                self._attempt.close()
            if self._spool is not None:
                self._spool.close()
            client.vigil.may_leave = False

    async def _serve(self) -> None:
        settings = self._means.settings
        self._check_declared_length(settings.client.max_body_bytes)
        if self._request.headers.expects_continue:
            self._check_packet()  # an answer that does not depend on the body should not wait
            self._client.send_continue()
        source, length = await self._receive_body()
        packet = self._packet(length)
        reply = await self._first_reply(packet, source)
        await self._respond(reply)

    # -- the request ----------------------------------------------------------------------------

    def _check_declared_length(self, limit: int) -> None:
        declared = self._request.headers.content_length
        if limit and declared and declared > limit:
            raise ProxyError(errors.BODY_TOO_LARGE, f"{declared} bytes declared, limit {limit}")

    async def _receive_body(self) -> tuple[Source | None, int | None]:
        """Return where the body comes from, and its length if that had to be found out."""
        if not self._request.has_body:
            return None, 0 if self._request.headers.chunked else None
        settings = self._means.settings
        chunked = self._request.headers.chunked
        # Chunked uploads are always buffered: the application needs a CONTENT_LENGTH (rule 3.3).
        if not settings.buffers.request_buffering and not chunked:
            return ClientSource(self._client, settings.client.body_timeout_s), None
        limit = settings.client.max_body_bytes
        self._spool = Spool(
            settings.buffers.request_memory_bytes, limit or 2**63, settings.buffers.spool_dir
        )
        length = await self._client.read_body(self._spool, limit, settings.client.body_timeout_s)
        return SpoolSource(self._spool), length if chunked else None

    def _packet(self, length: int | None) -> bytes:
        try:
            return self._means.builder.packet(self._request, self._variables(), length)
        except PacketTooLarge as error:
            reason = errors.PACKET_TOO_LARGE if error.ours else errors.PACKET_OVER_WORKER_LIMIT
            raise ProxyError(reason, str(error)) from error

    def _variables(self) -> ConnectionVars:
        """Return what the connection contributes to every packet; most connections need one."""
        client, protocol = self._client, self._request.protocol
        variables = client.variables
        if variables is None or variables.protocol != protocol:
            variables = self._means.builder.connection_vars(client.facts, protocol)
            client.variables = variables
        return variables

    def _check_packet(self) -> None:
        self._packet(None)

    # -- the backends ---------------------------------------------------------------------------

    async def _first_reply(self, packet: bytes, source: Source | None) -> ReplyHead:
        """Return the head of the first reply: the only loop over backends."""
        attempt = await self._connect()
        await attempt.send(packet, source)
        head_only = self._request.method == b"HEAD"
        reply = await attempt.read_head(bodiless=head_only)
        while reply.interim:
            if reply.status != 100:  # the front end has asked for the body itself
                self._client.interim(reply)
            reply = await attempt.read_head(bodiless=head_only)
        return reply

    async def _connect(self) -> Attempt:
        """Connect to the first backend that takes us; wait while all that could are busy."""
        means, vigil = self._means, self._client.vigil
        timeout_s = means.settings.upstream.connect_timeout_s
        give_up = vigil.now() + timeout_s
        vigil.arm(timeout_s)
        broken: dict[Backend, ProxyError] = {}
        busy: set[Backend] = set()
        while True:
            lease = means.pool.pick({*broken, *busy} if broken or busy else ())
            if lease is None:
                if not busy:
                    raise next(reversed(broken.values()), ProxyError(errors.NO_BACKEND))
                await self._wait_for_room(give_up)
                busy.clear()
                continue
            attempt = Attempt(lease, means.settings.upstream, means.parser, means.engine, vigil)
            self._attempt = attempt
            self._record.attempts.append(attempt.record)
            try:
                await attempt.connect(means.network)
                return attempt
            except BackendBusy:
                attempt.close()
                self._record.attempts.pop()
                busy.add(lease.backend)
            except ProxyError as error:
                self._close_failed(attempt, error)
                if not error.retryable:
                    raise
                broken[lease.backend] = error

    async def _wait_for_room(self, give_up: float) -> None:
        """Wait a moment for a listen queue. Nothing was sent: leaving costs the backend nothing."""
        vigil = self._client.vigil
        pause = random.uniform(MIN_BUSY_WAIT_S, MAX_BUSY_WAIT_S)
        if vigil.now() + pause > give_up:
            raise ProxyError(errors.BACKLOG_FULL, self._means.pool.name, nothing_sent=True)
        over = False

        def end() -> None:
            nonlocal over
            over = True
            vigil.wake()

        self._means.call_later(pause, end)
        while not over:
            await vigil.wait(errors.BACKLOG_FULL)

    @staticmethod
    def _close_failed(attempt: Attempt, error: ProxyError) -> None:
        attempt.record.reason = error.reason
        attempt.close(failed=error.reason is not errors.CLIENT_GONE)

    # -- the response ---------------------------------------------------------------------------

    async def _respond(self, reply: ReplyHead) -> None:
        client, settings = self._client, self._means.settings
        assert self._attempt is not None
        framing = choose_framing(self._request, reply)
        if reply.status == 101 and framing is not BodyFraming.TUNNEL:
            raise ProxyError(errors.BAD_REPLY_HEAD, "101 for a request that did not ask for it")
        if client.body_left:
            client.keep_alive = False  # an upload that nobody will read: rule 3.14
        client.start(reply, framing)
        if framing is BodyFraming.TUNNEL:
            client.flush()
            await run_tunnel(self._attempt, client, settings.upstream.read_timeout_s)
            return
        buffered = settings.buffers.reply_buffering
        if reply.accel_buffering is not None:
            buffered = reply.accel_buffering
        relay = Relay(
            self._attempt,
            client,
            settings.buffers,
            buffered=buffered,
            timeouts_s=(settings.upstream.read_timeout_s, settings.client.send_timeout_s),
        )
        await relay.run()

    def _fail(self, error: ProxyError) -> None:
        """Record a failure, and tell the client as much as it can still be told."""
        client, record = self._client, self._record
        record.reason = error.reason
        record.detail = error.detail
        if self._attempt is not None and self._attempt.record.reason is None:
            if self._attempt.record.ended is None or self._attempt.phase is not Phase.NOTHING_SENT:
                self._attempt.record.reason = error.reason
            self._attempt.close(failed=error.reason.blame is errors.Blame.BACKEND)
        if client.begun:
            client.break_off()
        elif error.reason.answered and not isinstance(error, ClientGone):
            self._answer(error)
        else:
            record.status = error.reason.status
            client.keep_alive = False
            client.stream.close()

    def _answer(self, error: ProxyError) -> None:
        client, status = self._client, error.reason.status
        # These statuses close the connection (nginx rule 2.32), as does a body nobody has read.
        if status in (400, 405, 413, 414, 431, 500, 501, 505) or client.body_left:
            client.keep_alive = False
        client.send_page(page_for(status))
