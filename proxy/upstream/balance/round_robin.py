"""Smooth weighted round robin, nginx's default: weights 5/1/1 give A A B A C A A (rule 6.22).

Its memory is in the backends (`current_weight`, `effective_weight`), so several algorithms that
fall back to it share one turn.
"""

from collections.abc import Sequence

from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query


def take_turn(usable: Sequence[Backend]) -> Backend:
    """Return whose turn it is and take note of it.

    Each one gains its effective weight, times its share in slow start; the first of the richest
    pays what all have gained. An effective weight that failures have lowered grows back by one
    (rule 6.17). With whole weights and no slow start this is nginx's sequence to the letter.
    """
    best = usable[0]
    richest = float("-inf")
    total = 0.0
    for backend in usable:
        gain = backend.effective_weight * backend.ramp
        total += gain
        backend.current_weight += gain
        if backend.effective_weight < backend.weight:
            backend.effective_weight += 1
        if backend.current_weight > richest:
            best, richest = backend, backend.current_weight
    best.current_weight -= total
    return best


def settle(tied: Sequence[Backend]) -> Backend:
    """Return one of those that another algorithm holds for equal.

    A single one gets by without a turn, as in nginx.
    """
    return tied[0] if len(tied) == 1 else take_turn(tied)


class RoundRobin:
    """All in turn, each as often as its weight says."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return take_turn(usable)
