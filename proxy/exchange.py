"""One request's life, in the order of docs/life-of-a-request.md.

    body ─► packet ─► connect ─► send ─► head ─► relay         and whatever fails ─► answer

Decides what the client is told when things fail. Each step that mostly does not have to wait has a
part that is no coroutine: a request that needs nothing unusual waits once, for its reply.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from protocol.accel import MAX_REDIRECTS, inherit, redirect
from protocol.errors import ReplyError
from protocol.http1.writer import BodyFraming, choose_framing
from protocol.identity import Identity
from protocol.messages import ReplyHead, Request
from protocol.params import ConnectionVars, PacketBuilder, PacketTooLarge
from proxy import errors
from proxy.clock import CallLater
from proxy.downstream import ClientSource, Downstream, SpoolSource, page_for
from proxy.errors import ProxyError
from proxy.pace import Pace
from proxy.relay import Relay
from proxy.settings import Settings
from proxy.spool import Spool
from proxy.tally import Spools
from proxy.tunnel import run_tunnel
from proxy.upstream.attempt import Attempt, Source
from proxy.upstream.connector import Connector, UpstreamMeans
from proxy.upstream.diagnosis import is_suspicious, speaks_http

Identify = Callable[[Request, float], Identity]


@dataclass(slots=True)
class Means:
    """What an exchange works with; made once by the server and shared by all exchanges."""

    settings: Settings
    builder: PacketBuilder
    choose: Callable[[Request], UpstreamMeans]
    """Says which upstream serves a request."""
    call_later: CallLater
    spools: Spools = field(default_factory=Spools)
    identify: Identify | None = None
    """Says what a request is called; None when nobody wants to know."""

    def serve(self, client: Downstream) -> Coroutine[Any, Any, None]:
        """Serve the current request of a client; raises nothing."""
        return Exchange(self, client).serve()


class Exchange:
    """One request and what becomes of it."""

    __slots__ = ("_client", "_connector", "_means", "_request", "_spool", "_upstream")

    def __init__(self, means: Means, client: Downstream) -> None:
        self._means = means
        self._client = client
        self._request: Request = client.request
        self._upstream = means.choose(client.request)
        self._connector = Connector(
            self._upstream, client.request, client.facts, client.vigil, client.record
        )
        self._spool: Spool | None = None
        if means.identify is not None:
            client.record.identity = means.identify(client.request, client.record.started)

    async def serve(self) -> None:
        """Serve the request. What goes wrong is answered and recorded, not raised."""
        client, request = self._client, self._request
        try:
            source, length = None, None
            if request.has_body or request.headers.expects_continue or request.headers.chunked:
                source, length = await self._receive_body()
            attempt, reply = await self._ask(self._packet(length), source)
            if reply.accel_redirect is not None:
                attempt, reply = await self._follow(reply)
            if self._upstream.requirements.sticky is not None:
                reply = self._connector.bind(reply)
            framing = self._choose_framing(reply)
            whole = attempt.take_whole(reply, framing)
            if whole is None or (whole and reply.accel_limit_rate):
                await self._relay(attempt, reply, framing)
            else:
                attempt.close()  # first: the next in line has the worker before our client reads
                if reply.status == 400 and not attempt.backend.replied:
                    await self._doubt(attempt)
                client.respond(reply, framing, whole)
        except ProxyError as error:
            self._fail(await self._explain(error))
        finally:
            self._connector.close()
            if self._spool is not None:
                self._spool.close()

    async def _ask(self, packet: bytes, source: Source | None) -> tuple[Attempt, ReplyHead]:
        """Send the request to one backend after the other; return the head of a reply."""
        connector, client = self._connector, self._client
        while True:
            try:
                attempt = connector.connect_at_once(packet) or await connector.connect()
                if attempt.pending or source is not None:
                    await attempt.send_rest(source)
                reply = await attempt.read_head()
                while reply.interim:
                    reply = await self._go_on(attempt, reply, source)
            except ProxyError as error:
                if client.begun or client.told or not connector.retries(error, source):
                    raise
            else:
                if client.told or not connector.retries_reply(reply.status, source):
                    return attempt, reply

    async def _go_on(
        self, attempt: Attempt, interim: ReplyHead, source: Source | None
    ) -> ReplyHead:
        """Pass an interim reply on, and return the head behind it."""
        if interim.status != 100:  # the front end has asked for the body itself
            self._client.interim(interim)
        if attempt.pending or source is not None:
            await attempt.send_rest(source)
        return await attempt.read_head()

    async def _follow(self, first: ReplyHead) -> tuple[Attempt, ReplyHead]:
        """Send the request where X-Accel-Redirect says, as often as it is said.

        Each time it is another request: where the last one has failed says nothing about this one.
        """
        for _ in range(MAX_REDIRECTS):
            self._connector.close()
            try:
                self._request = redirect(self._request, first.accel_redirect or b"")
            except ReplyError as error:
                raise ProxyError(errors.ALL[error.reason], str(error)) from error
            client = self._client
            self._connector = Connector(
                self._upstream, self._request, client.facts, client.vigil, client.record
            )
            attempt, reply = await self._ask(self._packet(None), None)
            first = inherit(reply, first)
            if reply.accel_redirect is None:
                return attempt, first
        raise ProxyError(errors.REDIRECT_CYCLE, f"more than {MAX_REDIRECTS} redirects")

    # -- the request ----------------------------------------------------------------------------

    async def _receive_body(self) -> tuple[Source | None, int | None]:
        """Return where the body comes from, and its length if that had to be found out."""
        settings, headers = self._means.settings, self._request.headers
        limit = settings.client.max_body_bytes
        if limit and headers.content_length and headers.content_length > limit:
            detail = f"{headers.content_length} bytes declared, limit {limit}"
            raise ProxyError(errors.BODY_TOO_LARGE, detail)
        if headers.expects_continue:
            self._packet(None)  # a refusal that does not depend on the body should not wait for it
            self._client.send_continue()
        if not self._request.has_body:
            return None, None
        # Chunked uploads are always buffered: the application needs a CONTENT_LENGTH (rule 3.3).
        if not settings.buffers.request_buffering and not headers.chunked:
            self._connector.insist_on_fresh()
            return ClientSource(self._client, settings.client.body_timeout_s), None
        self._spool = Spool(
            settings.buffers.request_memory_bytes,
            limit or 2**63,
            settings.buffers.spool_dir,
            self._means.spools.requests,
            keep=True,
        )
        length = await self._client.read_body(self._spool, limit, settings.client.body_timeout_s)
        return SpoolSource(self._spool), length if headers.chunked else None

    def _packet(self, length: int | None) -> bytes:
        """Return the request's packet; a client that repeats a request repeats its packet."""
        last, packet = self._client.packet
        identity = self._client.record.identity
        known = last is self._request and length is None
        if known and identity is None:
            return packet
        try:
            if not known:
                packet = self._build_packet(length)
            if identity is not None:  # it differs each time, so it is not part of what is kept
                packet = self._means.builder.extend(packet, identity.variables)
        except PacketTooLarge as error:
            reason = errors.PACKET_TOO_LARGE if error.ours else errors.PACKET_OVER_WORKER_LIMIT
            raise ProxyError(reason, str(error)) from error
        return packet

    def _build_packet(self, length: int | None) -> bytes:
        packet = self._means.builder.packet(self._request, self._variables(), length)
        if length is None and self._request.repeated:
            self._client.packet = (self._request, packet)
        return packet

    def _variables(self) -> ConnectionVars:
        """Return what the connection contributes to every packet; most connections need one."""
        client, protocol = self._client, self._request.protocol
        variables = client.variables
        if variables is None or variables.protocol != protocol:
            variables = self._means.builder.connection_vars(client.facts, protocol)
            if client.requests > 1:  # most connections that idle have made one
                client.variables = variables
        return variables

    # -- the response ---------------------------------------------------------------------------

    def _choose_framing(self, reply: ReplyHead) -> BodyFraming:
        framing = choose_framing(self._request, reply)
        if reply.status == 101 and framing is not BodyFraming.TUNNEL:
            raise ProxyError(errors.BAD_REPLY_HEAD, "101 for a request without Upgrade")
        if self._client.body_left:
            self._client.keep_alive = False  # an upload that nobody will read (rule 3.14)
        return framing

    async def _relay(self, attempt: Attempt, reply: ReplyHead, framing: BodyFraming) -> None:
        """Move a reply that did not come in one piece."""
        client, settings = self._client, self._means.settings
        client.start(reply, framing)
        if framing is BodyFraming.TUNNEL:
            client.flush()
            await run_tunnel(attempt, client, settings.upstream.read_timeout_s)
            return
        buffered = settings.buffers.reply_buffering
        if reply.accel_buffering is not None:
            buffered = reply.accel_buffering
        attempt.begin_body(reply)
        pace = None
        if reply.accel_limit_rate:
            pace = Pace(reply.accel_limit_rate, client.vigil, self._means.call_later)
        relay = Relay(
            attempt,
            client,
            partial(self._new_spool, buffered),
            buffered=buffered,
            timeouts_s=(settings.upstream.read_timeout_s, settings.client.send_timeout_s),
            pace=pace,
        )
        await relay.run()

    def _new_spool(self, buffered: bool) -> Spool:
        """Return what holds the bytes of a reply that its client is not ready for."""
        buffers, tally = self._means.settings.buffers, self._means.spools.replies
        file_bytes = buffers.max_temp_file_bytes if buffered else 0
        return Spool(buffers.reply_memory_bytes, file_bytes, buffers.spool_dir, tally)

    async def _doubt(self, attempt: Attempt) -> None:
        """See whether a 400, the first reply ever, comes from a server that expected HTTP."""
        if await self._speaks_http(attempt):
            raise ProxyError(errors.NOT_UWSGI, attempt.record.backend)

    async def _speaks_http(self, attempt: Attempt) -> bool:
        network, vigil = self._upstream.network, self._client.vigil
        return await speaks_http(attempt.backend, self._request, network, vigil)

    async def _explain(self, error: ProxyError) -> ProxyError:
        """End the attempt that failed, and look closer if it may never have been a uwsgi socket."""
        attempt = self._connector.attempt
        if attempt is None:
            return error
        attempt.fail(error)
        silence_s = self._client.vigil.now() - attempt.record.started
        if is_suspicious(error, silence_s) and await self._speaks_http(attempt):
            attempt.record.reason = errors.NOT_UWSGI
            return ProxyError(errors.NOT_UWSGI, error.detail)
        return error

    def _fail(self, error: ProxyError) -> None:
        """Tell the client as much as it can still be told; `_explain` has ended the attempt."""
        client, record, status = self._client, self._client.record, error.reason.status
        record.reason, record.detail = error.reason, error.detail
        if client.begun:
            client.break_off()
            if error.reason is errors.CLIENT_SEND_TIMEOUT:
                client.stream.abort()  # what it has not taken until now it will not take
        elif error.reason.answered:
            # These statuses close the connection (nginx rule 2.32), as does a body not read.
            if status in _CLOSING or client.body_left:
                client.keep_alive = False
            client.send_page(page_for(status, self._upstream.settings.queue.retry_after_s))
        else:
            record.status = status
            client.keep_alive = False
            client.stream.close()


_CLOSING = frozenset((400, 405, 413, 414, 431, 500, 501, 505))
