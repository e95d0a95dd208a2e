"""What a backend is, and how it is doing."""

from dataclasses import dataclass

from proxy.settings import Address


@dataclass(slots=True, eq=False)
class Backend:
    """One uwsgi address with its live counters.

    `replied` turns true with its first reply; until then `speaks_http` may be found out, once.
    """

    address: Address
    name: str
    in_flight: int = 0
    attempts: int = 0
    failures: int = 0
    replied: bool = False
    speaks_http: bool | None = None


class Lease:
    """Permission to use one backend once. Must be released, with or without a failure."""

    __slots__ = ("_open", "backend")

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._open = True
        backend.in_flight += 1
        backend.attempts += 1

    def release(self, *, failed: bool = False) -> None:
        """Give the backend back. A second call does nothing."""
        if self._open:
            self._open = False
            self.backend.in_flight -= 1
            self.backend.failures += failed
