"""Tables and the page: every number from the report, every failure and unreached aim visible."""

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
    huge.rounds = [{"nginx": Sample(1.0, 10, GB), "proxy": Sample(0.5, 10, GB, errors={"read": 1})}]
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


def test_nginx_alone_has_no_aims() -> None:
    alone = WorkloadResult("hello-1", "hello", "load", "", [{"nginx": load(0.1)}])
    assert report.aims(Report("", "", False, 1, 1, workloads=[alone])) == []


def test_page_has_numbers_config_failures_and_limits() -> None:
    text = report.render(full())
    for expected in (
        "full run of commit abcdef0",
        "| hello, 32 clients | 2.00 (1.50-2.50) |".replace(" | 2.00", " | 1.00 (1.00-1.00) | 1.00"
            " (1.00-1.00) | 2.00"),
        "Not measured: router in hello, 32 clients: `router: ended with 1`",
        "| cpu | Some CPU |",
        "worker_processes 1;",
        "### idle-5000: 5,000 idle",
        "closed loop",
        "1 read",
    ):  # fmt: skip
        assert expected in text
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_page_tables_are_regular() -> None:
    width = 0
    for line in report.render(full()).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        assert width in {0, line.count("|")}, line
        width = line.count("|")


def test_a_quick_run_says_so() -> None:
    quick = Report("2030-01-01", "", True, 1, 1)
    text = report.render(quick)
    assert "quick run, for development only" in text
    assert "No workload with an aim was run." in text
