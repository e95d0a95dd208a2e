"""A backend as its checks know it. Forgotten together with it."""

from dataclasses import dataclass

from proxy.upstream.backend import Backend
from proxy.upstream.checks.stats import StatsFacts


@dataclass(slots=True, eq=False)
class Subject:
    """What checks remember of one backend from one time to the next."""

    backend: Backend
    answers_ping: bool | None = None
    """Whether it understands uwsgi's ping; None until that is known."""
    stats_in_http: bool | None = None
    """Whether its stats server waits for an HTTP request (--stats-http); None if not known."""
    facts: StatsFacts | None = None
    """What its stats server said last."""
    unserved_since: float | None = None
    """Since when its stats server has known no worker that serves; None while there is one."""

    @property
    def capacity(self) -> int:
        """Requests from here that it can work on at a time; 0 if that is not known."""
        backend = self.backend
        return backend.part(
            backend.max_conns
            or backend.learned_conns
            or (0 if self.facts is None else self.facts.capacity)
        )

    @property
    def is_full(self) -> bool:
        """Whether we occupy all of it ourselves, so that a check has to wait for its turn.

        A puwsgi connection occupies a worker also while it rests; where the capacity of such a
        backend is not known, any connection of ours may be the one too many.
        """
        backend = self.backend
        if not backend.settings.puwsgi:
            return 0 < self.capacity <= backend.in_flight
        return max(1, self.capacity) <= backend.in_flight + len(backend.idle)
