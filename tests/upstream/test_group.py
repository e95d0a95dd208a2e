"""One upstream and what keeps its pool up to date, in memory."""

import asyncio
from random import Random

import pytest

from proxy.settings import (
    Address,
    BackendSettings,
    CheckSettings,
    CheckSpec,
    HealthSettings,
    UpstreamSettings,
)
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.group import TICK_S, Tools, Upstream
from proxy.upstream.health import Outcome, State
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import Wanted

ADDRESS = Address(path="/run/app.sock")


def make(settings: UpstreamSettings) -> tuple[Upstream, FakeClock, MemoryBackend]:
    clock, far = FakeClock(), MemoryBackend(ADDRESS)
    timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    upstream = Upstream(settings, Tools(timing, clock.deadlines, MemoryNetwork(clock, [far])))
    for address in (ADDRESS, Address(path="/run/other.sock")):
        upstream.pool.add(BackendSettings(address), address)
    return upstream, clock, far


def test_checks_decide_on_the_pool_until_they_are_stopped() -> None:
    check = CheckSettings(checks=(CheckSpec("connect"),), fall=1, interval_s=5.0)
    upstream, clock, far = make(UpstreamSettings(check=check, backlog_interval_s=0.0))
    upstream.pool.remove(upstream.pool.backends[1])
    (backend,) = upstream.pool.backends
    upstream.start()
    clock.advance(10.0)
    assert far.tries >= 1
    assert backend.health.state(clock()) is State.UP
    far.outcome = "busy"
    clock.advance(10.0)
    assert backend.health.state(clock()) is State.UP
    upstream.stop()
    upstream.stop()
    tries = far.tries
    clock.advance(60.0)
    assert far.tries == tries


def test_a_failure_hastens_the_next_check() -> None:
    check = CheckSettings(checks=(CheckSpec("connect"),), interval_s=60.0, fast_interval_s=1.0)
    upstream, clock, far = make(UpstreamSettings(check=check, backlog_interval_s=0.0))
    upstream.pool.remove(upstream.pool.backends[1])
    upstream.start()
    clock.advance(70.0)
    tries = far.tries
    lease = upstream.pool.pick(Wanted())
    assert lease is not None
    lease.release(Outcome.BAD)
    clock.advance(1.5)
    assert far.tries == tries + 1
    upstream.stop()


def test_without_checks_there_are_none() -> None:
    upstream, _, _ = make(UpstreamSettings(backlog_interval_s=0.0))
    assert upstream.checks is None


def test_time_is_noticed() -> None:
    rules = HealthSettings(outlier_failures=1, ejection_base_s=5.0)
    upstream, clock, _ = make(UpstreamSettings(health=rules, backlog_interval_s=0.0))
    upstream.start()
    lease = upstream.pool.pick(Wanted())
    assert lease is not None
    lease.release(Outcome.BAD)
    backend = lease.backend
    clock.advance(7.0)
    changes = backend.health.changes
    clock.advance(60.0)
    assert changes >= 1
    assert backend.health.state(clock()) is State.UP or backend.troubled
    upstream.stop()


def test_idle_connections_are_closed_in_the_end() -> None:
    async def main() -> None:
        upstream, clock, far = make(UpstreamSettings(backlog_interval_s=0.0))
        backend = upstream.pool.backends[0]
        backend.idle.limit = 1
        network = MemoryNetwork(clock, [far])
        channel = network.open(ADDRESS, lambda: None)
        assert backend.idle.put(channel)
        upstream.stop()
        assert channel.closed

    asyncio.run(main())


def test_a_look_that_meets_a_bug_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream, clock, _ = make(UpstreamSettings(backlog_interval_s=0.0))
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock())
        raise ZeroDivisionError

    monkeypatch.setattr(upstream.pool, "tick", tick)
    upstream.start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            clock.advance(TICK_S)
    upstream.stop()
    assert len(ticks) == 2
