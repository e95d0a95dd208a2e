"""A run goes round fairly, survives what does not start or dies, and can be interrupted."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.lab import effort, runner
from proxy.lab.effort import Effort
from proxy.lab.load.plan import Plan
from proxy.lab.processes import BenchError, find
from proxy.lab.report.results import SENT_BY_WRK, Sample
from proxy.lab.runner import AGAIN, Asked, Progress, run, versions
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.topologies import Stand, Topology, select
from proxy.worker.command import Uwsgi
from tests.lab.stands import fine, stands

TINY = Effort(rounds=2, others=1, seconds=0.3)
BOTH = select(["uwsgi-direct", "proxy-uwsgi"])


def asked(*scenarios: str, told: list[Progress] | None = None) -> Asked:
    def on_progress(progress: Progress) -> None:
        if told is not None:
            told.append(progress)

    return Asked(BOTH, effort.scenarios(scenarios, False), TINY, on_progress=on_progress)


def test_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        report = run(asked("saturation", "rate-50", told=told), Setup(tmp_path, "a:b"))
    first, second = report.scenarios
    assert [each.topology for each in first.rows] == ["uwsgi-direct", "proxy-uwsgi", AGAIN]
    assert [[each.round for each in row.samples] for row in first.rows] == [[0, 1]] * 3
    assert [each.topology for each in told[:6]] == [
        "uwsgi-direct", "proxy-uwsgi", AGAIN, AGAIN, "proxy-uwsgi", "uwsgi-direct",
    ]  # fmt: skip
    assert told[0].done == 0
    assert told[-1].done < 1
    assert "per second" in second.detail
    slowest = min(row.middle("per_s") for row in first.rows)
    assert second.rows[0].middle("rate_per_s") == pytest.approx(slowest / 2, abs=0.1)
    assert report.app == "a:b"
    assert not report.partial
    assert report.topologies[0].config == ["run uwsgi-direct"]


def test_what_does_not_start_is_a_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stands(monkeypatch, tmp_path, proxy_uwsgi=fine):
        report = run(asked("hop"), Setup(tmp_path))
    assert report.topologies[0].reason == "uwsgi-direct is not installed"
    assert [row.topology for row in report.scenarios[0].rows] == ["proxy-uwsgi", AGAIN]


def test_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stands(monkeypatch, tmp_path):
        report = run(asked("hop", "rate-50"), Setup(tmp_path))
    assert report.scenarios[0].rows == []
    assert "needs a throughput" in report.scenarios[1].reason


def test_what_dies_ends_its_row_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(wish: object, stand: Stand, plan: object, generator: object) -> Sample:
        if stand.topology.name == "proxy-uwsgi":
            raise BenchError("proxy: ended with 1")
        return Sample(0, {"per_s": 1.0})

    monkeypatch.setattr(runner, "measure_once", measure)
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        report = run(asked("hop"), Setup(tmp_path))
    rows = {row.topology: row for row in report.scenarios[0].rows}
    assert rows["proxy-uwsgi"].reason == "proxy: ended with 1"
    assert len(rows["uwsgi-direct"].samples) == 2


def test_an_interruption_leaves_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def measure(*_: object) -> Sample:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return Sample(0, {"per_s": 1.0})

    monkeypatch.setattr(runner, "measure_once", measure)
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        report = run(asked("hop", "probes"), Setup(tmp_path))
    assert report.partial
    assert [len(row.samples) for row in report.scenarios[0].rows] == [1, 1, 0]
    assert report.scenarios[0].reason == "interrupted"
    assert "Single requests that often fail: not reached" in report.not_measured
    assert "A graceful reload under load: not part of this run" in report.not_measured


def test_a_seed_says_what_is_asked_and_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs with one seed give everybody the same loads; within a round all have the same."""

    def plans(seed: int) -> list[tuple[str, Plan]]:
        found: list[tuple[str, Plan]] = []

        def measure(wish: object, stand: Stand, plan: Plan, generator: object) -> Sample:
            found.append((stand.topology.name, plan))
            return Sample(0, {"per_s": 100.0}, {"ok": 1})

        monkeypatch.setattr(runner, "measure_once", measure)
        with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
            run(replace(asked("saturation", "rate-50", "kill"), seed=seed), Setup(tmp_path))
        return found

    first = plans(5)
    assert first == plans(5)
    assert [plan for _, plan in first] != [plan for _, plan in plans(6)]
    a_round = [plan for _, plan in first[:3]]
    assert a_round[0] == a_round[1] == a_round[2]
    assert len({plan.seed for _, plan in first}) == TINY.rounds  # and each round has its own


@pytest.mark.soak
def test_a_backlog_of_its_own_gets_a_stand_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        start = vars(runner)["start"]

        def noting(topology: object, setup: Setup) -> Stand:
            seen.append(setup.backlog)
            made: Stand = start(topology, setup)
            return made

        monkeypatch.setattr(runner, "start", noting)
        report = run(asked("burst"), Setup(tmp_path, backlog=7))
    assert seen == [7, 7, 100, 100]
    assert report.scenarios[0].rows[0].outcomes == {"ok": 300}


def test_variants_are_rows_of_the_same_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(wish: object, stand: Stand, plan: object, generator: object) -> Sample:
        return Sample(0, {"per_s": float(stand.setup.socket_bytes or 1)})

    monkeypatch.setattr(runner, "measure_once", measure)
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        start = vars(runner)["start"]

        def vary(topology: Topology, setup: Setup) -> Stand:
            if topology.name == "proxy-uwsgi+1m":
                raise BenchError("too large")
            name = topology.name.partition("+")[0]
            made: Stand = start(select([name])[0], setup)
            return replace(made, topology=topology, setup=setup)

        monkeypatch.setattr(runner, "start", vary)
        report = run(asked("buffers-1m"), Setup(tmp_path))
    found = {row.topology: row for row in report.scenarios[0].rows}
    assert [name for name in found if name.startswith("uwsgi-direct")] == [
        "uwsgi-direct", "uwsgi-direct+16k", "uwsgi-direct+1m",
    ]  # fmt: skip
    assert found["uwsgi-direct+16k"].values("per_s") == [16384.0, 16384.0]
    assert found["proxy-uwsgi+1m"].reason == "too large"
    assert not found["proxy-uwsgi+1m"].samples
    assert AGAIN not in found


def test_without_a_topology_that_fits_a_scenario_of_variants_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stands(monkeypatch, tmp_path, proxy_builtin=fine):
        wanted = Asked(select(["proxy-builtin"]), effort.scenarios(["buffers-1m"], False), TINY)
        report = run(wanted, Setup(tmp_path))
    assert report.scenarios[0].reason.startswith("needs one of these topologies: uwsgi-direct")
    assert all(each.name != "proxy-builtin" for each in report.topologies)  # nobody needs it


@pytest.mark.skipif(
    find("wrk") is None and os.environ.get("REQUIRE_NGINX") != "1", reason="wrk is not installed"
)
def test_wrk_sends_at_saturation_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stands(monkeypatch, tmp_path, proxy_uwsgi=fine):
        wanted = asked("hop", "saturation")
        wanted.effort, wanted.generator = Effort(rounds=1, others=1, seconds=0.2), "wrk"
        report = run(wanted, Setup(tmp_path))
    hop, saturation = report.scenarios
    assert "sent by wrk" in saturation.detail
    assert "wrk" not in hop.detail
    sample = saturation.rows[0].samples[0]
    assert sample.notes == [SENT_BY_WRK]
    assert sample.values["per_s"] > 0
    assert sample.values["generator_cores"] > 0
    assert not hop.rows[0].samples[0].notes


def test_versions(tmp_path: Path) -> None:
    found = versions(Setup(tmp_path, installed=Installed(Uwsgi("2.0.99"), nginx="/bin/true")))
    assert found["uWSGI"] == "2.0.99"
    assert "nginx" not in found
    assert "Python" in found
