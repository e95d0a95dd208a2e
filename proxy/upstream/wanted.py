"""What a request wants of a pool: a value, and mostly one of two that all requests share."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query


@dataclass(slots=True, eq=False)
class Wanted:
    """What matters about a request when a backend is chosen for it.

    `query` is for algorithms and cookies that look at the request; `has_body` keeps it away from
    puwsgi sockets; `tried` are the backends that have failed it, each with the number of its
    returns at that time: one that has been away since is a new one.
    """

    query: Query | None = None
    has_body: bool = False
    tried: Mapping[Backend, int] = field(default_factory=dict)
    is_picky: bool = field(init=False)
    """Whether others may find a place where this one finds none."""
    kind: Hashable = field(init=False)
    """The same for all that would do with the same backends, cookies aside."""

    def __post_init__(self) -> None:
        self.is_picky = self.has_body or bool(self.tried)
        self.kind = (self.has_body, frozenset(self.tried.items())) if self.tried else self.has_body

    def without(self, backend: Backend) -> "Wanted":
        """Return what is wanted after a backend has failed the request."""
        return replace(self, tried={**self.tried, backend: backend.health.returns})

    def has_tried(self, backend: Backend) -> bool:
        """Whether a backend has failed the request, and has not been restarted since."""
        return bool(self.tried) and self.tried.get(backend) == backend.health.returns

    def suits(self, backend: Backend) -> bool:
        """Whether a backend can serve such a request at all."""
        return not (self.has_body and backend.puwsgi)

    @property
    def cookie(self) -> str:
        """What may lead it to one backend; empty for nothing."""
        return "" if self.query is None else self.query.cookie


ANYTHING: Final = Wanted()
"""What a request without a body wants."""

ROOM_FOR_A_BODY: Final = Wanted(has_body=True)
