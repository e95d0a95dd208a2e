"""What names come to: members of a pool, in time. The times are given, the answers mostly, too."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.settings import Address, BackendSettings, DiscoverySettings
from proxy.testing.fake_clock import FakeClock
from proxy.upstream.discovery.dns import Answer, DnsResolver, Kind, Record, UnansweredError
from proxy.upstream.discovery.names import (
    MAX_ASKING,
    MAX_TOLD,
    RETRY_MAX_S,
    RETRY_S,
    Names,
)
from tests.loops import both_loops, run
from tests.upstream.discovery.dns_server import dns_server

TTL_S = 60.0
PORT = 3031
SETTINGS = DiscoverySettings(min_ttl_s=5.0, max_ttl_s=100.0)


class FakeResolver:
    """Knows what it is told. `failing` are names, or names and types, that it cannot say."""

    def __init__(self) -> None:
        self.zone: dict[str, list[Record]] = {}
        self.ttls: dict[str, float] = {}
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self.running = self.most_running = 0

    def set(self, question: str, *records: str | Record) -> None:
        every = [Record(one) if isinstance(one, str) else one for one in records]
        self.zone[question] = every

    async def ask(self, name: str, kind: Kind) -> Answer:
        question = f"{name} {kind}"
        self.asked.append(question)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.failing & {"*", name, question}:
            raise UnansweredError(f"{name} is not known")
        return Answer(tuple(self.zone.get(question, ())), self.ttls.get(question, TTL_S))


class FakePool:
    """Records what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[Address, BackendSettings]]] = []

    def sync(self, source: str, wanted: Mapping[Address, BackendSettings]) -> None:
        self.told.append((source, dict(wanted)))


class Scene:
    """Names with everything around them. `news` has what was told, as text."""

    def __init__(self) -> None:
        self.pool = FakePool()
        self.resolver = FakeResolver()
        self.clock = FakeClock()
        self.names = Names(self.pool, self.resolver, SETTINGS, self.clock, self.clock.call_later)

    def follow(self, *backends: BackendSettings, source: str = "dns") -> None:
        self.names.follow(source, backends)

    async def pass_time(self, seconds: float) -> float:
        self.clock.advance(seconds)
        return await self.names.refresh()

    def members(self) -> dict[Address, BackendSettings]:
        """Return what was told, which is once."""
        ((_, members),) = self.pool.told
        self.pool.told.clear()
        return members

    def news(self) -> list[str]:
        """Return what was told since the last time: addresses, without the port that all have."""
        told = [" ".join(map(str, members)) for _, members in self.pool.told]
        self.pool.told.clear()
        return [text.replace(f":{PORT}", "") for text in told]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def backend(host: str, port: int = PORT, **settings: object) -> BackendSettings:
    return replace(BackendSettings(Address(host, port)), **settings)  # type: ignore[arg-type]


APP = backend("app.test")
SERVICE = backend("app.test", 0, service="_u._tcp")


def test_what_needs_no_resolving_is_told_at_once(scene: Scene) -> None:
    path = BackendSettings(Address(path="/run/a"), weight=3)
    abstract = BackendSettings(Address(path="\0a"))
    four, six = backend("10.0.0.1"), backend("fd00::1", backup=True)
    scene.follow(path, abstract, four, six, source="file")
    every = {one.address: one for one in (path, abstract, four, six)}
    assert scene.pool.told == [("file", every)]
    assert list(every) == list(scene.pool.told[0][1])
    assert run("asyncio", scene.names.refresh()) == math.inf
    assert not scene.resolver.asked


def test_a_name_is_all_its_addresses(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.2", "10.0.0.1")
        scene.resolver.set("app.test AAAA", "fd00::1")
        wanted = replace(APP, weight=7, backup=True)
        scene.follow(wanted)
        assert not scene.pool.told
        assert await scene.names.refresh() == TTL_S
        members = scene.members()
        assert [address.host for address in members] == ["10.0.0.1", "10.0.0.2", "fd00::1"]
        assert all(address.port == PORT for address in members)
        assert all(settings == wanted for settings in members.values())

    run("asyncio", main())


def test_a_name_is_asked_for_again_by_its_time_to_live(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        await scene.names.refresh()
        assert await scene.pass_time(TTL_S - 1) == 1
        assert len(scene.resolver.asked) == 2
        assert await scene.pass_time(1) == TTL_S
        assert len(scene.resolver.asked) == 4
        assert scene.news() == ["10.0.0.1"]  # and no more: nothing has changed

    run("asyncio", main())


@pytest.mark.parametrize(
    ("ttl_s", "expected"), [(0, 5), (5, 5), (50, 50), (100, 100), (99999, 100)]
)
def test_times_to_live_have_limits(scene: Scene, ttl_s: float, expected: float) -> None:
    scene.resolver.set("app.test A", "10.0.0.1")
    scene.resolver.ttls["app.test A"] = ttl_s
    scene.resolver.ttls["app.test AAAA"] = 1  # there is none: that says nothing about the A
    scene.follow(APP)
    assert run("asyncio", scene.names.refresh()) == expected


def test_the_shortest_time_counts(scene: Scene) -> None:
    scene.resolver.set("app.test A", "10.0.0.1")
    scene.resolver.set("app.test AAAA", "fd00::1")
    scene.resolver.ttls["app.test AAAA"] = 20
    scene.follow(APP)
    assert run("asyncio", scene.names.refresh()) == 20


def test_addresses_come_and_go(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(APP)
        for hosts in (["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.2"], []):
            scene.resolver.set("app.test A", *hosts)
            await scene.pass_time(TTL_S)
            assert scene.news() == [" ".join(hosts)]
        scene.resolver.set("app.test A", "10.0.0.3")
        assert await scene.pass_time(RETRY_MAX_S) == TTL_S
        assert scene.news() == ["10.0.0.3"]

    run("asyncio", main())


def test_an_order_that_turns_is_no_news(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(APP)
        for hosts in (["10.0.0.10", "10.0.0.9"], ["10.0.0.9", "10.0.0.10"]):
            scene.resolver.set("app.test A", *hosts)
            await scene.pass_time(TTL_S)
        assert scene.news() == ["10.0.0.9 10.0.0.10"]

    run("asyncio", main())


def test_what_does_not_exist_is_empty_and_soon_asked_for_again(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(APP)
        assert await scene.names.refresh() == RETRY_MAX_S
        assert scene.news() == [""]
        scene.resolver.ttls = {"app.test A": 1, "app.test AAAA": 7}
        assert await scene.pass_time(RETRY_MAX_S) == SETTINGS.min_ttl_s

    run("asyncio", main())


def test_an_error_takes_nothing_away(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        await scene.names.refresh()
        scene.news()
        scene.resolver.failing = {"*"}
        waits = [await scene.pass_time(TTL_S)]
        for _ in range(6):
            waits.append(await scene.pass_time(waits[-1]))
        assert waits == [5, 5, 5, 8, 16, 30, 30]  # 1, 2, 4 are below the least time to live
        for _ in range(100):
            await scene.pass_time(RETRY_MAX_S)
        assert scene.news() == []
        scene.resolver.failing.clear()
        assert await scene.pass_time(RETRY_MAX_S) == TTL_S
        assert scene.news() == []
        scene.resolver.failing = {"*"}
        assert await scene.pass_time(TTL_S) == 5

    run("asyncio", main())
    assert caplog.messages == [
        "app.test is 10.0.0.1:3031",
        "app.test cannot be resolved: app.test is not known; its 1 addresses stay",
        "app.test can be resolved again",
        "app.test cannot be resolved: app.test is not known; its 1 addresses stay",
    ]


def test_what_nobody_has_foreseen_is_an_error_like_any_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No thread was left for the C library's question: that ended all questions, for good."""

    async def refuse(name: str, kind: Kind) -> Answer:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        await scene.names.refresh()
        scene.news()
        with monkeypatch.context() as patched:
            patched.setattr(scene.resolver, "ask", refuse)
            await scene.pass_time(TTL_S)
            await scene.pass_time(5)
        assert scene.news() == []
        scene.resolver.set("app.test A", "10.0.0.2")
        await scene.pass_time(5)
        assert scene.news() == ["10.0.0.2"]

    run("asyncio", main())
    assert caplog.text.count("internal_error") == 1
    assert "can't start new thread; its 1 addresses stay" in caplog.text


def test_retries_begin_after_a_second() -> None:
    scene = Scene()
    quick = replace(SETTINGS, min_ttl_s=0.5)
    scene.names = Names(scene.pool, scene.resolver, quick, scene.clock, scene.clock.call_later)
    scene.resolver.failing = {"*"}
    scene.follow(APP)
    assert run("asyncio", scene.names.refresh()) == RETRY_S


def test_a_name_that_cannot_be_resolved_at_first_is_tried_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        scene.resolver.failing = {"*"}
        scene.follow(APP)
        assert await scene.names.refresh() == 5
        assert scene.news() == []
        assert "app.test is not known; it is tried again" in caplog.text
        scene.resolver.failing.clear()
        scene.resolver.set("app.test A", "10.0.0.1")
        await scene.pass_time(5)
        assert scene.news() == ["10.0.0.1"]

    run("asyncio", main())


def test_an_answer_may_empty_a_list_in_which_another_name_is_unknown(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.failing = {"b.test"}
        scene.resolver.set("a.test A", "10.0.0.1")
        scene.follow(backend("a.test"), backend("b.test"))
        await scene.names.refresh()
        scene.resolver.set("a.test A")
        await scene.pass_time(TTL_S)
        assert scene.news() == ["10.0.0.1", ""]

    run("asyncio", main())


def test_one_name_s_error_does_not_hold_up_the_others(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.failing = {"b.test"}
        scene.resolver.set("a.test A", "10.0.0.1")
        scene.follow(backend("a.test"), backend("b.test"), backend("10.9.9.9"))
        assert scene.news() == ["10.9.9.9"]
        assert await scene.names.refresh() == 5
        assert scene.news() == ["10.0.0.1 10.9.9.9"]
        scene.resolver.failing.clear()
        scene.resolver.set("b.test A", "10.0.0.2")
        await scene.pass_time(5)
        assert scene.news() == ["10.0.0.1 10.0.0.2 10.9.9.9"]

    run("asyncio", main())


def test_a_family_that_fails_keeps_what_it_had(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.resolver.set("app.test AAAA", "fd00::1")
        scene.follow(APP)
        await scene.names.refresh()
        scene.news()
        scene.resolver.failing = {"app.test AAAA"}
        scene.resolver.set("app.test A", "10.0.0.2")
        for _ in range(3):
            assert await scene.pass_time(TTL_S) == RETRY_MAX_S
        assert scene.news() == ["10.0.0.2 [fd00::1]"]
        scene.resolver.failing.clear()
        scene.resolver.set("app.test AAAA")
        assert await scene.pass_time(TTL_S) == TTL_S
        assert scene.news() == ["10.0.0.2"]

    run("asyncio", main())


def test_a_family_that_has_never_answered_is_left_out(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.failing = {"app.test AAAA"}
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        await scene.names.refresh()
        assert scene.news() == ["10.0.0.1"]
        scene.resolver.set("app.test A")  # whether it has none at all cannot be said
        assert await scene.pass_time(TTL_S) == 5
        assert scene.news() == []

    run("asyncio", main())


# Services.


def offer(host: str, port: int, priority: int = 0, weight: int = 1) -> Record:
    return Record(host, port, priority, weight)


def test_a_service_is_machines_with_ports_and_weights(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set(
            "_u._tcp.app.test SRV",
            offer("b.test.", 2, priority=20, weight=9),
            offer("a.test.", 1, priority=10, weight=5),
            offer("a.test.", 3, priority=10, weight=0),
            offer("c.test.", 4, priority=30),
        )
        for number, host in enumerate("abc"):
            scene.resolver.set(f"{host}.test. A", f"10.0.0.{number}")
        scene.resolver.set("a.test. AAAA", "fd00::1")
        scene.resolver.ttls["c.test. A"] = 33
        scene.follow(replace(SERVICE, max_conns=6))
        assert await scene.names.refresh() == 33
        members = scene.members()
        assert [(str(a), s.weight, s.backup) for a, s in members.items()] == [
            ("10.0.0.0:1", 5, False),
            ("10.0.0.0:3", 1, False),
            ("[fd00::1]:1", 5, False),
            ("[fd00::1]:3", 1, False),
            ("10.0.0.1:2", 9, True),
            ("10.0.0.2:4", 1, True),
        ]
        assert {settings.max_conns for settings in members.values()} == {6}
        assert len(scene.resolver.asked) == 7  # each machine once

    run("asyncio", main())


def test_the_line_s_own_weight_and_backup_count(scene: Scene) -> None:
    async def main() -> None:
        offers = offer("a.test.", 1, weight=5), offer("a.test.", 2, priority=1)
        scene.resolver.set("_u._tcp.app.test SRV", *offers)
        scene.resolver.set("a.test. A", "10.0.0.1")
        scene.follow(replace(SERVICE, weight=3, backup=True))
        await scene.names.refresh()
        assert {(s.weight, s.backup) for s in scene.members().values()} == {(3, True)}

    run("asyncio", main())


def test_primaries_are_those_that_have_addresses(scene: Scene) -> None:
    async def main() -> None:
        offers = offer("a.test.", 1), offer("b.test.", 1, priority=1)
        scene.resolver.set("_u._tcp.app.test SRV", *offers)
        scene.resolver.set("b.test. A", "10.0.0.2")
        scene.follow(SERVICE)
        await scene.names.refresh()
        assert [settings.backup for settings in scene.members().values()] == [False]
        scene.resolver.set("a.test. A", "10.0.0.1")
        await scene.pass_time(TTL_S)
        assert [settings.backup for settings in scene.members().values()] == [False, True]

    run("asyncio", main())


def test_errors_within_a_service(scene: Scene) -> None:
    async def main() -> None:
        question = "_u._tcp.app.test SRV"
        scene.resolver.set(question, offer("a.test.", PORT), offer("b.test.", PORT))
        scene.resolver.set("a.test. A", "10.0.0.1")
        scene.resolver.set("b.test. A", "10.0.0.2")
        scene.follow(SERVICE)
        await scene.names.refresh()
        assert scene.news() == ["10.0.0.1 10.0.0.2"]
        scene.resolver.failing = {"a.test."}
        scene.resolver.set("b.test. A", "10.0.0.3")
        assert await scene.pass_time(TTL_S) == RETRY_MAX_S
        assert scene.news() == ["10.0.0.1 10.0.0.3"]
        scene.resolver.failing = {"_u._tcp.app.test"}
        scene.resolver.set("a.test. A", "10.0.0.4")
        await scene.pass_time(TTL_S)
        assert scene.news() == ["10.0.0.3 10.0.0.4"]
        scene.resolver.failing.clear()
        scene.resolver.set(question, offer("c.test.", PORT))
        scene.resolver.failing = {"c.test."}
        assert await scene.pass_time(TTL_S) == 5  # nothing is known of it: all stay
        assert scene.news() == []
        scene.resolver.failing.clear()
        scene.resolver.set(question)
        await scene.pass_time(5)
        assert scene.news() == [""]

    run("asyncio", main())


def test_machines_that_have_gone_are_forgotten(scene: Scene) -> None:
    async def main() -> None:
        question = "_u._tcp.app.test SRV"
        scene.resolver.set(question, offer("a.test.", PORT))
        scene.resolver.set("a.test. A", "10.0.0.1")
        scene.resolver.set("b.test. A", "10.0.0.2")
        scene.follow(SERVICE)
        await scene.names.refresh()
        scene.resolver.set(question, offer("b.test.", PORT))
        await scene.pass_time(TTL_S)
        assert scene.news() == ["10.0.0.1", "10.0.0.2"]
        scene.resolver.set(question, offer("a.test.", PORT), offer("b.test.", PORT))
        scene.resolver.failing = {"a.test."}
        await scene.pass_time(TTL_S)
        assert scene.news() == []

    run("asyncio", main())


# Lists.


def test_a_new_list_waits_for_its_names(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(backend("10.0.0.1"), backend("10.0.0.2"))
        assert scene.news() == ["10.0.0.1 10.0.0.2"]
        scene.follow(backend("10.0.0.2"), APP)
        assert scene.news() == []
        scene.follow(backend("10.0.0.2"), APP, backend("10.0.0.4"))
        scene.follow(backend("10.0.0.2"), APP)
        assert scene.news() == []
        scene.resolver.set("app.test A", "10.0.0.3")
        await scene.names.refresh()
        assert scene.news() == ["10.0.0.2 10.0.0.3"]

    run("asyncio", main())


def test_a_new_list_keeps_what_is_known_of_its_names(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        await scene.names.refresh()
        scene.news()
        scene.resolver.failing = {"*"}
        scene.follow(replace(APP, weight=9), backend("10.0.0.2"))
        assert [settings.weight for settings in scene.members().values()] == [9, 1]
        await scene.pass_time(TTL_S)
        assert scene.news() == []

    run("asyncio", main())


def test_an_error_does_not_empty_a_new_list(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(backend("10.0.0.1"))
        scene.news()
        scene.resolver.failing = {"*"}
        scene.follow(APP)
        await scene.names.refresh()
        assert scene.news() == []
        scene.follow()
        assert scene.news() == [""]

    run("asyncio", main())


def test_sources_are_apart(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        scene.follow(backend("10.0.0.2"), source="file")
        await scene.names.refresh()
        scene.follow(source="file")
        told = [(source, [a.host for a in members]) for source, members in scene.pool.told]
        assert told == [("file", ["10.0.0.2"]), ("dns", ["10.0.0.1"]), ("file", [])]

    run("asyncio", main())


def test_the_first_line_with_an_address_counts(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(replace(APP, weight=5), backend("10.0.0.1", weight=2))
        assert [settings.weight for settings in scene.members().values()] == [2]
        await scene.names.refresh()
        assert [settings.weight for settings in scene.members().values()] == [5]

    run("asyncio", main())


def test_questions_at_a_time_are_limited(scene: Scene) -> None:
    async def main() -> None:
        scene.follow(*(backend(f"{number}.test") for number in range(3 * MAX_ASKING)))
        await scene.names.refresh()
        assert len(scene.resolver.asked) == 6 * MAX_ASKING
        assert scene.resolver.most_running == MAX_ASKING

    run("asyncio", main())


def test_a_long_list_is_told_in_part(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene.resolver.set("app.test A", *(f"10.0.0.{number}" for number in range(MAX_TOLD + 3)))
    scene.follow(APP)
    run("asyncio", scene.names.refresh())
    assert caplog.messages[0].endswith("10.0.0.7:3031 and 3 more")


# The task.


async def turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(30):
        await asyncio.sleep(0)


@both_loops
def test_the_task_asks_when_it_is_time(loop: str, scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("app.test A", "10.0.0.1")
        scene.follow(APP)
        task = asyncio.create_task(scene.names.run())
        await turns()
        assert scene.news() == ["10.0.0.1"]
        for number in range(2, 5):
            scene.resolver.set("app.test A", f"10.0.0.{number}")
            scene.clock.advance(TTL_S - 1)
            await turns()
            assert scene.news() == []
            scene.clock.advance(1)
            await turns()
            assert scene.news() == [f"10.0.0.{number}"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())


@both_loops
def test_the_task_is_woken_by_a_list(loop: str, scene: Scene) -> None:
    async def main() -> None:
        task = asyncio.create_task(scene.names.run())
        await turns()
        for number in range(3):
            scene.resolver.set(f"{number}.test A", f"10.0.0.{number}")
            scene.follow(backend(f"{number}.test"))
            await turns()
            assert scene.news() == [f"10.0.0.{number}"]
        asked = len(scene.resolver.asked)
        scene.clock.advance(TTL_S)  # three pauses end, and only the last one's name is due
        await turns()
        assert len(scene.resolver.asked) == asked + 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())


def test_a_pause_that_was_cut_short_leaves_nothing_behind(scene: Scene) -> None:
    """Else each list would add a timer that sets another one, for ever."""
    pauses: list[float] = []

    def call_later(seconds: float, callback: Callable[[], None]) -> None:
        pauses.append(seconds)
        scene.clock.call_later(seconds, callback)

    async def main() -> None:
        scene.names = Names(scene.pool, scene.resolver, SETTINGS, scene.clock, call_later)
        task = asyncio.create_task(scene.names.run())
        for number in range(3):
            scene.resolver.set(f"{number}.test A", f"10.0.0.{number}")
            scene.follow(backend(f"{number}.test"))
            await turns()
            scene.clock.advance(10)
            await turns()
        for _ in range(6):
            scene.clock.advance(10)
            await turns()
        assert pauses == [TTL_S] * 4
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run("asyncio", main())


def test_what_is_overdue_is_due_at_once(scene: Scene) -> None:
    """A slow name has held up the round for longer than another name's answer is good for."""

    async def main() -> None:
        scene.resolver.set("a.test A", "10.0.0.1")
        scene.follow(backend("a.test"), backend("b.test"))
        ask = scene.resolver.ask

        async def ask_slowly(name: str, kind: Kind) -> Answer:
            answer = await ask(name, kind)
            if name == "b.test":
                for _ in range(10):
                    await asyncio.sleep(0)
                scene.clock.advance(TTL_S)
            return answer

        scene.resolver.ask = ask_slowly  # type: ignore[method-assign]
        assert await scene.names.refresh() == 0

    run("asyncio", main())


def test_a_list_that_comes_while_it_asks_is_not_overlooked(scene: Scene) -> None:
    async def main() -> None:
        scene.resolver.set("a.test A", "10.0.0.1")
        scene.resolver.set("b.test A", "10.0.0.2")
        scene.follow(backend("a.test"))
        task = asyncio.create_task(scene.names.run())
        for _ in range(3):
            await asyncio.sleep(0)
        assert scene.resolver.running
        scene.follow(backend("b.test"))
        await turns()
        assert scene.news() == ["10.0.0.2"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run("asyncio", main())


@both_loops
def test_with_a_real_server(loop: str) -> None:
    """From the first answer over a change, an outage and an end, as the wire has it."""

    async def main() -> None:
        async with dns_server() as server:
            scene, clock = Scene(), FakeClock()
            resolver = DnsResolver([server.address])
            scene.names = Names(scene.pool, resolver, SETTINGS, clock, clock.call_later)
            server.zone["_u._tcp.app.test", "SRV"] = [f"1 5 {PORT} a.test.", f"2 1 {PORT} b.test."]
            server.zone["a.test", "A"] = ["10.0.0.1"]
            server.zone["b.test", "A"] = ["10.0.0.2"]
            server.zone["b.test", "AAAA"] = ["fd00::2"]
            scene.follow(SERVICE)
            assert 59 <= await scene.names.refresh() <= 60
            assert scene.news() == ["10.0.0.1 10.0.0.2 [fd00::2]"]
            server.zone["a.test", "A"] = ["10.0.0.3"]
            server.faults["b.test"] = "SERVFAIL"
            clock.advance(60)
            await scene.names.refresh()
            assert scene.news() == ["10.0.0.3 10.0.0.2 [fd00::2]"]
            server.faults = dict.fromkeys(["_u._tcp.app.test", "a.test", "b.test"], "REFUSED")
            clock.advance(60)
            assert await scene.names.refresh() == 5
            assert scene.news() == []
            server.faults.clear()
            server.zone.clear()
            clock.advance(5)
            assert await scene.names.refresh() == 7
            assert scene.news() == [""]

    run(loop, main())


hosts = st.sets(st.integers(1, 4)).map(lambda numbers: [f"10.0.0.{n}" for n in sorted(numbers)])
steps = st.lists(st.tuples(hosts, hosts, st.sets(st.sampled_from(["a.test", "b.test A", "*"]))))


@settings(deadline=None, max_examples=60)
@given(steps)
def test_the_pool_has_what_was_answered_last(
    steps: list[tuple[list[str], list[str], set[str]]],
) -> None:
    """Whatever fails when: a name has what its last good answer said."""

    async def main() -> None:
        scene = Scene()
        scene.follow(backend("a.test"), backend("b.test"))
        expected: dict[str, list[str]] = {}
        told: dict[Address, BackendSettings] = {}
        for a, b, failing in steps:
            scene.resolver.set("a.test A", *a)
            scene.resolver.set("b.test A", *b)
            scene.resolver.failing = failing
            await scene.pass_time(SETTINGS.max_ttl_s)
            if not failing & {"*", "a.test"}:
                expected["a"] = a
            if not failing & {"*", "b.test A"}:
                expected["b"] = b
            for _, members in scene.pool.told:
                told = members
            both = set(expected.get("a", [])) | set(expected.get("b", []))
            assert {address.host for address in told} == both

    run("asyncio", main())
