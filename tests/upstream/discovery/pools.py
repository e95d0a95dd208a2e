"""Pools that write down what is done to them, for tests of discovery."""

from collections.abc import Callable

from proxy.settings import Address, BackendSettings, HealthSettings
from proxy.upstream.backend import Backend
from proxy.upstream.health import Health


def make_backend(settings: BackendSettings, address: Address) -> Backend:
    """Return a backend that nothing has happened to yet."""
    return Backend(address, str(address), settings, Health(settings, HealthSettings(), 10.0))


class FakePool:
    """Obeys; a backend that is removed while it works leaves when `finish` says so."""

    def __init__(self, name: str = "pool") -> None:
        self.name = name
        self.backends: tuple[Backend, ...] = ()
        self.calls: list[str] = []
        """What was done, as text: `weight 127.0.0.1:1 5`."""

    def add(self, settings: BackendSettings, address: Address, source: str) -> Backend:
        backend = make_backend(settings, address)
        backend.source = source
        self.backends = (*self.backends, backend)
        self.calls.append(f"add {address}{' as backup' if settings.backup else ''}")
        return backend

    def remove(self, backend: Backend) -> None:
        self.calls.append(f"remove {backend.name}")
        backend.leaving = True
        if not backend.in_flight:
            self.finish(backend)

    def drain(self, backend: Backend) -> None:
        self.calls.append(f"drain {backend.name}")
        backend.draining = True

    def enable(self, backend: Backend) -> None:
        self.calls.append(f"enable {backend.name}")
        backend.draining = backend.down = False

    def learn(self, backend: Backend, conns: int) -> None:
        self.calls.append(f"learn {backend.name} {conns}")
        backend.learned_conns = conns

    def set_weight(self, backend: Backend, weight: int) -> None:
        self.calls.append(f"weight {backend.name} {weight}")
        backend.weight = weight

    def finish(self, backend: Backend) -> None:
        """Let a backend's last request end."""
        backend.in_flight = 0
        self.backends = tuple(one for one in self.backends if one is not backend)

    def take_calls(self) -> list[str]:
        """Return and forget what was done."""
        calls, self.calls = self.calls, []
        return calls

    @property
    def serving(self) -> list[str]:
        """The names of those that get requests."""
        return [one.name for one in self.backends if one.serves]


class FakeProver:
    """Collects who is to be proved; the test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Address, Callable[[bool], None]]] = []

    def start(self, address: Address, then: Callable[[bool], None]) -> None:
        self.asked.append((address, then))

    def answer(self, up: bool = True) -> None:
        """Answer all of them."""
        asked, self.asked = self.asked, []
        for _, then in asked:
            then(up)
