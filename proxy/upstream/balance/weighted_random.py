"""Chance: one by weight, or the less busy of two (nginx rule 6.28).

nginx throws its dice over all members and throws again when it hits one that is not usable; over
the usable ones alone the odds are the same.
"""

import random
from collections.abc import Sequence

from proxy.upstream.backend import Backend
from proxy.upstream.balance.measures import capacity, lightest, load
from proxy.upstream.balance.query import Query


def draw(usable: Sequence[Backend], rng: random.Random) -> Backend:
    """Return one of them by chance, in proportion to their weights."""
    point = rng.random() * sum(map(capacity, usable))
    for backend in usable:
        point -= capacity(backend)
        if point < 0:
            return backend
    return usable[-1]  # nothing but rounding leads here


class WeightedRandom:
    """Any, by weight."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return draw(usable, self._rng)


class RandomTwo:
    """Draw two and take the one with fewer requests in flight per weight; if equal, the first.

    nginx takes the second then, which stands the weights of an idle group on their head: of two
    servers with weights 3 and 1, the second draw is the heavy one only when the first was not, so
    that it gets one request in four. Here it gets three.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        first = draw(usable, self._rng)
        others = [backend for backend in usable if backend is not first]
        if not others:
            return first
        return lightest((first, draw(others, self._rng)), load)[0]
