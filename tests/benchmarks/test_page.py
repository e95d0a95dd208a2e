"""The page: every number from the report, every failure visible, tables that are tables."""

from benchmarks import page
from benchmarks.results import Report, Sample, WorkloadResult
from tests.benchmarks.test_report import contest, full, load, overload


def test_page_has_numbers_config_failures_and_limits() -> None:
    text = page.render(full())
    for expected in (
        "full run of commit abcdef0",
        "| hello, 32 clients | 1.00 (1.00-1.00) | 1.00 (1.00-1.00) | 2.00 (1.50-2.50) |",
        "Not measured: router in hello, 32 clients: `router: ended with 1`",
        "| cpu | Some CPU |",
        "worker_processes 1;",
        "### idle-5000: 5,000 idle",
        "closed loop",
        "| 10,000 |",
    ):  # fmt: skip
        assert expected in text
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_page_tables_are_regular() -> None:
    width = 0
    for line in page.render(full()).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        assert width in {0, line.count("|")}, line
        width = line.count("|")


def test_a_quick_run_says_so() -> None:
    quick = Report("2030-01-01", "", True, 1, 1)
    text = page.render(quick)
    assert "quick run (for development only)" in text
    assert "No workload with an aim was run." in text


def test_noise_and_disturbance_are_on_the_page() -> None:
    each = {"nginx": load(0.10), "control": load(0.11, other_cpu_s=0.5)}
    result = WorkloadResult("hello-32", "hello", "load", "", [each])
    text = page.render(Report("", "", False, 1, 1, workloads=[result]))
    assert "Noise: a second nginx against the first, hello:" in text
    assert "Disturbed: something else used up to 0.50 cores during hello." in text


def test_resolution_is_that_of_the_cheapest_round() -> None:
    cheap = {"nginx": Sample(1.0, 10, frontend_cpu_s=0.2), "proxy": load(1.0)}
    result = WorkloadResult("hello-32", "hello", "load", "", [cheap])
    text = page.render(Report("", "", False, 1, 1, workloads=[result]))
    assert "in the cheapest round here 5%" in text


def test_kept_connections_are_compared_with_nginx_and_with_none() -> None:
    each = {"nginx": load(0.10), "proxy": load(0.20), "kept": load(0.15)}
    result = WorkloadResult("hello-32", "hello", "load", "", [each])
    text = page.render(Report("", "", False, 1, 1, workloads=[result]))
    assert "proxy / nginx, and what else is named" in text
    assert (
        "| hello: kept / nginx | 1.00 (1.00-1.00) | 1.00 (1.00-1.00) | 1.50 (1.50-1.50) |" in text
    )
    assert (
        "| hello: kept / proxy | 1.00 (1.00-1.00) | 1.00 (1.00-1.00) | 0.75 (0.75-0.75) |" in text
    )
    assert "kept: requests/s, against nginx (hello-32)" in text


def test_the_compiled_build_is_compared_with_nginx_and_with_the_other() -> None:
    each = {"nginx": load(0.10), "proxy": load(0.20), "compiled": load(0.15)}
    result = WorkloadResult("hello-32", "hello", "load", "", [each])
    text = page.render(Report("", "", False, 1, 1, workloads=[result]))
    assert "| hello: compiled / nginx | 1.00 (1.00-1.00) | 1.00 (1.00-1.00) | 1.50 " in text
    assert "| hello: compiled / proxy | 1.00 (1.00-1.00) | 1.00 (1.00-1.00) | 0.75 " in text
    assert "`make compiled`" in text


def test_contests_say_who_competes_how_to_read_them_and_when_they_were_run() -> None:
    result = overload({"nginx": contest(950, errors={"502": 50}), "ceiling": contest(1000)})
    result.taken_at, result.commit = "2031-02-03", "1234567"
    text = page.render(Report("", "", False, 1, 1, workloads=[result]))
    for expected in (
        "## Overload\n\nMeasured apart from the rest, 2031-02-03, commit 1234567: too many.",
        "Too many: .\n\n- `nginx`: nginx, `uwsgi_pass` to one instance",
        "of 2 processes\n- `ceiling`: nginx with 50 clients",
        "| too many | nginx | 95.0 | 0.950 | 5.00 |",
        "No front end makes workers faster",
        "500 clients that send the next request",
        "Clients that give up",
    ):
        assert expected in text
