"""ip-hash and hash, with nginx's placements: a number, modulo the total weight, is a backend.

Members that are down keep their share of the numbers. A number that falls on one that is not
usable is replaced by the next of an endless series; after TRIES of them the round robin decides.
Nothing has to be kept between the attempts of a request: the series begins anew, and passes over
the backend that has been tried like over any other that is not usable. (nginx does not count it as
passed over then. That can matter only where the series is nearly used up.)
"""

import socket
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query
from proxy.upstream.balance.round_robin import take_turn

TRIES = 21
"""nginx gives up after the twenty-first miss."""

_NO_ADDRESS = bytes(3)
"""nginx's stand-in for clients of unix sockets."""


def pack_address(text: str) -> bytes:
    """Return an IPv4 or IPv6 address as 4 or 16 bytes; none of any other text."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, text.partition("%")[0])
        except (OSError, ValueError):  # ValueError: a NUL, or not to be encoded
            pass
    return b""


class IpHash:
    """By the client's network: 24 bits of an IPv4 address, all of an IPv6 one (rule 6.25)."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return _place(members, usable, _ip_series(query.client))


class KeyHash:
    """By a text that the configuration makes of the request; by turns if it is empty (6.26)."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return _place(members, usable, _key_series(query.key) if query.key else ())


def _place(members: Sequence[Backend], usable: Sequence[Backend], series: Iterable[int]) -> Backend:
    total = sum(backend.weight for backend in members)
    if total:
        for number in islice(series, TRIES):
            backend = _owner(members, number % total)
            if backend in usable:
                return backend
    return take_turn(usable)


def _owner(members: Sequence[Backend], number: int) -> Backend:
    """Return whose number it is: each owns as many as its weight, in order."""
    for backend in members:
        number -= backend.weight
        if number < 0:
            return backend
    raise AssertionError("the number is not below the total weight")


def _ip_series(client: str) -> Iterator[int]:
    octets = _network(client)
    number = 89
    while True:
        for octet in octets:
            number = (number * 113 + octet) % 6271
        yield number


def _network(client: str) -> bytes:
    """Return the bytes of an address that count; clients without one are all alike."""
    packed = pack_address(client) or _NO_ADDRESS
    return packed[:3] if len(packed) == 4 else packed


def _key_series(key: bytes) -> Iterator[int]:
    """Yield sums of the checksums of KEY, 1KEY, 2KEY, ..., each cut to 15 bits."""
    number = zlib.crc32(key) >> 16 & 0x7FFF
    again = 0
    while True:
        yield number
        again += 1
        number += zlib.crc32(b"%d%b" % (again, key)) >> 16 & 0x7FFF
