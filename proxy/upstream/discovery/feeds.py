"""Where the backends of one upstream come from: settings, a watched file, and DNS for both.

settings ──────────────────► pool        a name in the settings without `resolve` is looked up
     └─────► names (DNS) ──►             once, at the start, and its absence is an error
file ──────►
"""

import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from proxy.settings import Address, BackendSettings, UpstreamSettings
from proxy.upstream.discovery.dns import ResolverError, make_resolver
from proxy.upstream.discovery.file import BackendsFileError, FileWatch
from proxy.upstream.discovery.names import Names
from proxy.upstream.pool import Pool
from proxy.upstream.roster import CONFIGURED
from proxy.upstream.timing import Timing

FILE = "file"
"""The source of backends that a file lists."""
DNS = "dns"
"""Of those that settings name, to be followed. Apart from the others of the settings: a new answer
must not bring back what an operator has removed."""

ParseBackend = Callable[[str], BackendSettings]
"""Reads one line of a file; raises ValueError. The syntax is `proxy.config`'s."""


class FeedError(Exception):
    """Backends cannot be found as configured; the text is one line for the operator."""


class Feeds:
    """See the module."""

    def __init__(
        self,
        settings: UpstreamSettings,
        pool: Pool,
        timing: Timing,
        parse: ParseBackend | None = None,
    ) -> None:
        """Prepare; `parse` is needed for a file only.

        Raises:
            FeedError: a package is missing, or nobody can read the file's lines.
        """
        self._settings = settings
        self._pool = pool
        self._file: FileWatch | None = None
        self._names: Names | None = None
        found = settings.discovery
        self._followed = [one for one in settings.backends if one.resolve or one.service]
        if self._followed or found.file:
            with_services = any(one.service for one in self._followed)
            try:
                resolver = make_resolver(found.resolvers, with_services=with_services)
            except ResolverError as error:
                raise FeedError(str(error)) from error
            self._names = Names(pool, resolver, found, timing.now, timing.call_later)
        if found.file:
            if parse is None:
                raise FeedError(f"--backends-file {found.file}: nobody here can read its lines")
            self._file = FileWatch(
                found.file, parse, self._use_file, found.file_interval_s, timing.call_later
            )

    def start(self) -> None:
        """Give the pool the backends that are known now.

        Raises:
            FeedError: a name is unknown, or the file cannot be used.
        """
        configured = [one for one in self._settings.backends if one not in self._followed]
        known = [found for one in configured for found in look_up(one)]
        self._pool.sync(CONFIGURED, {one.address: one for one in known})
        if self._names is not None and self._followed:
            self._names.follow(DNS, self._followed)
        if self._file is not None:
            try:
                self._file.start()
            except BackendsFileError as error:
                raise FeedError(str(error)) from error

    def work(self) -> Coroutine[Any, Any, None] | None:
        """Return what has to run as long as the upstream does; None for nothing."""
        return self._names.run() if self._names is not None else None

    def stop(self) -> None:
        """Follow the file no more."""
        if self._file is not None:
            self._file.stop()

    def _use_file(self, backends: Sequence[BackendSettings]) -> None:
        assert self._names is not None
        self._names.follow(FILE, backends)


def look_up(backend: BackendSettings) -> list[BackendSettings]:
    """Return a backend for each address that its name has now (nginx rule 6.32).

    One that is to be followed in DNS is returned as it is.

    Raises:
        FeedError: the name is unknown.
    """
    address = backend.address
    if address.is_unix or backend.resolve or backend.service:
        return [backend]
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FeedError(f"host not found in --upstream {address}: {error.strerror}") from error
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [replace(backend, address=Address(host=host, port=address.port)) for host in hosts]
