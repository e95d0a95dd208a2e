"""The command: what it understands, what it writes, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy import cli as street
from proxy.lab import cli, measure, processes
from proxy.lab.processes import ROOT
from proxy.lab.report.results import Report, load
from proxy.lab.report.verdict import fails
from tests.lab.made import report, row, steady


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--path", "a"], "a path begins with /"),
        (["--path", "GET /a b"], "is not of the form"),
        (["--header", "x"], "NAME: VALUE"),
        (["--topology", "nonsense"], "no topology 'nonsense'"),
        (["--scenario", "nonsense"], "no scenario 'nonsense'"),
        (["--app", "nonsense"], "package.module:callable"),
        (["--app", "no_such_module_here:app"], "no module named"),
        (["--render", "/nowhere/report.json"], "/nowhere/report.json: No such file"),
        (["--render", __file__], "test_cli.py: not a report.json"),
        (["--body", "@/nowhere/body"], "/nowhere/body: No such file"),
        (["--topology", "proxy-builtin", "--out", __file__], f"--out {__file__}: File exists"),
    ],
)
def test_mistakes_are_said_in_one_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.startswith("uwsgi-frontend lab: error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("more", [[], ["sweep"]])
def test_an_application_that_does_not_import_is_said_once(
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "torn.py").write_text("\nimport nothere_at_all\n")
    monkeypatch.chdir(tmp_path)
    assert cli.main([*more, "--app", "torn:app"]) == 2
    said = capsys.readouterr().err
    assert 'torn.py", line 2' in said
    assert said.endswith(
        "uwsgi-frontend lab: error: the module 'torn' fails to import: ModuleNotFoundError: "
        "No module named 'nothere_at_all'\n"
    )
    assert said.count("nothere_at_all'") == 2


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--seconds", "0"], ["--processes", "x"]])
def test_numbers_are_checked(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2


def test_a_generator_that_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "find", lambda tool: None)
    assert cli.main(["--generator", "wrk"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "uwsgi-frontend lab: error: not installed: wrk; on Debian: apt-get install wrk\n"
    )


def test_it_is_a_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert street.main(["lab", "--list"]) == 0
    said = capsys.readouterr().out
    assert "uwsgi-direct" in said
    assert "slow-uploads" in said


def test_a_page_is_written_from_a_report(tmp_path: Path) -> None:
    made = report(hop=[row("uwsgi-direct", {"p50_us": steady(1.0)})])
    (tmp_path / "in.json").write_text(cli.as_json(made))
    assert cli.main(["--render", str(tmp_path / "in.json"), "--out", str(tmp_path / "out")]) == 0
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    assert load(tmp_path / "out" / "report.json") == made


def argv(*more: str) -> list[str]:
    return [sys.executable, "-m", "proxy", "lab", *more]


def is_gone(pid: int) -> bool:
    return measure.start_time(pid) is None


STARTED_BY_A_TERMINAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from proxy.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command_of(pid: int) -> bytes:
    """Return its command line; nothing of one that has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def ended(running: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let it not run on when the test fails."""
    try:
        yield
    finally:
        running.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_leaves_a_partial_report_and_nothing_else(number: int, tmp_path: Path) -> None:
    """Ctrl-C reaches the load generator, too; SIGTERM the lab alone."""
    out = tmp_path / "out"
    words = ["--topology", "proxy-builtin", "--scenario", "hop", "--seconds", "0.2"]
    running = subprocess.Popen(
        [sys.executable, "-c", STARTED_BY_A_TERMINAL, "lab", *words, "--rounds", "1000",
         "--out", str(out)],
        cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )  # fmt: skip
    with running, ended(running):
        assert running.stdout is not None
        assert b"1 topology" in running.stdout.readline()
        family: list[int] = []
        while not any(  # until a load has been sent
            b"proxy.lab.load" in command_of(pid) for pid in family
        ):
            family = measure.family(running.pid, measure.stats())
            assert running.poll() is None
        if number == signal.SIGINT:
            os.killpg(running.pid, number)
        else:
            running.send_signal(number)
        assert running.wait(60) == 130
    assert load(out / "report.json").partial
    assert "was interrupted" in (out / "report.html").read_text()
    deadline = time.monotonic() + 30
    while not all(is_gone(pid) for pid in family):  # orphans are init's to reap
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.soak
def test_a_quick_run_answers_the_question(tmp_path: Path) -> None:
    """With real servers: slow uploads decide. Noise is up to the machine (see test_aa)."""
    done = subprocess.run(
        argv("--app", "proxy.worker.example:application", "--quick", "--out", str(tmp_path)),
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    assert "Put a front end before it." in done.stdout
    said = json.loads((tmp_path / "report.json").read_text())
    words = {each["key"]: each["word"] for each in said["verdicts"]}
    assert words["slow-uploads"] == "front-end"
    assert words["chunked-upload"] == "front-end"
    assert "noise" in words
    found: Report = load(tmp_path / "report.json")
    assert not found.partial
    assert str(tmp_path) not in found.to_json()
    slow = found.row("slow-uploads", "proxy-uwsgi")
    assert slow is not None
    assert not fails(slow), slow.outcomes
