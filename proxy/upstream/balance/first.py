"""First available: fill one backend up before the next gets anything.

For pools whose later members should be idle, so that they can be stopped. Without a limit of
requests at a time (`max_conns`) the first usable one gets all.
"""

from collections.abc import Sequence

from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query


class First:
    """The first usable one in the configured order."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend:
        """See `Balance`."""
        return usable[0]
