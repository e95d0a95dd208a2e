"""What is told about pools: exactly what is in them."""

from random import Random

from proxy.settings import Address, BackendSettings, CheckSettings, CheckSpec, UpstreamSettings
from proxy.telemetry.catalogue import PREFIX
from proxy.telemetry.exposition import render
from proxy.telemetry.pool_metrics import PoolMetrics
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.backlog import Depth
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.health import Outcome
from proxy.upstream.line import Waiter
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import Wanted

ONE, TWO = Address(path="/one"), Address(host="::1", port=2)


def make() -> tuple[Upstream, FakeClock, PoolMetrics]:
    clock = FakeClock()
    timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    network = MemoryNetwork(clock, [MemoryBackend(ONE), MemoryBackend(TWO)])
    check = CheckSettings(checks=(CheckSpec("connect"),))
    settings = UpstreamSettings(name="web", check=check, backlog_interval_s=0.0)
    upstream = Upstream(settings, Tools(timing, clock.deadlines, network))
    for address, cap in ((ONE, 1), (TWO, 1)):
        upstream.pool.add(BackendSettings(address, max_conns=cap), address)
    return upstream, clock, PoolMetrics(lambda: [upstream], lambda: {"new": 3}, clock)


def samples(metrics: PoolMetrics) -> dict[str, float]:
    """Return each sample by the text that stands before its value."""
    lines = render(list(metrics.collect()))[0].decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name.removeprefix(PREFIX): float(value) for name, _, value in pairs}


def test_who_waits_and_who_works() -> None:
    upstream, _, metrics = make()
    pool = upstream.pool
    lease = pool.pick(Wanted())
    assert lease is not None
    assert pool.pick(Wanted()) is not None
    assert pool.wait(Waiter(0, Wanted(), lambda: None))
    found = samples(metrics)
    assert found['upstream_queue_length{upstream="web"}'] == 1
    assert found['upstream_queue_limit{upstream="web"}'] == 1024
    assert found['upstream_queue_refused_total{upstream="web"}'] == 0
    assert found['backend_in_flight{backend="unix:/one",upstream="web"}'] == 1
    assert found['backend_in_flight{backend="[::1]:2",upstream="web"}'] == 1
    assert found['backend_max_conns{backend="unix:/one",upstream="web"}'] == 1
    assert found['subscription_events_total{event="new"}'] == 3


def test_states() -> None:
    upstream, _, metrics = make()
    lease = upstream.pool.pick(Wanted())
    assert lease is not None
    lease.release(Outcome.BAD)
    found = samples(metrics)
    for state, value in (("up", 0), ("paused", 1), ("down", 0), ("absent", 0)):
        name = f'backend_state{{backend="unix:/one",state="{state}",upstream="web"}}'
        assert found[name] == value
    assert found['backend_state{backend="[::1]:2",state="up",upstream="web"}'] == 1
    upstream.pool.drain(upstream.pool.backends[0])
    assert samples(metrics)['backend_serves{backend="unix:/one",upstream="web"}'] == 0


def test_the_queue_in_the_kernel_is_told_where_it_is_known() -> None:
    upstream, _, metrics = make()
    upstream.pool.backends[0].backlog = Depth(7, 100)
    found = samples(metrics)
    assert found['backend_listen_queue{backend="unix:/one",upstream="web"}'] == 7
    assert found['backend_listen_queue_limit{backend="unix:/one",upstream="web"}'] == 100
    assert 'backend_listen_queue{backend="[::1]:2",upstream="web"}' not in found


def test_checks_and_retries() -> None:
    upstream, clock, metrics = make()
    upstream.start()
    clock.advance(20.0)
    assert upstream.means.budget.begin(0)
    found = samples(metrics)
    assert found['backend_checks_total{backend="unix:/one",result="good",upstream="web"}'] >= 3
    assert found['backend_checks_total{backend="unix:/one",result="bad",upstream="web"}'] == 0
    assert found['upstream_retries_in_flight{upstream="web"}'] == 1
    upstream.stop()


def test_no_family_is_named_twice() -> None:
    _, _, metrics = make()
    names = [family.name for family in metrics.collect()]
    assert len(names) == len(set(names))


def test_a_full_listen_queue_is_counted() -> None:
    upstream, _, metrics = make()
    for _ in range(2):
        lease = upstream.pool.pick(Wanted())
        assert lease is not None
        lease.release(Outcome.BUSY)
    found = samples(metrics)
    full = [
        found[f'backend_backlog_full_total{{backend="{name}",upstream="web"}}']
        for name in (
            "unix:/one",
            "[::1]:2",
        )
    ]
    assert sum(full) == 2


def test_ejections_and_panic() -> None:
    upstream, clock, metrics = make()
    pool = upstream.pool
    found = samples(metrics)
    assert found['backend_ejections_total{backend="unix:/one",upstream="web"}'] == 0
    assert found['upstream_panic{upstream="web"}'] == 0
    for _ in range(2):
        pool.backends[0].health.eject(clock())
        clock.advance(1000.0)
    assert samples(metrics)['backend_ejections_total{backend="unix:/one",upstream="web"}'] == 2
    for backend in pool.backends:
        pool.checked(backend, False)
    assert samples(metrics)['upstream_panic{upstream="web"}'] == 1
    pool.checked(pool.backends[0], True)
    assert samples(metrics)['upstream_panic{upstream="web"}'] == 0
