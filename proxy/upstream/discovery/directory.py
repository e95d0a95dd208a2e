"""Virtual hosts: which pool serves a host, when pools come into being by announcement.

Owns the table from keys to pools. A key is what an instance announced and a Host header asks for:
`host` or `host:port`. uWSGI's routers compare them byte by byte; here both are put into one form
first, since host names know no case and a default port is no difference.

A pool exists from its first backend on. When its last one has left it lingers for a while: an
instance that is restarted says goodbye first, and those who wait meanwhile wait in its pool.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from proxy.upstream.discovery.admission import Refused

MAX_KEY_CHARACTERS = 255
MAX_SPLITS = 5
"""How many parts of a host are dropped in search of a wildcard (uWSGI: subscription-dotsplit)."""

LINGER_S = 60.0
"""How long a pool without backends is kept: as long as a request waits by default."""

_DEFAULT_PORTS = ("", "80", "443")
_KEY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::([0-9]{0,5}))?")
"""A host in lower case, perhaps with a dot behind it, perhaps with a port."""


class HasBackends(Protocol):
    """What a directory needs to know of a pool."""

    @property
    def backends(self) -> "tuple[Any, ...]":
        """All, those that are leaving included."""


P = TypeVar("P", bound=HasBackends)


def normalise(key: str) -> str:
    """Return the one form of a key: lower case, without a default port or a dot at the end.

    Raises:
        Refused: it is not `host` or `host:port`. uWSGI also knows `host/path`: such an instance
            wants only a part of a host's requests, which is not done here.
    """
    host, port = _split(key)
    return host if port in _DEFAULT_PORTS else f"{host}:{port}"


def _split(key: str) -> tuple[str, str]:
    """Return host and port, which is empty when there is none."""
    found = _KEY.fullmatch(key.lower()) if key.isascii() else None
    if found is None or len(key) > MAX_KEY_CHARACTERS:
        raise Refused("key", f"{key[:64]!r} is neither host nor host:port")
    return found[1], found[2] or ""


@dataclass(slots=True)
class _Entry(Generic[P]):
    pool: P
    members: int = 0
    empty_since: float = 0.0


class Directory(Generic[P]):
    """See the module. `make_pool(key)` makes its pools; `close_pool` is told when one goes."""

    def __init__(
        self,
        make_pool: Callable[[str], P],
        close_pool: Callable[[P], None] = lambda pool: None,
        fallback_key: str = "",
        max_pools: int = 1000,
    ) -> None:
        """Start empty.

        Raises:
            Refused: the fallback key is no key.
        """
        self._make_pool = make_pool
        self._close_pool = close_pool
        self._fallback = normalise(fallback_key) if fallback_key else ""
        self._max_pools = max_pools
        self._entries: dict[str, _Entry[P]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def pools(self) -> Mapping[str, P]:
        """The pools by their keys, for those who show them."""
        return MappingProxyType({key: entry.pool for key, entry in self._entries.items()})

    def lookup(self, host: bytes | str) -> P | None:
        """Return the pool for a Host header; None when nobody has announced it.

        The exact `host:port` comes first, then `host`, then the wildcards `.b.com` and `.com` for
        `a.b.com`, then the fallback. Pools that only linger come after all those that serve.
        """
        text = host.decode("latin-1") if isinstance(host, bytes) else host
        lingering: P | None = None
        for key in self._candidates(text):
            entry = self._entries.get(key)
            if entry is not None and entry.members:
                return entry.pool
            if entry is not None and lingering is None:
                lingering = entry.pool
        return lingering

    def _candidates(self, host: str) -> Iterator[str]:
        with contextlib.suppress(Refused):
            name, port = _split(host)
            if port not in _DEFAULT_PORTS:
                yield f"{name}:{port}"
            yield name
            for _ in range(MAX_SPLITS):
                _, _, rest = name.lstrip(".").partition(".")
                if not rest:
                    break
                name = "." + rest
                yield name
        if self._fallback:
            yield self._fallback

    def join(self, key: str) -> P:
        """Return the pool for one more backend of a (normalised) key; it is made if needed."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._max_pools:
                self._close_longest_empty()
            entry = self._entries[key] = _Entry(self._make_pool(key))
        entry.members += 1
        return entry.pool

    def leave(self, key: str, now: float) -> None:
        """Take note that a backend of this key is gone, or finishes its last requests."""
        entry = self._entries[key]
        entry.members -= 1
        entry.empty_since = now

    def sweep(self, now: float) -> list[str]:
        """Close the pools that have lingered long enough; return their keys."""
        over = [
            key
            for key, entry in self._entries.items()
            if not entry.members and not entry.pool.backends and now - entry.empty_since >= LINGER_S
        ]
        for key in over:
            self._close(key)
        return over

    def _close_longest_empty(self) -> None:
        """Make room for one pool. Every other pool has a backend, so one must linger."""
        empty = [
            (entry.empty_since, key) for key, entry in self._entries.items() if not entry.members
        ]
        if empty:
            self._close(min(empty)[1])

    def _close(self, key: str) -> None:
        self._close_pool(self._entries.pop(key).pool)
