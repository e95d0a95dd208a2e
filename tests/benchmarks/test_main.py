"""The command line: what it refuses, what it writes, and where."""

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import processes, results
from benchmarks.results import Report


def test_quick_is_a_smaller_effort_that_options_override() -> None:
    parse = command.parser().parse_args
    assert command.effort(parse(["--quick"])) == command.QUICK
    assert command.effort(parse([])).rounds == 5
    found = command.effort(parse(["--quick", "--rounds", "7", "--seconds", "2"]))
    assert (found.rounds, found.seconds, found.warm) == (7, 2, False)


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
