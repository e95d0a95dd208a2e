"""Least connections: the fewest requests in flight per weight (nginx rule 6.23)."""

from collections.abc import Sequence

from proxy.upstream.backend import Backend
from proxy.upstream.balance.measures import lightest, load
from proxy.upstream.balance.query import Query
from proxy.upstream.balance.round_robin import settle


class LeastConn:
    """The least busy one; among equals, by turns."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return settle(lightest(usable, load))
