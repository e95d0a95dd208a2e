"""One front end inside an event loop: bind, serve, drain.

The only place that makes things and connects them. It touches nothing that belongs to the process
(signals, logging, the event loop's choice): that is `proxy.process`, so a server can be embedded.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from socket import socket
from typing import TYPE_CHECKING

from protocol.identity import Identifier, count_variables
from protocol.params import PacketBuilder
from proxy.connection import Serve
from proxy.control.admin import publish_nowhere
from proxy.control.answers import Answers, Parts
from proxy.control.failures import Failures
from proxy.control.limits import ADMIN_CLIENT, MAX_CONNECTIONS
from proxy.control.looks import Looks
from proxy.control.members import Answer, Local
from proxy.control.site import Site, with_health
from proxy.exchange import Means
from proxy.exits import StartError
from proxy.listener import Listener
from proxy.reception import Reception, open_listener, open_public
from proxy.record import Sink, Sinks
from proxy.settings import LogSettings, PacketSettings, Settings
from proxy.share import Share
from proxy.tally import Spools
from proxy.telemetry import exposition
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.destination import open_destination
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.handshake_log import HandshakeLog
from proxy.telemetry.log_format import compile_format
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.pool_metrics import PoolMetrics
from proxy.telemetry.server_metrics import ServerMetrics
from proxy.telemetry.tls_metrics import TlsMetrics
from proxy.telemetry.uwsgi_metrics import UwsgiMetrics
from proxy.tls.certificates import Certificates, TlsError
from proxy.tls.handshakes import Handshakes
from proxy.tls.plain import refuse_plain
from proxy.upstream.channel import SocketNetwork
from proxy.upstream.discovery.feeds import FeedError, ParseBackend
from proxy.upstream.discovery.mailbox import Mailbox
from proxy.upstream.group import Tools
from proxy.upstream.pool import Pool
from proxy.upstream.readiness import choose_readiness
from proxy.upstream.timing import Timing
from proxy.upstream.upstreams import Upstreams

if TYPE_CHECKING:  # an extra that is imported only when it is asked for
    from proxy.telemetry.spans import Spans

log = logging.getLogger("proxy")


@dataclass(frozen=True, slots=True)
class Seat:
    """What a server is given that serves together with others (`proxy.fleet`)."""

    sockets: tuple[socket, ...]
    """To accept from, instead of binding addresses."""
    share: Share
    """Its part of the limits."""
    mailbox: Mailbox | None = None
    """Where announcements arrive, instead of a socket of its own."""
    certificates: Certificates | None = None
    """Read before there were several: then each knows the sessions of the others."""


class Server:
    """One front end. `start` and `stop` belong to one event loop."""

    def __init__(
        self,
        settings: Settings,
        sinks: Iterable[Sink] = (),
        parse_backend: ParseBackend | None = None,
        seat: Seat | None = None,
    ) -> None:
        """Prepare; `parse_backend` reads a line of --backends-file.

        With a `seat` it serves the public only: the admin listener is not its business.
        """
        self.settings = settings
        self._packet = _for_kept_connections(settings)
        self.listeners: list[Listener] = []
        self.admin: Listener | None = None
        self._sinks = Sinks(sinks)
        self._parse_backend = parse_backend
        self._work: asyncio.Task[None] | None = None
        self._seat = seat
        self.access_log: AccessLog | None = None
        self._error_log = ErrorLog(settings.log.error_burst)
        self._handshake_log = HandshakeLog(settings.log.error_burst)
        self.certificates = None if seat is None else seat.certificates
        self._spools = Spools()
        self._spans: Spans | None = None
        self._drained = asyncio.Event()
        self.draining = False
        """Whether no new requests are wanted: /readyz says so, before the listeners close."""
        self.upstreams: Upstreams | None = None
        self.answers: Answers | None = None
        """Answers what the admin address wants to know of this process; None if nobody asks."""
        self._site: Site | None = None
        self._looks: Looks | None = None
        self._tools: Tools
        self._loop: asyncio.AbstractEventLoop
        self._reception: Reception

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            StartError: an address cannot be used, or a backend's name is unknown.
        """
        self._loop = asyncio.get_running_loop()
        self._readiness = choose_readiness(self._loop)
        self._reception = Reception(
            self.settings, self._packet, self._loop, self._on_connection_end, self._on_tick
        )
        self._reception.start()
        try:
            if self.certificates is None:
                self.certificates = read_certificates(self.settings)
            self.upstreams = upstreams = self._make_upstreams()
            self._open_sinks(upstreams)
            if self.settings.server.admin is not None or self.settings.server.expose_health:
                self.answers = self._make_answers(upstreams)
            serve = self._make_serve(upstreams)
            self._start_upstreams(upstreams)
            await self._listen(serve)
            if self._seat is None:
                await self._listen_for_admin()
        except BaseException as error:
            await self.stop(0)
            if isinstance(error, FeedError):
                raise StartError(str(error)) from error
            raise
        if self._seat is None or self._seat.share.number == 0:
            self._warn_of_missing(upstreams.default.pool)

    async def drain(self) -> int:
        """Stop as the settings say; return how many exchanges had to be cut.

        For the drain delay everything is served that comes, so that whoever sends requests here
        can read in /readyz and in the responses that they are wanted elsewhere. Then nobody is let
        in any more.
        """
        server = self.settings.server
        if server.drain_delay_s:
            log.info("not ready any more; --drain-delay of %g s begins", server.drain_delay_s)
            self.draining = True
            for listener in self.listeners:
                listener.part()
            await asyncio.sleep(server.drain_delay_s)
        return await self.stop(server.shutdown_timeout_s)

    async def stop(self, timeout_s: float) -> int:
        """Drain for at most `timeout_s` seconds; return how many exchanges had to be cut.

        May be called again: there is nothing left to do then.
        """
        self.draining = True
        self._drained.clear()
        for listener in self.listeners:
            listener.stop()
        if self.open_connections:
            timer = self._loop.call_later(timeout_s, self._drained.set)
            await self._drained.wait()
            timer.cancel()
        if self.upstreams is not None:
            self.upstreams.end_lines()
        cut = sum(listener.cut() for listener in self.listeners)
        if self._site is not None:
            self._site.stop()
        if self.admin is not None:
            self.admin.stop()
            self.admin.cut()
        await asyncio.sleep(0)  # let the transports report their end
        self._close()
        spans, self._spans = self._spans, None
        if spans is not None:
            await self._loop.run_in_executor(None, spans.close)
        return cut

    def reopen_files(self) -> None:
        """Go on in new files: the old logs have been moved away, certificates may be new."""
        if self.certificates is not None:
            self.certificates.look()
        if self.access_log is not None:
            self.access_log.reopen()

    def _on_connection_end(self) -> None:
        if not self.open_connections:
            self._drained.set()

    @property
    def open_connections(self) -> int:
        """Client connections on the public listeners."""
        return sum(listener.open for listener in self.listeners)

    @property
    def in_flight(self) -> int:
        """Exchanges that run now."""
        return sum(
            connection.record is not None
            for listener in self.listeners
            for connection in listener.connections
        )

    # -- parts ----------------------------------------------------------------------------------

    def _make_upstreams(self) -> Upstreams:
        settings, loop = self.settings, self._loop
        self._tools = tools = Tools(
            Timing(time.monotonic, loop.call_soon, loop.call_later, random.Random()),
            self._reception.deadlines,
            SocketNetwork(self._readiness),
            (settings.packet.modifier1, settings.packet.modifier2),
            settings.packet.dangerously_pass_control_characters,
            None if self._seat is None else self._seat.share,
            None if self._seat is None else self._seat.mailbox,
        )
        return Upstreams(settings.upstream, tools, self._parse_backend)

    def _make_serve(self, upstreams: Upstreams) -> Serve:
        settings = self.settings
        builder = PacketBuilder(self._packet, count_variables(settings.identity))
        loop = self._loop
        means = Means(settings, builder, upstreams.choose, loop.call_later, self._spools)
        if count_variables(settings.identity):
            spans = self._open_spans()
            begin = None if spans is None else spans.begin
            means.identify = Identifier(settings.identity, os.urandom, begin)
        if settings.server.expose_health and self.answers is not None:
            members = Local(self.answers.answer)
            return with_health(means.serve, members)
        return means.serve

    def _open_spans(self) -> "Spans | None":
        if self.settings.identity.otel:
            from proxy.telemetry.spans import open_spans

            self._spans = open_spans()
        if self._spans is not None:
            self._sinks.add(self._spans)
        return self._spans

    def _start_upstreams(self, upstreams: Upstreams) -> None:
        upstreams.start(self._loop)
        if self._looks is not None:
            self._looks.start()
        work = upstreams.work()
        if work is not None:
            self._work = self._loop.create_task(work)
            self._work.add_done_callback(_tell_failure)

    async def _listen(self, serve: Serve) -> None:
        server = self.settings.server
        if self._seat is not None:
            sockets: Iterable[socket] = self._seat.sockets
        else:  # one after the other: what is bound is served, and closed if the next one fails
            sockets = (open_public(address, server) for address in server.listen)
        listen = self._reception.listen
        for sock, address in zip(sockets, server.listen, strict=True):
            if address.tls:
                handshakes, safe = self._make_handshakes(), refuse_plain(serve)
                listener = await listen(sock, safe, self._sinks.publish, handshakes=handshakes)
            else:
                listener = await listen(sock, serve, self._sinks.publish)
            self.listeners.append(listener)

    def _make_handshakes(self) -> Handshakes:
        assert self.certificates is not None
        timeout_s = self.settings.tls.handshake_timeout_s
        return Handshakes(self.certificates, timeout_s, self._handshake_log)

    async def _listen_for_admin(self) -> None:
        server = self.settings.server
        if server.admin is None or self.answers is None:
            return
        members = Local(self.answers.answer)
        self._site = site = Site(server, members, _render_own, self._loop.call_later)
        sock = open_listener(server.admin, server.backlog, private=True)
        self.admin = await self._reception.listen(sock, site.serve, publish_nowhere, ADMIN_CLIENT)
        self.admin.max_connections = MAX_CONNECTIONS
        site.start()

    def _make_answers(self, upstreams: Upstreams) -> Answers:
        """Prepare to be asked about this process."""
        failures = Failures(lambda: time.time() - time.monotonic())
        self._sinks.add(failures)
        self._looks = Looks(lambda: iter(upstreams), self._tools, self._loop.call_later)
        return Answers(
            Parts(
                settings=self.settings,
                upstreams=lambda: iter(upstreams),
                doors=lambda: self.listeners,
                is_draining=lambda: self.draining,
                families=self.metrics.families,
                numbers=self.metrics.numbers,
                # Alone there is nobody to carry them to.
                carry=list if self._seat is None else exposition.to_plain,
                failures=failures,
                looks=self._looks,
                parse_backend=self._parse_backend,
                now=time.monotonic,
                wall_clock=time.time,
            )
        )

    def _open_sinks(self, upstreams: Upstreams) -> None:
        self.metrics = self._make_metrics(upstreams)
        self._sinks.add(self.metrics)
        self._sinks.add(self._error_log)
        if self.settings.log.access_log:
            self.access_log = _open_access_log(self.settings.log)
            self._sinks.add(self.access_log)
            self.metrics.show(self.access_log.collect)

    def _make_metrics(self, upstreams: Upstreams) -> Metrics:
        metrics = Metrics()
        pools = PoolMetrics(lambda: upstreams, upstreams.count_events, time.monotonic)
        metrics.show(pools.collect)
        metrics.show(UwsgiMetrics(lambda: upstreams, time.monotonic).collect)
        loop, desk = type(self._loop).__module__.partition(".")[0], self._reception
        shown = ServerMetrics(lambda: self.listeners, self._spools, desk, loop)
        metrics.show(shown.collect)
        if self.certificates is not None:
            metrics.show(TlsMetrics(lambda: self.listeners, self.certificates).collect)
        return metrics

    def _warn_of_missing(self, pool: Pool) -> None:
        for backend in pool.backends:
            path = backend.address.path
            if not path or path.startswith("\0"):
                continue
            try:
                os.stat(path)
            except FileNotFoundError:
                log.warning("%s is not there yet; it is used as soon as it is", backend.name)
            except OSError as error:
                log.warning("%s cannot be reached: %s", backend.name, error.strerror)

    def _on_tick(self) -> None:
        now = time.monotonic()
        self._error_log.tick(now)
        if self.certificates is not None:
            self._handshake_log.tick(now)
            self.certificates.look_if_due(now)
        if self.access_log is not None:
            self.access_log.flush()
            self.access_log.tell_lost(now)

    def _close(self) -> None:
        self._reception.stop()
        if self._work is not None:
            self._work.cancel()
        if self._looks is not None:
            self._looks.stop()
        if self.upstreams is not None:
            self.upstreams.stop()
        self._readiness.close()
        self._error_log.close()
        self._handshake_log.close()
        if self.access_log is not None:
            self.access_log.close()
            self.access_log.tell_lost(inf)


def read_certificates(settings: Settings) -> Certificates | None:
    """Return what handshakes are done with; None if there is no listener for them.

    Raises:
        StartError: a certificate or a key cannot be used.
    """
    if not any(address.tls for address in settings.server.listen):
        return None
    try:
        return Certificates(settings.tls)
    except TlsError as error:
        raise StartError(str(error)) from error


def _for_kept_connections(settings: Settings) -> PacketSettings:
    """Return what packets say, so that a backend whose connections are kept does not close them.

    uWSGI's puwsgi sockets do not look at HTTP_CONNECTION; gunicorn does.
    """
    kept = [one for one in settings.upstream.backends if one.keepalive and not one.puwsgi]
    return replace(settings.packet, close_connection=False) if kept else settings.packet


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("internal_error: names are followed no more", exc_info=task.exception())


def render_metrics(answers: list[Answer], accept: str) -> tuple[bytes, str]:
    """Make one exposition of the metric families of all processes."""
    families = exposition.merge(map(exposition.from_plain, answers))
    return exposition.render(families, accept)


def _render_own(answers: list[Answer], accept: str) -> tuple[bytes, str]:
    """Make one exposition of this process's families, the only ones there are."""
    return exposition.render(answers[0], accept)


def _open_access_log(log: LogSettings) -> AccessLog:
    name = log.access_log
    try:
        return AccessLog(open_destination(name), compile_format(log.access_format))
    except OSError as error:
        raise StartError(f"cannot write --access-log {name}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"--access-log {name}, --access-log-format: {error}") from error
