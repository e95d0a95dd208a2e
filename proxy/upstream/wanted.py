"""What a request wants of a pool."""

from collections.abc import Hashable
from dataclasses import dataclass, field

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
    tried: dict[Backend, int] = field(default_factory=dict)

    def note_failure(self, backend: Backend) -> None:
        """Take note that a backend has failed the request."""
        self.tried[backend] = backend.health.returns

    def has_tried(self, backend: Backend) -> bool:
        """Whether a backend has failed the request, and has not been restarted since."""
        return bool(self.tried) and self.tried.get(backend) == backend.health.returns

    def suits(self, backend: Backend) -> bool:
        """Whether a backend can serve such a request at all."""
        return not (self.has_body and backend.settings.puwsgi)

    @property
    def is_picky(self) -> bool:
        """Whether others may find a place where this one finds none."""
        return self.has_body or bool(self.tried)

    @property
    def cookie(self) -> str:
        """What may lead it to one backend; empty for nothing."""
        return "" if self.query is None else self.query.cookie

    @property
    def kind(self) -> Hashable:
        """The same for all that would do with the same backends, cookies aside."""
        return self.has_body, frozenset(self.tried.items())
