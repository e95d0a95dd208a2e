"""Whether two addresses are the same place, as far as can be told without resolving names."""

import ipaddress

from proxy.settings import Address

_ANY = ("", "0.0.0.0", "::")


def same_place(first: Address, second: Address) -> bool:
    """Whether the kernel would refuse to let both be listened on."""
    if first.is_unix or second.is_unix:
        return first.path == second.path
    if first.port != second.port or first.port == 0:
        return False
    return first.host == second.host or _covers(first, second) or _covers(second, first)


def reaches(backend: Address, listener: Address) -> bool:
    """Whether connecting to `backend` would arrive at `listener` on this machine."""
    if backend.is_unix or listener.is_unix:
        return backend.path == listener.path
    if backend.port != listener.port or backend.port == 0:
        return False
    return backend.host == listener.host or (
        listener.host in _ANY and _is_loopback(backend.host) and _covers(listener, backend)
    )


def _covers(wide: Address, narrow: Address) -> bool:
    """Whether `wide` listens on every address of the family that `narrow` is of.

    asyncio makes IPv6 listeners without IPv4, so `::` and `0.0.0.0` live side by side. A host name
    counts for neither, except localhost, which is either.
    """
    if wide.host == "":
        return True
    if narrow.host == "localhost":
        return wide.host in _ANY
    version = _version(narrow.host)
    return (wide.host == "0.0.0.0" and version == 4) or (wide.host == "::" and version == 6)


def _version(host: str) -> int:
    """Return 4 or 6, or 0 for a host name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_version(host) != 0 and ipaddress.ip_address(host).is_loopback)
