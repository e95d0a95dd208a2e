"""Each kind of scenario does what its words say and writes down what came of it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.lab import struck
from proxy.lab.load.generator import Generator
from proxy.lab.load.plan import Load, Plan
from proxy.lab.load.slow import SlowPlan
from proxy.lab.probes import Seen
from proxy.lab.processes import BenchError
from proxy.lab.report.results import HELD, Sample
from proxy.lab.scenarios import HELLO, SCENARIOS, Scenario, measure, sample_of
from proxy.lab.stand.topologies import Stand
from tests.lab.fake import OK
from tests.lab.stands import Answer, fine, stand

SHORT = Plan(0, seconds=0.2, clients=1)


def find(name: str) -> Scenario:
    return next(each for each in SCENARIOS if each.name == name)


def done(scenario: Scenario, place: Path, answer: Answer = fine, **change: object) -> Sample:
    with stand(place, answer=answer) as up, Generator() as generator:
        plan = replace(scenario.plan, **{"seconds": 0.3, **change})  # type: ignore[arg-type]
        return measure(scenario, up, plan, generator)


def test_a_load(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        seen.append(head)
        return OK

    found = done(find("hop"), tmp_path, answer, seconds=1.0)
    assert found.outcomes == {"ok": len(seen)}
    assert found.values["per_s"] > 0
    assert 0 < found.values["p50_us"] <= found.values["max_us"]
    assert found.histogram
    assert all(b"GET /.lab/hello" in head and b"Connection: close" in head for head in seen)


def test_connections_are_kept_where_the_server_does(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        seen.append(head)
        return OK

    done(find("kept"), tmp_path, answer)
    assert not any(b"Connection: close" in head for head in seen)
    seen.clear()
    with stand(tmp_path, "uwsgi-direct", answer) as up, Generator() as generator:
        measure(find("kept"), up, replace(SHORT, requests=HELLO), generator)
    assert all(b"Connection: close" in head for head in seen)


def test_cpu_is_per_request_and_without_the_warm_up() -> None:
    load = Load(2.0, 100, {"ok": 80, "reset": 20}, {}, 80, {}, {}, {"p99": 5.0}, "h", 0.5)
    load.latency_us = {"p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 4.0, "mean": 1.5}
    load.retried = 2
    plan = Plan(1, seconds=2.0, warm_seconds=2.0, loop="open", rate=50.0)
    found = sample_of(load, {"front": 0.02, "app": 0.04}, plan)
    assert found.values["front_us"] == pytest.approx(100)
    assert found.values["cpu_us"] == pytest.approx(300)
    assert found.values["per_s"] == 40
    assert found.values["failed_percent"] == 20
    assert found.values["generator_cores"] == 0.25
    assert found.values["rate_per_s"] == 50
    assert "opened again" in found.notes[0]


def test_slow_clients_stay_while_others_ask(tmp_path: Path) -> None:
    slow = []

    def answer(head: bytes) -> bytes:
        if head.startswith(b"POST"):
            slow.append(head)
        return OK

    found = done(find("slow-uploads"), tmp_path, answer, timeout_s=30.0)
    assert len(slow) == 4  # two for each worker
    assert found.outcomes == {"ok": found.outcomes["ok"]}
    assert "4 slow clients" in found.notes[0]


def test_how_long_slow_clients_hold_the_workers(tmp_path: Path) -> None:
    slow, free = threading.Event(), threading.Event()

    def answer(head: bytes) -> bytes:
        if b"/.lab/bytes/" in head:
            slow.set()
            free.wait(30)
        elif not slow.wait(30):
            return b""
        else:
            free.set()
        return OK

    try:
        found = done(find("buffers-held"), tmp_path, answer, timeout_s=20.0)
    finally:
        free.set()
    assert found.outcomes == {"ok": 1}
    assert 0 < found.values[HELD] < 20e6


def test_a_worker_that_is_not_free_in_time(tmp_path: Path) -> None:
    end = threading.Event()

    def answer(head: bytes) -> bytes:
        end.wait(30)
        return OK

    with stand(tmp_path, answer=answer) as up, Generator() as generator:
        try:
            plan = replace(find("buffers-held").plan, timeout_s=0.2)
            found = measure(find("buffers-held"), up, plan, generator)
        finally:
            end.set()
    assert found.outcomes == {"timeout": 1}
    assert found.values[HELD] == pytest.approx(0.2e6)


def test_probes(tmp_path: Path) -> None:
    found = done(find("probes"), tmp_path)
    assert found.values["exception:answered"] == found.values["exception:asked"] == 3
    assert found.values["large-headers:ok"] == 0
    assert "large-headers: 200, but the application got 'ok'" in found.notes
    assert "unread-post: 200" in found.notes


class Eventful(Stand):
    """Counts what is done to it."""

    def reload(self) -> None:
        self.config.append("reloaded")

    def kill_worker(self, pid: int) -> None:
        self.config.append(f"killed {pid}")


def eventful(up: Stand) -> Stand:
    return Eventful(up.topology, up.setup, up.port, [], [], [])


def test_an_event_happens_under_load(tmp_path: Path) -> None:
    with stand(tmp_path) as up, Generator() as generator:
        other = eventful(up)
        plan = replace(find("reload").plan, seconds=1.0)
        found = measure(find("reload"), other, plan, generator)
        assert set(other.config) == {"reloaded"}
        assert set(found.outcomes) == {"ok"}


@pytest.mark.parametrize("late", [1, 3])
def test_an_event_that_comes_behind_its_load_happens_again(
    late: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the machine stands still meanwhile. It could have harmed nobody."""
    strikes: list[float] = []

    class Late(threading.Timer):
        """Strikes when all is over, the first few times."""

        def __init__(self, interval: float, function: Callable[[], None]) -> None:
            strikes.append(interval)
            super().__init__(interval + (0.6 if len(strikes) <= late else 0.0), function)

    monkeypatch.setattr(threading, "Timer", Late)
    with stand(tmp_path) as up, Generator() as generator:
        other = eventful(up)
        plan = replace(find("reload").plan, seconds=0.6)
        if late == 1:
            assert set(measure(find("reload"), other, plan, generator).outcomes) == {"ok"}
            assert len(other.config) > 1
        else:
            with pytest.raises(BenchError, match="reload: the machine stands still"):
                measure(find("reload"), other, plan, generator)
            assert other.config == ["reloaded"] * 3


def test_workers_are_killed_at_a_get_and_at_a_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck_at(up: Stand, method: str) -> Seen:
        up.kill_worker(7)
        return Seen("ok", 200) if method == "GET" else Seen("empty")

    monkeypatch.setattr(struck, "strike", struck_at)
    with stand(tmp_path) as up, Generator() as generator:
        other = eventful(up)
        plan = replace(find("kill").plan, seconds=1.0)
        found = measure(find("kill"), other, plan, generator)
        assert set(other.config) == {"killed 7"}
        assert len(other.config) in (2, 4, 6)  # twice for each time that it came soon enough
        assert found.notes == ["struck-GET: 200", "struck-POST: empty"]
        assert set(found.outcomes) == {"ok"}

        monkeypatch.setattr(struck, "strike", lambda up, method: refuse(method))
        with pytest.raises(BenchError, match="kill: nobody is at a GET"):
            measure(find("kill"), other, plan, generator)


def refuse(method: str) -> Seen:
    raise BenchError(f"nobody is at a {method}")


@pytest.mark.parametrize(("event", "why"), [("reload", "cannot reload"), ("kill", "one process")])
def test_what_the_builtin_worker_does_not_outlive(event: str, why: str, tmp_path: Path) -> None:
    with (
        stand(tmp_path, "proxy-builtin") as up,
        Generator() as generator,
        pytest.raises(BenchError, match=why),
    ):
        measure(find(event), up, SHORT, generator)


def test_what_the_slow_announce_cannot_be_swallowed() -> None:
    down = find("slow-downloads").slow
    assert down is not None
    assert down.body_bytes > 16_000_000  # more than socket buffers hold
    assert find("slow-uploads").slow == SlowPlan(0, path="/.lab/count")
