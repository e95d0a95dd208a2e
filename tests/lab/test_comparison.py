"""Comparisons in tests are about the whole interval, and failed assertions can be read."""

import time
from pathlib import Path

import pytest

from proxy import lab
from proxy.lab import comparison, runner
from proxy.lab.comparison import Comparer, Comparison, Ratio
from proxy.lab.effort import Effort
from proxy.lab.processes import BenchError
from proxy.lab.report.results import Report
from proxy.lab.report.statistics import ratio
from proxy.lab.report.verdict import AGAIN
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.topologies import Stand, Topology
from proxy.testing import Site
from tests.lab.fake import OK, answering
from tests.lab.made import report, row, steady
from tests.lab.stands import fine, stands

A, B = "uwsgi-direct", "proxy-uwsgi"


def compared(factor: float) -> Comparison:
    one = {"p50_us": steady(100.0), "p99_us": steady(900.0), "per_s": steady(50.0)}
    other = {name: [each * factor for each in values][::-1] for name, values in one.items()}
    return Comparison(A, B, "kept", report(kept=[row(A, one), row(B, other)]))


def test_relations_hold_for_the_whole_interval() -> None:
    found = compared(1.3)
    assert found.p99_ratio < 1.5
    assert found.p99_ratio <= 1.5
    assert found.p50_ratio > 1.2
    assert found.throughput_ratio >= 1.2
    assert not found.p50_ratio < 1.3  # just what was put in: it may be more, it may be less
    assert not found.p50_ratio > 1.3
    assert float(found.p50_ratio) == pytest.approx(1.3, rel=0.01)
    assert found.failed == {A: 0, B: 0}


def test_too_little_is_known_for_either() -> None:
    wide = Ratio(ratio([1.0, 1.0, 2.0, 3.0, 1.0, 2.0], [2.0, 1.0, 1.0, 1.0, 3.0, 2.0]), "x", "y")
    assert not wide < 1.0
    assert not wide > 1.0


def test_the_message_has_everything() -> None:
    said = repr(compared(2.0).p99_ratio)
    assert said.startswith("<p99_us of proxy-uwsgi against uwsgi-direct: 2.0")
    assert "surely (95%, 8 pairs) between" in said or "surely (96%, 8 pairs) between" in said
    assert "uwsgi-direct 900 (no errors), proxy-uwsgi 1,800 (no errors)" in said


def test_no_bound_on_latencies_holds_when_too_many_failed() -> None:
    """To fail is quick, and what failed is in no latency."""
    found = compared(0.5)
    found.report.scenarios[0].rows[1].samples[0].outcomes["reset"] = 50
    for ratio_of in (found.p50_ratio, found.p99_ratio):
        assert not ratio_of < 1.0
        assert not ratio_of > 0.1
        assert not ratio_of <= 1.0
        assert not ratio_of >= 0.1
        assert "no bound holds: proxy-uwsgi failed 50 of 850 requests" in repr(ratio_of)
    assert found.throughput_ratio < 1.0  # which counts good answers alone


def test_an_unsteady_machine_stands_in_the_message() -> None:
    found = compared(1.0)
    assert "unsteady" not in repr(found.p50_ratio)
    twice = row(AGAIN, {"p50_us": steady(150.0)})
    found.report.scenarios[0].rows.append(twice)
    assert "unsteady machine: uwsgi-direct against itself was 1.5" in repr(found.p50_ratio)


def test_what_was_not_measured_says_why() -> None:
    broken = compared(1.0)
    broken.report.scenarios[0].rows[1].samples.clear()
    broken.report.scenarios[0].rows[1].reason = "proxy: ended with 1"
    with pytest.raises(BenchError, match="proxy-uwsgi: proxy: ended with 1"):
        _ = broken.p99_ratio
    broken.report.topologies[1].reason = "not installed"
    with pytest.raises(BenchError, match="proxy-uwsgi: not installed"):
        _ = broken.p99_ratio
    silent = compared(1.0)
    with pytest.raises(BenchError, match=r"no cpu_us to compare.* given by name"):
        _ = silent.cpu_ratio


@pytest.mark.soak
def test_a_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installed, "look", classmethod(lambda cls: cls()))
    effort = Effort(rounds=6, others=6, seconds=0.3)
    with stands(monkeypatch, tmp_path, uwsgi_direct=fine, proxy_uwsgi=fine):
        found = lab.compare(A, B, "kept", effort_of=effort)
        check_measured(found, found.p50_ratio)
        assert isinstance(found.report, Report)
        rated = lab.compare(A, B, "rate-50", effort_of=effort)
        check_measured(rated, rated.p99_ratio)
        (rate,) = {rate for name in (A, B) for rate in rated.row(name).values("rate_per_s")}
        saturated = rated.report.row("saturation", A)
        assert saturated is not None
        assert 0 < rate <= saturated.middle("per_s") / 2 + 0.1
    with (
        stands(monkeypatch, tmp_path, uwsgi_direct=fine),
        pytest.raises(BenchError, match="proxy-uwsgi is not installed"),
    ):
        lab.compare(A, B, "kept", effort_of=effort)


def check_measured(found: Comparison, times: Ratio) -> None:
    """Six pairs without failures, so bounds hold; how large the ratio is, is up to the machine."""
    assert found.failed == {A: 0, B: 0}
    assert times.estimate.pairs == 6
    assert times < 2 * times.estimate.high
    assert times > times.estimate.low / 2


class At:
    """Something that serves, known by its URL."""

    def __init__(self, port: int, name: str = "mine") -> None:
        self.url, self.name = f"http://127.0.0.1:{port}", name


def test_servers_that_run_already() -> None:
    """They are asked for the user's path; the slow one is told from the other."""
    seen: set[bytes] = set()

    def slow(head: bytes) -> bytes:
        seen.add(head.split()[1])
        time.sleep(0.1)  # far more than a busy machine adds to the other one's
        return OK

    effort = Effort(rounds=6, others=6, seconds=0.3)
    with answering(fine) as one, answering(slow) as other:
        found = lab.compare(At(one), At(other), "kept", paths=["/mine"], effort_of=effort)
    assert found.p50_ratio > 1.0
    assert seen == {b"/mine"}
    assert (found.a, found.b) == (f"mine:{one}", f"mine:{other}")
    with pytest.raises(BenchError, match="no cpu_us"):
        _ = found.cpu_ratio


def test_one_named_twice_is_started_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Topology] = []

    def start(topology: Topology, setup: Setup) -> Stand:
        started.append(topology)
        raise BenchError("enough")

    monkeypatch.setattr(runner, "start", start)
    with pytest.raises(BenchError, match="proxy-uwsgi: enough"):
        Comparer(installed=Installed()).compare(B, B)
    assert [each.name for each in started] == [B, f"{B}-2"]
    assert started[0].front == started[1].front


def test_wrong_words() -> None:
    for scenario in ("burst", "slow-uploads", "kill", "probes"):
        with pytest.raises(ValueError, match=f"{scenario}: not of a server that runs already"):
            lab.compare(A, At(1), scenario)
    with pytest.raises(ValueError, match="asks http://HOST:PORT only"):
        lab.compare(A, Site("unix:/x"))
    with pytest.raises(ValueError, match="against itself"):
        lab.compare(At(1), At(1))
    with pytest.raises(ValueError, match="no scenario"):
        lab.compare(A, B, "nonsense")
    with pytest.raises(ValueError, match="no scenario 'slow'"):
        lab.compare(A, B, "slow")
    with pytest.raises(ValueError, match="no topology"):
        lab.compare(A, "nonsense")
    with pytest.raises(ValueError, match="6 rounds are the least"):
        comparison.compare(A, B, effort_of=Effort(rounds=3))
