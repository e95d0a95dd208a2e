"""The command line: what it refuses, what it writes, and where."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import results, workloads
from benchmarks.contests import OVERLOAD
from benchmarks.results import Report, WorkloadResult
from benchmarks.runner import versions
from proxy.lab import measure, processes


def test_quick_is_a_smaller_effort_that_options_override() -> None:
    parse = command.parser().parse_args
    assert command.effort(parse(["--quick"])) == command.QUICK
    assert command.effort(parse([])).rounds == 5
    found = command.effort(parse(["--quick", "--rounds", "7", "--seconds", "2"]))
    assert (found.rounds, found.seconds, found.warm) == (7, 2, False)
    assert found.contest_seconds == 2
    assert command.effort(parse([])).contest_seconds == 8


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "--only", "hello-1"]) == 0
    assert capsys.readouterr().out.split(maxsplit=1)[0] == "hello-1"


def test_an_unknown_workload(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "bye"]) == 2
    assert "no workload 'bye'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rounds", "--seconds"])
def test_nothing_is_not_a_number_of_rounds(option: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([option, "0"])
    assert ended.value.code == 2


def test_missing_programs_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "find", lambda tool: None)
    assert command.main(["--quick"]) == 2
    assert "apt-get install" in capsys.readouterr().err


def test_a_compiled_build_has_to_be_made_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "COMPILED", tmp_path / "none")
    assert command.main(["--frontend", "proxy", "--only", "idle", "--compiled"]) == 2
    assert "make compiled" in capsys.readouterr().err


def test_render_from_a_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DOCS", tmp_path / "benchmarks.md")
    results.save(Report("2030-01-01", "", False, 5, 3), tmp_path / "in.json")
    assert command.main(["--render", str(tmp_path / "in.json")]) == 0
    assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks")
    (tmp_path / "in.json").write_text("{}")
    assert command.main(["--render", str(tmp_path / "in.json")]) == 2


def test_a_partial_run_leaves_the_published_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DOCS", "LATEST", "PARTIAL"):
        monkeypatch.setattr(command, name, tmp_path / name)
    argv = ["--quick", "--only", "slow", "--frontend", "proxy", "--proxy-args=--no-such-option"]
    assert command.main(argv) == 1
    assert "proxy failed" in capsys.readouterr().out
    assert [each.name for each in tmp_path.iterdir()] == ["PARTIAL"]


def test_an_interrupted_run_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(text: str) -> None:
        if text.startswith("slow-1g"):
            raise KeyboardInterrupt

    for name in ("DOCS", "LATEST", "PARTIAL"):
        monkeypatch.setattr(command, name, tmp_path / name)
    monkeypatch.setattr(command, "_say", interrupt)
    argv = ["--quick", "--frontend", "proxy", "--proxy-args=--no-such-option"]
    assert command.main([*argv, "--only", "hello-1", "--only", "slow"]) == 130
    assert "interrupted" in capsys.readouterr().err
    kept = results.load((tmp_path / "PARTIAL").read_text())
    assert [each.name for each in kept.workloads] == ["hello-1"]


@pytest.mark.parametrize(
    "more", [[], ["--quick", "--only", "slow"], ["--proxy-args=--loop uvloop"]]
)
def test_only_a_part_of_a_whole_run_can_be_merged(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--merge", *more]) == 2
    assert "--merge goes with --only" in capsys.readouterr().err


@pytest.mark.nginx
@pytest.mark.skipif(
    processes.find("nginx") is None and os.environ.get("REQUIRE_NGINX") != "1",
    reason="nginx is not installed",
)
def test_a_merged_run_is_put_beside_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DOCS", "LATEST", "PARTIAL"):
        monkeypatch.setattr(command, name, tmp_path / name)
    small = replace(OVERLOAD, contestants=OVERLOAD.contestants[:1], clients=40, listen=4)
    monkeypatch.setattr(workloads, "CONTESTS", (small,))
    earlier = Report("then", "", False, 5, 3, machine=measure.machine(), versions=versions())
    earlier.workloads = [WorkloadResult("hello-1", "hello", "load", "", [{}])]
    results.save(earlier, tmp_path / "LATEST")
    argv = ["--only", "overload", "--merge", "--rounds", "1", "--seconds", "1"]
    assert command.main(argv) == 0, capsys.readouterr()
    merged = results.load((tmp_path / "LATEST").read_text())
    assert [each.name for each in merged.workloads] == ["hello-1", "overload"]
    assert merged.taken_at == "then" != merged.workloads[1].taken_at
    assert "Measured apart from the rest" in (tmp_path / "DOCS").read_text()
