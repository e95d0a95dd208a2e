"""Consistent hash: a ring of points, nginx's placement by placement (ketama; rule 6.27).

A backend has 160 points per weight, made of the text that configured it. A key belongs to the next
point at or behind its checksum. A backend that comes or goes moves only the keys of its points.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from proxy.settings import Address
from proxy.upstream.backend import Backend
from proxy.upstream.balance.hashes import TRIES
from proxy.upstream.balance.query import Query
from proxy.upstream.balance.round_robin import take_turn

POINTS = 160
"""Per weight."""

_RINGS = 4
"""Kept at a time: primaries, backups, and those of before the last change."""


class Ring(NamedTuple):
    """Points in ascending order, and for each the backends that it belongs to.

    Those are several where a name has several addresses: they share the points of the name.
    """

    points: list[int]
    owners: list[tuple[Backend, ...]]


class ConsistentHash:
    """By a text that the configuration makes of the request; by turns if it is empty.

    A ring is made when members or weights have changed, which takes some 0.1 ms for each weight of
    one: a hundred equal backends stop the event loop for 10 to 20 ms, once.
    """

    def __init__(self) -> None:
        self._ring = lru_cache(_RINGS)(make_ring)

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`. Points whose backends are not usable are passed over, up to a limit."""
        ring = self._ring(tuple(members), tuple(map(attrgetter("weight"), members)))
        if query.key and ring.points:
            start = bisect_left(ring.points, zlib.crc32(query.key))
            for place in range(start, start + TRIES):
                owners = ring.owners[place % len(ring.owners)]
                found = [backend for backend in owners if backend in usable]
                if found:
                    return take_turn(found)
        return take_turn(usable)


def make_ring(members: tuple[Backend, ...], weights: tuple[int, ...]) -> Ring:
    """Return the ring of these backends with these weights.

    Of two that claim the same point it is the first one's.
    """
    groups: dict[Address, list[Backend]] = {}
    for backend in members:
        groups.setdefault(backend.settings.address, []).append(backend)
    placed: dict[int, tuple[Backend, ...]] = {}
    for backend, weight in zip(members, weights, strict=True):
        address = backend.settings.address
        group = tuple(groups[address])
        for point in _points(address, weight * POINTS):
            placed.setdefault(point, group)
    points = sorted(placed)
    return Ring(points, [placed[point] for point in points])


def _points(address: Address, count: int) -> Iterator[int]:
    """Yield the checksums of host, NUL, port and the checksum before, little-endian."""
    host, port = str(address).removeprefix("unix:"), ""
    if not address.is_unix:
        host, _, port = host.rpartition(":")
    base = zlib.crc32(f"{host}\0{port}".encode("utf-8", "surrogateescape"))
    point = 0
    for _ in range(count):
        point = zlib.crc32(point.to_bytes(4, "little"), base)
        yield point
