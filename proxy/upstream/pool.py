"""The backends of one upstream, and which of them is next."""

from collections.abc import Container, Iterable

from proxy.upstream.backend import Backend, Lease


class Pool:
    """Backends taken in turn. Decides only; connects nothing."""

    def __init__(self, name: str, backends: Iterable[Backend]) -> None:
        self.name = name
        self.backends = list(backends)
        self._next = 0

    def pick(self, excluded: Container[Backend] = ()) -> Lease | None:
        """Return a lease of the next backend that is not excluded; None when there is none."""
        count = len(self.backends)
        if not excluded and count:
            index = self._next
            self._next = (index + 1) % count
            return Lease(self.backends[index])
        for offset in range(count):
            index = (self._next + offset) % count
            backend = self.backends[index]
            if backend not in excluded:
                self._next = (index + 1) % count
                return Lease(backend)
        return None

    def __repr__(self) -> str:
        states = ", ".join(f"{b.name} {b.in_flight} in flight" for b in self.backends)
        return f"<Pool {self.name}: {states}>"
