"""Where backends come from: settings, looked up once or followed, and a file."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from proxy.settings import Address, BackendSettings, DiscoverySettings, UpstreamSettings
from proxy.testing.fake_clock import FakeClock
from proxy.upstream.discovery.feeds import FeedError, Feeds, look_up
from proxy.upstream.pool import Pool
from proxy.upstream.timing import Timing
from tests.upstream.discovery.test_names import TTL_S, FakeResolver

UNIX = BackendSettings(Address(path="/run/app.sock"), weight=3)


def parse(text: str) -> BackendSettings:
    if not text.startswith("/"):
        raise ValueError("no path")
    return BackendSettings(Address(path=text))


def make(settings: UpstreamSettings) -> tuple[Feeds, Pool, FakeClock]:
    clock = FakeClock()
    timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    pool = Pool(settings, timing)
    return Feeds(settings, pool, timing, parse), pool, clock


def names(pool: Pool) -> list[str]:
    return [backend.name for backend in pool.backends]


def test_names_become_addresses_once() -> None:
    assert look_up(UNIX) == [UNIX]
    for host in ("127.0.0.1", "::1"):
        backend = BackendSettings(Address(host=host, port=5), weight=2)
        assert look_up(backend) == [backend]
    found = look_up(BackendSettings(Address(host="localhost", port=5), weight=2))
    assert len(found) == len(set(found)) > 0
    assert all((one.address.port, one.weight) == (5, 2) for one in found)


def test_names_that_are_followed_are_left_alone() -> None:
    backend = BackendSettings(Address(host="app.invalid", port=5), resolve=True)
    assert look_up(backend) == [backend]


def test_an_unknown_name_is_an_error() -> None:
    settings = UpstreamSettings(backends=(BackendSettings(Address(host="no.invalid", port=5)),))
    feeds, _, _ = make(settings)
    with pytest.raises(FeedError, match=r"host not found in --upstream no.invalid:5"):
        feeds.start()


def test_configured_backends_are_there_at_once() -> None:
    feeds, pool, _ = make(UpstreamSettings(backends=(UNIX,)))
    feeds.start()
    assert names(pool) == ["unix:/run/app.sock"]
    assert pool.backends[0].weight == 3
    assert feeds.work() is None
    feeds.stop()


def test_a_file_adds_its_own_and_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "backends"
    file.write_text("/one\n/two\n")
    discovery = DiscoverySettings(file=str(file), file_interval_s=1.0)
    feeds, pool, clock = make(UpstreamSettings(backends=(UNIX,), discovery=discovery))
    feeds.start()
    assert names(pool) == ["unix:/run/app.sock", "unix:/one", "unix:/two"]
    file.write_text("/two\n/three\n")
    clock.advance(5.0)
    assert names(pool) == ["unix:/run/app.sock", "unix:/two", "unix:/three"]
    feeds.stop()
    file.write_text("/four\n")
    clock.advance(5.0)
    assert "unix:/four" not in names(pool)
    work = feeds.work()
    assert work is not None
    work.close()


def test_a_bad_file_is_an_error_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "backends"
    file.write_text("nonsense\n")
    feeds, _, _ = make(UpstreamSettings(discovery=DiscoverySettings(file=str(file))))
    with pytest.raises(FeedError, match="no path"):
        feeds.start()


def test_a_file_needs_somebody_who_reads_it() -> None:
    settings = UpstreamSettings(discovery=DiscoverySettings(file="/x"))
    clock = FakeClock()
    timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    with pytest.raises(FeedError, match="nobody here"):
        Feeds(settings, Pool(settings, timing), timing)


def test_a_resolver_without_an_address_is_an_error() -> None:
    discovery = DiscoverySettings(resolvers=(Address(host="dns.example", port=53),))
    backend = BackendSettings(Address(host="app.example", port=1), resolve=True)
    with pytest.raises(FeedError, match="IP address"):
        make(UpstreamSettings(backends=(backend,), discovery=discovery))


async def until(pool: Pool, wanted: list[str]) -> None:
    for _ in range(100):
        if names(pool) == wanted:
            return
        await asyncio.sleep(0)
    assert names(pool) == wanted


def test_a_new_answer_does_not_bring_back_what_was_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the settings some are followed in DNS; the others are an operator's to remove."""
    resolver = FakeResolver()
    resolver.set("app.example A", "127.0.0.2")
    monkeypatch.setattr(
        "proxy.upstream.discovery.feeds.make_resolver", lambda servers, with_services: resolver
    )
    followed = BackendSettings(Address(host="app.example", port=5), resolve=True)

    async def scenario() -> None:
        feeds, pool, clock = make(UpstreamSettings(backends=(UNIX, followed)))
        feeds.start()
        work = feeds.work()
        assert work is not None
        task = asyncio.ensure_future(work)
        await until(pool, ["unix:/run/app.sock", "127.0.0.2:5"])
        pool.remove(pool.backends[0])
        resolver.set("app.example A", "127.0.0.2", "127.0.0.3")
        clock.advance(TTL_S)
        await until(pool, ["127.0.0.2:5", "127.0.0.3:5"])
        task.cancel()

    asyncio.run(scenario())
