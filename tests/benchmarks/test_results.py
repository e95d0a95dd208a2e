"""Statistics of paired rounds, derived metrics, and the JSON there and back."""

import json
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import GB, MB, Report, Sample, Spread, WorkloadResult


def sample(requests: int = 1000, cpu_s: float = 0.02, **more: object) -> Sample:
    return Sample(seconds=1.0, requests=requests, frontend_cpu_s=cpu_s, **more)  # type: ignore[arg-type]


def result(*rounds: dict[str, Sample]) -> WorkloadResult:
    return WorkloadResult("hello-32", "hello", "load", "/hello", list(rounds))


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of(iter(())) is None


def test_metrics_of_requests() -> None:
    values = sample(1000, 0.02, backend_cpu_s=0.01, p50_us=1.0, p99_us=2.0).values
    assert values["requests_per_s"] == 1000
    assert values["cpu_us"] == pytest.approx(20)
    assert values["backend_cpu_us"] == pytest.approx(10)
    assert (values["p50_us"], values["p99_us"]) == (1.0, 2.0)
    assert "mb_per_s" not in values
    assert "kb_per_connection" not in values


def test_metrics_of_bytes() -> None:
    values = Sample(2.0, 10, body_bytes=GB, frontend_cpu_s=0.5).values
    assert values["mb_per_s"] == pytest.approx(GB / MB / 2)
    assert values["cpu_s_per_gb"] == pytest.approx(0.5)
    assert "p99_us" not in values


def test_memory_of_an_idle_connection() -> None:
    values = sample(pss_kb=30_000, pss_before_kb=20_000, idle_connections=5000).values
    assert values["kb_per_connection"] == pytest.approx(2.0)


def test_nothing_done_gives_no_rates() -> None:
    assert "cpu_us" not in Sample(seconds=0.0, requests=0).values


def test_ratio_is_taken_in_each_round() -> None:
    slow_machine = {"nginx": sample(cpu_s=0.04), "proxy": sample(cpu_s=0.06)}
    fast_machine = {"nginx": sample(cpu_s=0.01), "proxy": sample(cpu_s=0.02)}
    odd = {"nginx": sample(cpu_s=0.02), "proxy": sample(cpu_s=0.02)}
    ratio = result(slow_machine, fast_machine, odd).ratio("cpu_us")
    assert ratio is not None
    assert ratio.median == pytest.approx(1.5)
    assert ratio.min == pytest.approx(1.0)
    assert ratio.max == pytest.approx(2.0)


def test_rounds_without_a_pair_give_no_ratio() -> None:
    assert result({"proxy": sample()}, {"nginx": sample()}).ratio("cpu_us") is None
    assert result({"proxy": sample(), "nginx": sample(cpu_s=0.0)}).ratio("cpu_us") is None


def test_ratio_of_the_control() -> None:
    ratio = result({"nginx": sample(cpu_s=0.02), "control": sample(cpu_s=0.03)}).ratio(
        "cpu_us", results.CONTROL
    )
    assert ratio is not None
    assert ratio.median == pytest.approx(1.5)


def test_disturbance_is_the_worst_of_all_rounds_of_load() -> None:
    each = {"nginx": sample(other_cpu_s=0.2), "proxy": sample(other_cpu_s=0.1, stolen_s=0.3)}
    found = result(each)
    assert found.disturbance == pytest.approx(0.4)
    found.kind = "idle"
    assert found.disturbance == 0.0


def test_errors_are_added_up() -> None:
    rounds = [{"proxy": sample(errors={"status": 2})}, {"proxy": sample(errors={"status": 3})}]
    assert result(*rounds).errors("proxy") == {"status": 5}
    assert result(*rounds).errors("nginx") == {}


def test_nginx_first_then_ours_then_context() -> None:
    each = {"router": sample(), "proxy": sample(), "nginx": sample()}
    assert result(each).variants == ["nginx", "proxy", "router"]


def test_json_there_and_back(tmp_path: Path) -> None:
    workload = result({"nginx": sample(errors={"read": 1}), "proxy": sample(cpu_s=0.03)})
    workload.failed["router"] = "gone"
    report = Report("2030-01-01T00:00:00+00:00", "abcdef0", False, 1, 3, workloads=[workload])
    path = tmp_path / "made" / "latest.json"
    results.save(report, path)
    text = path.read_text()
    assert results.load(text) == report
    summary = json.loads(text)["workloads"][0]["summary"]
    assert summary["cpu_us"]["ratio"] == {"median": 1.5, "min": 1.5, "max": 1.5}
    assert report.failed
    assert report.find("hello-32") is workload
    assert report.find("other") is None


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 99}'])
def test_another_schema(text: str) -> None:
    with pytest.raises(ValueError, match="schema 1"):
        results.load(text)


def contest(requests: int, errors: int = 0) -> Sample:
    return Sample(
        10.0, requests, p50_us=1000.0, p99_us=3000.0, p95_us=2000.0, max_us=4000.0,
        answered=requests + 10 if requests else 0, errors={"502": errors} if errors else {},
        elapsed_s=20.0, frontend_cpu_s=5.0, quick_us={"p99": 1500.0},
    )  # fmt: skip


def test_metrics_of_contests() -> None:
    values = contest(25, 65).values
    assert values["failed_percent"] == pytest.approx(65)
    assert values["requests_per_s"] == pytest.approx(2.5)
    assert [values[f"{name}_ms"] for name in ("p50", "p95", "p99", "max")] == [1, 2, 3, 4]
    assert values["quick_p99_ms"] == pytest.approx(1.5)
    assert values["frontend_cores"] == pytest.approx(0.25)
    assert "failed_percent" not in sample(p50_us=1.0, p99_us=2.0).values


def test_latencies_need_an_answer() -> None:
    values = contest(0, 5).values
    assert values["failed_percent"] == 100
    assert "p50_ms" not in values


def test_share_of_the_ceiling_is_taken_in_each_round() -> None:
    rounds = [
        {"proxy": contest(90), "ceiling": contest(100)},
        {"proxy": contest(50), "ceiling": contest(50)},
    ]
    found = result(*rounds)
    assert found.ratio("requests_per_s", "proxy", "ceiling") == Spread(0.95, 0.9, 1.0)
    share = found.summary["requests_per_s"]["of_ceiling"]
    assert share["proxy"] == {"median": 0.95, "min": 0.9, "max": 1.0}
    assert share["ceiling"] == {"median": 1.0, "min": 1.0, "max": 1.0}


def test_a_newer_run_takes_the_place_of_its_workloads() -> None:
    machine = {"cpu": "x", "load average at start": "0.1"}
    old = Report("then", "aaaaaaa", False, 5, 3, machine=machine, configs={"uwsgi": "old"})
    old.workloads = [result({"proxy": sample()}), WorkloadResult("slow", "slow", "slow", "")]
    new = Report("now", "bbbbbbb", False, 5, 3, machine={**machine, "load average at start": "9"})
    newer = result({"proxy": sample(2000)})
    new.workloads = [WorkloadResult("overload", "", "overload", ""), newer]
    new.configs = {"overload, proxy": "new"}
    old.take(new)
    assert [each.name for each in old.workloads] == ["hello-32", "slow", "overload"]
    assert old.find("hello-32") is newer
    assert [each.taken_at for each in old.workloads] == ["now", "", "now"]
    assert newer.commit == "bbbbbbb"
    assert (old.taken_at, old.configs) == ("then", {"uwsgi": "old", "overload, proxy": "new"})
    assert results.load(results.dump(old)) == old


@pytest.mark.parametrize("other", [{"machine": {"cpu": "y"}}, {"versions": {"nginx": "2"}}])
def test_a_run_of_another_machine_is_not_taken(other: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="another machine or with other versions"):
        Report("", "", False, 5, 3).take(Report("", "", False, 5, 3, **other))  # type: ignore[arg-type]
