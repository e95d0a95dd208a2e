"""One front end inside an event loop: bind, serve, drain.

The only place that makes things and connects them. It touches nothing that belongs to the process
(signals, logging, the event loop's choice): that is `proxy.process`, so a server can be embedded.
"""

import asyncio
import contextlib
import logging
import os
import random
import socket
import sys
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import BinaryIO

from protocol.headers import HeaderDigest
from protocol.http1.libraries import choose_engine
from protocol.http1.reader import RequestReader
from protocol.http1.writer import HeadWriter
from protocol.params import PacketBuilder, withheld_headers
from proxy.clock import TICK_S, Deadlines
from proxy.connection import Serve, Terms
from proxy.control.admin import Admin
from proxy.exchange import Exchange, Means
from proxy.listener import Listener, bind
from proxy.record import Record, Sink
from proxy.settings import Address, Settings
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.error_log import log_failure
from proxy.telemetry.metrics import CONTENT_TYPE, Metrics
from proxy.upstream.channel import SocketNetwork
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.pool import Pool, Timing
from proxy.upstream.readiness import choose_readiness

log = logging.getLogger("proxy")


class StartError(Exception):
    """The server cannot start; the text is one line for the operator."""


class Server:
    """One front end. `start` and `stop` belong to one event loop."""

    def __init__(self, settings: Settings, sinks: Iterable[Sink] = ()) -> None:
        self.settings = settings
        self.listeners: list[Listener] = []
        self.admin: Listener | None = None
        self._sinks = list(sinks)
        self._deadlines = Deadlines(time.monotonic())
        self._writer = HeadWriter(settings.server.server_header)
        self._access_log: AccessLog | None = None
        self._log_file: BinaryIO
        self._ticking: asyncio.TimerHandle | None = None
        self._date = 0
        self._drained = asyncio.Event()
        self._upstream: Upstream | None = None
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            StartError: an address cannot be used, or a backend's name is unknown.
        """
        self._loop = asyncio.get_running_loop()
        self._readiness = choose_readiness(self._loop)
        self._engine = choose_engine(self.settings.server.http_parser)
        self._tick()
        try:
            self._upstream = upstream = self._make_upstream()
            self._open_sinks()
            serve = self._make_serve(upstream)
            for address in self.settings.server.listen:
                self.listeners.append(await self._listen(address, serve, self._publish))
            if self.settings.server.admin is not None:
                admin = Admin(self.metrics.render, CONTENT_TYPE)
                self.admin = await self._listen(
                    self.settings.server.admin, admin.serve, _publish_nowhere
                )
        except BaseException:
            await self.stop(0)
            raise
        upstream.start()
        self._warn_of_missing(upstream.pool)

    async def stop(self, timeout_s: float) -> int:
        """Drain for at most `timeout_s` seconds; return how many exchanges had to be cut.

        May be called again: there is nothing left to do then.
        """
        self._drained.clear()
        for listener in self.listeners:
            listener.stop()
        if self.open_connections:
            timer = self._loop.call_later(timeout_s, self._drained.set)
            await self._drained.wait()
            timer.cancel()
        cut = sum(listener.cut() for listener in self.listeners)
        if self.admin is not None:
            self.admin.stop()
            self.admin.cut()
        await asyncio.sleep(0)  # let the transports report their end
        self._close()
        return cut

    def _on_connection_end(self) -> None:
        if not self.open_connections:
            self._drained.set()

    @property
    def open_connections(self) -> int:
        """Client connections on the public listeners."""
        return sum(len(listener.connections) for listener in self.listeners)

    @property
    def in_flight(self) -> int:
        """Exchanges that run now."""
        return sum(
            connection.record is not None
            for listener in self.listeners
            for connection in listener.connections
        )

    # -- parts ----------------------------------------------------------------------------------

    def _make_upstream(self) -> Upstream:
        settings, loop = self.settings, self._loop
        upstream = Upstream(
            settings.upstream,
            Tools(
                Timing(time.monotonic, loop.call_soon, loop.call_later, random.Random()),
                self._deadlines,
                SocketNetwork(self._readiness),
                (settings.packet.modifier1, settings.packet.modifier2),
                settings.packet.dangerously_pass_control_characters,
            ),
        )
        for backend in settings.upstream.backends:
            for address in resolve(backend.address):
                upstream.pool.add(backend, address)
        return upstream

    def _make_serve(self, upstream: Upstream) -> Serve:
        settings = self.settings
        means = Means(
            settings,
            PacketBuilder(settings.packet),
            lambda request: upstream.means,
            self._loop.call_later,
        )
        return lambda client: Exchange(means, client).serve()

    async def _listen(self, address: Address, serve: Serve, publish: Sink) -> Listener:
        settings = self.settings
        allow_control = settings.packet.dangerously_pass_control_characters
        suppressed = withheld_headers(settings.packet)
        digest = HeaderDigest(settings.client, settings.packet, suppressed)

        def new_reader() -> RequestReader:
            return RequestReader(settings.client, digest, self._engine, allow_control)

        try:
            sock = bind(address, settings.server.backlog)
        except OSError as error:
            raise StartError(f"cannot listen on {address}: {error.strerror or error}") from error
        terms = Terms(settings.client, new_reader, self._writer, serve, publish)
        listener = Listener(sock, terms, self._deadlines, time.monotonic, self._on_connection_end)
        await listener.start(self._loop, settings.server.backlog)
        return listener

    def _open_sinks(self) -> None:
        self.metrics = Metrics(lambda: self.in_flight, lambda: self.open_connections)
        self._sinks += [self.metrics, log_failure]
        if self.settings.log.access_log:
            self._log_file = _open_log(self.settings.log.access_log)
            self._access_log = AccessLog(self._log_file)
            self._sinks.append(self._access_log)

    def _publish(self, record: Record) -> None:
        for sink in self._sinks:
            sink(record)

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

    def _tick(self) -> None:
        self._deadlines.expire(time.monotonic())
        if self._access_log is not None:
            self._access_log.flush()
        second = int(time.time())
        if second != self._date:
            self._date = second
            self._writer.set_date(formatdate(second, usegmt=True).encode())
        self._ticking = self._loop.call_later(TICK_S, self._tick)

    def _close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._upstream is not None:
            self._upstream.stop()
        self._readiness.close()
        # A writer that is stuck keeps its file: to close it would be to wait for the writer.
        if self._access_log is not None and self._access_log.close():
            _close_log(self._log_file)


def resolve(address: Address) -> list[Address]:
    """Return the addresses of a backend; a name has one for each of its records (rule 6.32).

    Raises:
        StartError: the name is unknown.
    """
    if address.path:
        return [address]
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"host not found in --upstream {address}: {error.strerror}") from error
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [Address(host=host, port=address.port) for host in hosts]


def _publish_nowhere(record: Record) -> None:
    """What becomes of requests to the admin listener."""


def _open_log(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdout.buffer
    try:
        return open(name, "ab")
    except OSError as error:
        raise StartError(f"cannot write --access-log {name}: {error.strerror}") from error


def _close_log(file: BinaryIO) -> None:
    if file is not sys.stdout.buffer:
        with contextlib.suppress(OSError):  # a full disk; the writer has counted what it lost
            file.close()
