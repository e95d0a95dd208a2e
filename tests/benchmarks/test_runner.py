"""The versions, what is compared, and one short real run with everything stopped at its end."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import runner
from benchmarks.drive import Effort
from benchmarks.results import OURS, THEIRS, Report
from benchmarks.workloads import Workload, select
from proxy.lab import measure
from proxy.lab.processes import find

SHORT = Effort(rounds=1, seconds=1, transfers=1, slow_seconds=0.2, warm=False)


def test_the_compiled_build_stands_beside_what_it_is_the_same_as() -> None:
    report = Report("", "", quick=True, rounds=1, seconds=1)
    this = runner.Run(None, Path(), SHORT, (THEIRS, OURS), (), report, compiled=True)
    crowd, one = select(["hello-32", "hello-1"])
    assert isinstance(crowd, Workload)
    assert isinstance(one, Workload)
    assert this.variants(one) == [THEIRS, OURS, "compiled"]
    assert this.variants(crowd)[-2:] == ["compiled", "kept-compiled"]


def test_versions_of_what_is_installed() -> None:
    found = runner.versions()
    assert found["Python"].startswith("3.")
    assert "uwsgi-frontend" in found


@pytest.mark.nginx
@pytest.mark.skipif(
    (find("nginx") is None or find("wrk") is None) and os.environ.get("REQUIRE_NGINX") != "1",
    reason="nginx or wrk is not installed",
)
def test_a_real_run() -> None:
    before = set(measure.stats())
    said: list[str] = []
    report = runner.run(select(["hello-1", "reply-100m"]), [THEIRS, OURS], SHORT, said.append)
    assert not report.failed, said
    hello, huge = report.workloads
    assert list(hello.rounds[0]) == [THEIRS, OURS]
    assert hello.errors(OURS) == {}
    ratio = hello.ratio("cpu_us")
    assert ratio is not None
    assert ratio.median > 0
    assert huge.rounds[0][OURS].body_bytes == 100 * 1024 * 1024
    assert set(report.configs) == {"uwsgi", THEIRS, OURS}
    assert len(said) == 2
    children = measure.family(os.getpid(), measure.stats())
    assert [pid for pid in children if pid not in before] == []


def test_a_workload_with_other_workers_has_a_uwsgi_of_its_own() -> None:
    (hello,) = select(["hello-1"])
    assert isinstance(hello, Workload)
    lone = replace(hello, processes=1)
    report = runner.run([lone], [OURS], SHORT, lambda _: None, ["--no-such-option"])
    assert "--processes 2" in report.configs["uwsgi"]
    assert "--processes 1" in report.configs["uwsgi, hello-1"]


def test_a_variant_that_does_not_start_is_noted_and_the_run_goes_on() -> None:
    said: list[str] = []
    report = runner.run(select(["slow"]), [OURS], SHORT, said.append, ["--no-such-option"])
    assert report.failed
    assert "proxy: ended with" in report.workloads[0].failed[OURS]
    assert report.workloads[0].rounds == [{}]
