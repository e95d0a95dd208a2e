"""What follows from a sweep turns with the numbers; a sweep goes round fairly, and can be ended."""

from pathlib import Path

import pytest

from proxy.lab.load.plan import Load
from proxy.lab.processes import BenchError
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology, select
from proxy.lab.sweep import runner as sweep
from proxy.lab.sweep.runner import Point, Sweep, Wish, findings, run
from proxy.lab.sweep.usl import Usl
from tests.lab.stands import fine, stand


def made(cores: int = 2, **per_s: float) -> Sweep:
    """Return a sweep; `w4=100.0` is what four workers did."""
    points = [
        Point(int(name[1:]), [value * 0.99, value, value * 1.01], [1000.0 * int(name[1:])],
              memory_kb=10_240 * int(name[1:]))
        for name, value in per_s.items()
    ]  # fmt: skip
    return Sweep(
        "2026-01-01", "a:b", "proxy-uwsgi", "it", ["GET /"], 32, 1.0, 3, 1, cores, {}, points
    )  # fmt: skip


def test_a_knee() -> None:
    found = findings(made(w1=100, w2=190, w4=300, w8=305))
    assert (found.knee, found.best, found.doubled) == (4, 8, 4)
    assert found.answers[0].startswith("4 workers do 300 requests/s; more of them")
    assert "is just the knee" in found.answers[2]


def test_no_knee_within_what_was_tried() -> None:
    found = findings(made(w1=100, w2=200, w4=400))
    assert found.knee == 4
    assert "more may do more still" in found.answers[0]
    assert "hardly hinder each other" in found.answers[1]


def test_more_workers_that_do_harm() -> None:
    law = Usl(100.0, 0.05, 0.02, 0.0)
    found = findings(made(4, **{f"w{n}": law.at(n) for n in (1, 2, 4, 8, 16)}))
    assert found.knee == 8
    assert "It has its peak at about 7 workers." in found.answers[1]
    assert "is just the knee" in found.answers[2]


def test_what_two_for_each_core_would_have_cost() -> None:
    measured = findings(made(4, w1=100, w2=150, w4=200, w8=180))
    assert "(8) would have done 180/s (measured), 10% less than 4" in measured.answers[2]
    assert "p99 of 8 ms instead of 4 ms and +40 MB" in measured.answers[2]
    law = findings(made(8, w1=100, w2=190, w4=350))
    assert "by the law, not measured" in law.answers[2]
    assert "was not tried" in findings(made(8, w1=100, w2=190)).answers[2]


def test_nothing_and_failures() -> None:
    assert findings(made()).answers == ["Nothing could be measured."]
    broken = made(w1=100, w2=200)
    broken.points[1].failed = 3
    assert findings(broken).answers[-1].startswith("Requests failed with 2 workers")


def test_there_and_back() -> None:
    one = made(w1=100, w2=200)
    assert Sweep.from_json(one.to_json()) == one
    with pytest.raises(ValueError, match="schema"):
        Sweep.from_json('{"schema": 1}')


WISH = Wish(select(["proxy-uwsgi"])[0], (1, 2), rounds=2, seconds=0.1)


def swept(monkeypatch: pytest.MonkeyPatch, place: Path, stop_after: int = 99) -> tuple[Sweep, str]:
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text.rpartition(", ")[2])
        if len(told) == stop_after:
            raise KeyboardInterrupt

    with stand(place, answer=fine) as one:

        def start(topology: Topology, setup: Setup) -> Stand:
            if setup.processes == 3:
                raise BenchError("three is too many")
            return Stand(topology, setup, one.port, [], [], [f"run {setup.processes}"])

        monkeypatch.setattr(sweep, "start", start)
        wish = Wish(WISH.topology, (1, 2, 3), rounds=2, seconds=0.1)
        return run(wish, Setup(place), say), " ".join(told)


def test_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, told = swept(monkeypatch, tmp_path)
    assert told == "1 workers 2 workers 2 workers 1 workers"
    assert [len(each.per_s) for each in found.points] == [2, 2, 0]
    assert found.points[2].reason == "three is too many"
    assert found.points[1].config == ["run 2"]
    assert found.clients == 12
    assert not found.partial


def test_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = swept(monkeypatch, tmp_path, stop_after=1)
    assert found.partial
    assert [len(each.per_s) for each in found.points] == [1, 0, 0]


def test_a_round_is_written_down() -> None:
    point = Point(1)
    load = Load(2.0, 10, {"ok": 8, "5xx": 2}, {}, 8, {"p99": 7.0}, {}, {}, "", 0.1, warnings=["w"])
    sweep.take(point, load)
    sweep.take(point, load)
    assert (point.per_s, point.p99_us, point.failed) == ([4.0, 4.0], [7.0, 7.0], 4)
    assert point.warnings == ["w"]
