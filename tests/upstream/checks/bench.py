"""One backend in memory, and probes of it under a clock that stands still."""

from proxy.settings import Address, BackendSettings, HealthSettings
from proxy.testing.fake_clock import LATE_S, FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryChannel, MemoryNetwork
from proxy.upstream.backend import Backend
from proxy.upstream.checks.probe import Check, probe
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Finding, Verdict
from proxy.upstream.health import Health
from proxy.waiting import Vigil

TIMEOUT_S = 2.0
ADDRESS = Address(path="/run/app.sock")
STATS = Address(path="/run/stats.sock")


def make_backend(settings: BackendSettings | None = None, address: Address = ADDRESS) -> Backend:
    """Return a backend at `address`."""
    settings = settings or BackendSettings(address)
    return Backend(address, str(address), settings, Health(settings, HealthSettings(), 10.0))


class Bench:
    """See the module. Its stats server, if settings name it, is in memory, too."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self.clock = FakeClock()
        self.memory = MemoryBackend(ADDRESS)
        self.stats = MemoryBackend(STATS)
        self.network = MemoryNetwork(self.clock, [self.memory, self.stats])
        self.backend = make_backend(settings)
        self.subject = Subject(self.backend)

    def ask(self, check: Check) -> "Asked":
        """Begin a probe."""
        return Asked(self, check)

    @property
    def channel(self) -> MemoryChannel:
        """The newest connection to the backend."""
        return self.memory.channel


class Asked:
    """A probe that runs, or has ended."""

    def __init__(self, bench: Bench, check: Check) -> None:
        self.vigil = Vigil(bench.clock.deadlines, bench.clock)
        self.ended = False
        self.error: BaseException | None = None
        self._found: list[Finding] = []
        self._bench = bench
        self._check = check
        self.vigil.wake.start(self._run(), self._on_end)
        bench.clock.settle()

    async def _run(self) -> None:
        bench = self._bench
        finding = await probe(self._check, bench.subject, bench.network, self.vigil, TIMEOUT_S)
        self._found.append(finding)

    def _on_end(self, error: BaseException | None) -> None:
        self.ended = True
        self.error = error

    @property
    def finding(self) -> Finding:
        """What it has found out, once it has ended; all its connections are closed then."""
        assert self.ended, "the probe still waits"
        if self.error is not None:
            raise self.error
        for memory in (self._bench.memory, self._bench.stats):
            assert all(channel.closed for channel in memory.channels)
        assert not len(self._bench.clock.deadlines)
        return self._found[0]

    @property
    def fate(self) -> tuple[Verdict, str]:
        """Verdict and word."""
        return self.finding.verdict, self.finding.word

    def expire(self) -> "Asked":
        """Let its deadline pass."""
        self._bench.clock.advance(TIMEOUT_S - 0.01)
        assert not self.ended, "before its time"
        self._bench.clock.advance(0.01 + LATE_S)
        return self


def drip(channel: MemoryChannel, data: bytes) -> None:
    """Send `data` byte by byte."""
    for byte in data:
        channel.reply(bytes((byte,)))
