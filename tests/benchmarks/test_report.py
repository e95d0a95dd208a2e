"""Rows for the terminal and the judgement of aims: failures and disturbances stay visible."""

from benchmarks import report
from benchmarks.results import GB, Report, Sample, WorkloadResult


def load(cpu_s: float, **more: object) -> Sample:
    return Sample(1.0, 10_000, 140_000, 900.0, 4000.0, frontend_cpu_s=cpu_s, **more)  # type: ignore[arg-type]


def full() -> Report:
    hello = WorkloadResult(
        "hello-32", "hello, 32 clients", "load", "/hello",
        [{"nginx": load(0.2), "proxy": load(0.3)}, {"proxy": load(0.5), "nginx": load(0.2)}],
        {"router": "router: ended with 1\nmore"},
    )  # fmt: skip
    huge = WorkloadResult("reply-100m", "100 MB reply", "transfer", "/100m")
    huge.rounds = [{"nginx": Sample(1.0, 10, GB), "proxy": Sample(0.5, 10, GB)}]
    idle = WorkloadResult("idle-5000", "5,000 idle", "idle", "/hello")
    idle.rounds = [{"proxy": Sample(1.0, 5000, pss_kb=35_000, idle_connections=5000)}]
    return Report(
        "2030-01-01", "abcdef0", False, 2, 3, 12.0, {"cpu": "Some CPU"}, {"nginx": "1.2"},
        {"nginx": "worker_processes 1;"}, [hello, huge, idle],
    )  # fmt: skip


def test_terminal_lines() -> None:
    lines = report.lines(full().workloads[0])
    assert lines[0] == "hello-32: hello, 32 clients"
    assert "requests/s" in lines[1]
    assert lines[2].split() == [
        "nginx",
        "10,000",
        "900",
        "4,000",
        "20.0",
        "0.0",
        "0.00",
        "0.0",
        "0",
    ]
    assert "CPU us/request 2.00 (1.50-2.50)" in lines[4]
    assert "router failed: router: ended with 1" in lines[5]
    assert len({len(line) for line in lines[1:4]}) == 1


def test_terminal_lines_without_a_sample() -> None:
    broken = WorkloadResult("x", "X", "load", "", failed={"proxy": "did not start"})
    assert report.lines(broken) == ["x: X", "  proxy failed: did not start"]


def test_aims_are_judged_by_the_median() -> None:
    rows = {text: (wanted, got, reached) for text, wanted, got, reached in report.aims(full())}
    cpu = next(row for text, row in rows.items() if "hello-32" in text)
    assert cpu == ("<= 1.7x", "2.00 (1.50-2.50)", "**no**")
    huge = next(row for text, row in rows.items() if "reply-100m" in text)
    assert huge == (">= 1x", "2.00 (2.00-2.00)", "yes")
    idle = next(row for text, row in rows.items() if "idle-5000" in text)
    assert idle == ("<= 4", "7.00 (7.00-7.00)", "**no**")
    assert len(rows) == 3


def test_an_aim_without_a_pair_is_not_reached() -> None:
    alone = WorkloadResult("hello-1", "hello", "load", "", [{"proxy": load(0.1)}])
    rows = report.aims(Report("", "", False, 1, 1, workloads=[alone]))
    assert rows[0][2:] == ("-", "not measured")


def test_an_aim_with_errors_or_without_a_start_is_not_reached() -> None:
    each = {"nginx": load(0.1), "proxy": load(0.1, errors={"status": 9})}
    flawed = WorkloadResult("hello-1", "hello", "load", "", [each])
    broken = WorkloadResult("idle-5000", "idle", "idle", "", failed={"proxy": "closed them"})
    rows = report.aims(Report("", "", False, 1, 1, workloads=[flawed, broken]))
    assert [row[3] for row in rows] == ["**no** (errors)", "not measured"]


def test_noise_and_disturbance_are_told() -> None:
    each = {"nginx": load(0.10), "control": load(0.11, other_cpu_s=0.5)}
    result = WorkloadResult("hello-32", "hello", "load", "", [each])
    lines = report.lines(result)
    assert any("control/nginx" in line and "1.10 (1.10-1.10)" in line for line in lines)
    assert lines[-1] == "  disturbed: something else used up to 0.50 cores"


def test_nginx_alone_has_no_aims() -> None:
    alone = WorkloadResult("hello-1", "hello", "load", "", [{"nginx": load(0.1)}])
    assert report.aims(Report("", "", False, 1, 1, workloads=[alone])) == []


def contest(requests: int, errors: dict[str, int] | None = None) -> Sample:
    return Sample(
        10.0, requests, p50_us=1e6, p99_us=3e6, p95_us=2e6, max_us=4e6,
        answered=requests, errors=errors or {},
    )  # fmt: skip


def overload(*rounds: dict[str, Sample]) -> WorkloadResult:
    return WorkloadResult("overload", "too many", "overload", "", list(rounds))


def test_contests_show_their_spread_and_their_share_of_the_ceiling() -> None:
    found = overload(
        {"proxy": contest(900), "ceiling": contest(1000)},
        {"proxy": contest(1000), "ceiling": contest(1000)},
    )
    row = report.medians(found)[0]
    assert row[:3] == ["proxy", "95.0 (90.0-100.0)", "0.950 (0.900-1.000)"]
    assert row[3:7] == ["0.00", "1,000", "3,000", "4,000"]


def test_aims_of_the_overload() -> None:
    each = {
        "proxy": contest(960),
        "proxy-uncapped": contest(960, errors={"502": 1}),
        "ceiling": contest(1000),
    }
    rows = report.aims(Report("", "", False, 1, 1, workloads=[overload(each)]))
    assert [(row[1], row[3]) for row in rows] == [
        ("<= 0", "yes"), (">= 0.95x", "yes"),
        ("<= 0", "**no** (errors)"), (">= 0.95x", "**no** (errors)"),
    ]  # fmt: skip
    slow = {"proxy": contest(940), "ceiling": contest(1000)}
    rows = report.aims(Report("", "", False, 1, 1, workloads=[overload(slow)]))
    assert [row[3] for row in rows] == ["yes", "**no**"]
