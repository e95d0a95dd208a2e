"""What is wrong with one backend, whatever the others are."""

import re
from collections.abc import Iterator

from proxy.config.backend import PARAMETERS, parse_backend
from proxy.config.words import ranges
from proxy.settings import Address, BackendSettings
from proxy.upstream.checks.agent import find_literal
from proxy.upstream.sticky import check_route

_SERVICE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def parse_line(text: str) -> BackendSettings:
    """Return the backend of one line in a file; nobody else judges it later.

    Raises:
        ValueError: with all that is wrong with it, on one line.
    """
    backend = parse_backend(text)
    if wrong := list(complaints(backend)):
        raise ValueError("; ".join(wrong))
    return backend


def complaints(backend: BackendSettings) -> Iterator[str]:
    """Yield what is wrong, without saying with which backend."""
    yield from ranges(backend, PARAMETERS)
    yield from _address(backend)
    yield from _stats(backend.stats, backend.address)
    yield from _name(backend)
    yield from _connections(backend)
    try:
        check_route(backend.route)
    except ValueError as error:
        yield str(error)


def _stats(stats: Address | None, backend: Address) -> Iterator[str]:
    """It is asked without looking up a name, which would have to wait for a DNS server."""
    if stats is None:
        return
    if stats == backend:
        yield f"stats={stats}: that is the backend itself; a stats server has its own socket"
    elif find_literal(stats) is None:
        yield (
            f"stats={stats}: names are not looked up for it; give the IP address that "
            f"{stats.host} has, or unix:/path"
        )


def _address(backend: BackendSettings) -> Iterator[str]:
    address = backend.address
    if address.is_unix or backend.service:
        return
    if not (address.host and 0 < address.port < 65536):
        yield "a backend needs a host and a port from 1 to 65535"


def _name(backend: BackendSettings) -> Iterator[str]:
    """Only names can be looked up."""
    address, service = backend.address, backend.service
    word = "service" if service else "resolve"
    if (service or backend.resolve) and address.is_literal:
        yield f"{word}: for host names only"
        return
    if service and not _SERVICE.fullmatch(service):
        yield f"service={service!a}: not a name in DNS; write it like service=_uwsgi._tcp"
    if service and address.port:
        yield f"service: the records bring the port; leave :{address.port} away"


def _connections(backend: BackendSettings) -> Iterator[str]:
    if backend.puwsgi and not backend.keepalive:
        yield (
            "puwsgi: such a socket is for kept connections; add keepalive=N, at most one for each "
            "core of uWSGI"
        )
    if 0 < backend.max_conns < backend.keepalive:
        yield (
            f"keepalive={backend.keepalive}: more connections than max_conns="
            f"{backend.max_conns} lets be used"
        )
