"""What an algorithm is told about a request, and what it has to be able to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.upstream.backend import Backend


@dataclass(slots=True)
class Query:
    """What may decide the choice of a backend for one request."""

    now: float
    """Seconds, monotonic."""
    client: str = ""
    """Its IP address (ip-hash); any other text stands for a client without one."""
    key: bytes = b""
    """What `hash` and `consistent-hash` place (proxy.upstream.hash_key)."""
    cookie: str = ""
    """Value of the sticky cookie (proxy.upstream.sticky). Looked at before an algorithm is."""


class Balance(Protocol):
    """One algorithm with what it remembers."""

    def choose(
        self, members: Sequence[Backend], usable: Sequence[Backend], query: Query
    ) -> Backend | None:
        """Return the next backend for a request. The caller will use it.

        Args:
            members: all backends of the group in their configured order, whether usable or not:
                hashes place requests on them.
            usable: those of them that may be chosen now, in the same order; never empty. For a
                second attempt, without those that have been tried.
            query: the request.
        """
