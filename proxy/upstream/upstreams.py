"""All upstreams of a server: the configured one, and one for each key that uWSGI announces.

A request goes to the upstream whose key is its Host, else to the configured one.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import Any

from protocol.messages import Request
from proxy.settings import Address, BackendSettings, UpstreamSettings
from proxy.upstream.backend import Backend
from proxy.upstream.backlog import BacklogWatch, Kernel
from proxy.upstream.connector import UpstreamMeans
from proxy.upstream.discovery.admission import Refused
from proxy.upstream.discovery.directory import Directory
from proxy.upstream.discovery.feeds import FeedError, Feeds, ParseBackend
from proxy.upstream.discovery.mailbox import SocketMailbox
from proxy.upstream.discovery.proof import Proofs
from proxy.upstream.discovery.receiver import Receiver, SubscriptionConfigError
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.pool import Pool


class Upstreams:
    """See the module. `start` and `stop` belong to one event loop."""

    def __init__(
        self, settings: UpstreamSettings, tools: Tools, parse: ParseBackend | None = None
    ) -> None:
        """Prepare; see `Feeds` for `parse`.

        Raises:
            FeedError: backends cannot be found as configured.
        """
        self._settings = settings
        self._tools = tools
        self.default = Upstream(settings, tools)
        self.receiver: Receiver[Pool] | None = None
        self._feeds = Feeds(settings, self.default.pool, tools.timing, parse)
        self._announced: dict[Pool, Upstream] = {}
        self._directory: Directory[Pool] | None = None
        self._proofs = Proofs(tools.network, tools.timing.call_later)
        # One for all: the kernel lists all listeners at once, whoever they belong to.
        self._watch = BacklogWatch(
            self, Kernel(), settings.backlog_interval_s, tools.timing.call_later
        )

    def __iter__(self) -> Iterator[Upstream]:
        """Go through all of this moment."""
        return iter([self.default, *self._announced.values()])

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Those of all upstreams, at this moment."""
        return tuple(backend for upstream in self for backend in upstream.pool.backends)

    def choose(self, request: Request) -> UpstreamMeans:
        """Return the means to serve a request."""
        if self._directory is not None:
            pool = self._directory.lookup(request.headers.host or b"")
            if pool is not None:
                return self._announced[pool].means
        return self.default.means

    def count_events(self) -> dict[str, int]:
        """Return how often each thing has happened to announcements; empty without any."""
        return {} if self.receiver is None else self.receiver.registry.counters

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Find backends and look after them.

        Raises:
            FeedError: backends cannot be found as configured.
        """
        self._feeds.start()
        self.default.start()
        self._watch.start()
        if self._settings.discovery.subscribe is not None:
            self._listen(self._settings.discovery.subscribe, loop)

    def work(self) -> Coroutine[Any, Any, None] | None:
        """Return what has to run until `stop`; None for nothing."""
        return self._feeds.work()

    def end_lines(self) -> None:
        """Let nobody in line have a turn any more: those that run are about to be cut."""
        for upstream in self:
            upstream.pool.end_line()

    def stop(self) -> None:
        """Look after them no more; requests may go on. May be called twice."""
        self._feeds.stop()
        if self.receiver is not None:
            self.receiver.close()
        self._proofs.close()
        self._watch.stop()
        for upstream in self:
            upstream.stop()

    # -- announcements --------------------------------------------------------------------------

    def _listen(self, address: Address, loop: asyncio.AbstractEventLoop) -> None:
        found = self._settings.discovery
        try:
            directory = Directory(
                self._open, self._close, found.subscribe_fallback_key, found.subscribe_max_backends
            )
            mailbox = self._tools.mailbox or SocketMailbox(address)
        except OSError as error:
            raise FeedError(f"cannot listen on --subscribe {address}: {error.strerror}") from error
        except Refused as error:
            raise FeedError(f"--subscribe-fallback-key: {error}") from error
        try:
            self.receiver = Receiver(mailbox, found, directory, self._proofs, _TEMPLATE)
        except (SubscriptionConfigError, ValueError) as error:
            mailbox.close()
            raise FeedError(str(error)) from error
        self._directory = directory
        self.receiver.start(loop)

    def _open(self, key: str) -> Pool:
        upstream = Upstream(replace(self._settings, name=key, backends=()), self._tools)
        self._announced[upstream.pool] = upstream
        upstream.start()
        return upstream.pool

    def _close(self, pool: Pool) -> None:
        self._announced.pop(pool).stop()


_TEMPLATE = BackendSettings(Address())
"""What announcements say nothing of."""
