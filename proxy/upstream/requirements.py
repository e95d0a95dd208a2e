"""What the settings of an upstream make of a request: what decides its backend, and its place.

Mostly nothing does: then requests share what they want.
"""

from protocol.messages import ConnectionFacts, Request
from proxy.settings import UpstreamSettings
from proxy.upstream.balance.query import Query
from proxy.upstream.hash_key import compile_key
from proxy.upstream.sticky import StickyCookie
from proxy.upstream.wanted import ANYTHING, ROOM_FOR_A_BODY, Wanted


class Requirements:
    """One upstream's. `sticky` is its cookie, if there is one; `needs_times` that its algorithm
    looks at how long backends took.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        """Compile what the settings say.

        Raises:
            ValueError: the hash key or the sticky cookie cannot be used.
        """
        balance = settings.balance
        self.sticky = StickyCookie(balance.sticky) if balance.sticky.name else None
        is_keyed = balance.algorithm in ("hash", "consistent-hash")
        self._key = compile_key(balance.hash_key) if is_keyed else None
        self.needs_times = balance.algorithm.startswith("least-time")
        self._needs_client = balance.algorithm == "ip-hash"
        self._asks = is_keyed or self._needs_client or self.sticky is not None
        # The longest prefix that fits counts: so the longest come first.
        self._priorities = [
            (prefix.encode(), priority)
            for prefix, priority in sorted(settings.queue.priorities, key=lambda p: -len(p[0]))
        ]

    def of(self, request: Request, facts: ConnectionFacts) -> Wanted:
        """Return what a request wants of the pool; its query's time is set with each pick."""
        if not self._asks:
            return ROOM_FOR_A_BODY if request.has_body else ANYTHING
        query = Query(
            0.0,
            facts.remote_addr.decode() if self._needs_client else "",
            self._key(request, facts) if self._key is not None else b"",
            self.sticky.read(request.headers) if self.sticky is not None else "",
        )
        return Wanted(query, request.has_body)

    def priority_of(self, request: Request) -> int:
        """Return the class of a request that has to wait; lower ones are served first."""
        if not self._priorities:
            return 0
        path = request.target.path
        for prefix, priority in self._priorities:
            if path.startswith(prefix):
                return priority
        return 0
