"""Programs are started, waited for, noticed when they die, and stopped with all their children."""

import sys
import time
from pathlib import Path

import pytest

from proxy.lab import measure, processes
from proxy.lab.processes import BenchError, Daemon, MissingTool

FAMILY = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
child = subprocess.Popen([sys.executable, "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True);"
    "signal.pause()"])
print("child", child.pid, flush=True)
signal.pause()
"""


def python(name: str, code: str, place: Path) -> Daemon:
    return Daemon.start(name, [sys.executable, "-c", code], place / "log")


def test_a_line_is_waited_for_and_the_family_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 60.0)
    with python("family", FAMILY, tmp_path) as daemon:
        child = int(daemon.wait_for(r"child (\d+)")[1])
        daemon.wait_for("ready")
        started = measure.start_time(child)
        assert started is not None
        daemon.check()
    assert daemon.popen.returncode == 3
    # It may not have been reaped by whoever inherited it, but it no longer runs.
    state = processes_state(child)
    assert measure.start_time(child) != started or state in {"Z", "X"} or state is None


def processes_state(pid: int) -> str | None:
    """Wait for the end of a killed process that is not our child; return its last state."""
    deadline = time.monotonic() + 60
    path = Path(f"/proc/{pid}/stat")
    state: str | None = None
    while time.monotonic() < deadline:
        try:
            state = path.read_text().rpartition(")")[2].split()[0]
        except OSError:
            return None
        if state in {"Z", "X"}:
            return state
        time.sleep(0.01)
    return state


def test_death_is_noticed_with_the_end_of_the_log(tmp_path: Path) -> None:
    with (
        python("short", "print('last words'); raise SystemExit(4)", tmp_path) as daemon,
        pytest.raises(BenchError, match=r"(?s)short: ended with 4.*last words"),
    ):
        daemon.wait_for("never")


def test_silence_is_bounded(tmp_path: Path) -> None:
    with (
        python("mute", "import signal; signal.pause()", tmp_path) as daemon,
        pytest.raises(BenchError, match="did not say 'never'"),
    ):
        daemon.wait_for("never", timeout_s=0.05)


def test_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot start"):
        Daemon.start("nothing", [str(tmp_path / "nothing")], tmp_path / "log")


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "find", lambda tool: None)
    with pytest.raises(MissingTool, match=r"apt-get install nginx.*wrk"):
        processes.require(["nginx", "wrk"])


def test_what_is_there_is_not_missing() -> None:
    processes.require(["sh"])


def test_the_proxy_is_not_configured_from_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWSGI_FRONTEND_LISTEN", "127.0.0.1:1")
    found = processes.environment({"TMPDIR": "/x"})
    assert "UWSGI_FRONTEND_LISTEN" not in found
    assert found["TMPDIR"] == "/x"


def test_file_limit_is_usable() -> None:
    assert 0 < processes.file_limit() <= processes.MOST_FILES


TOGETHER = """
import os, pathlib, signal, time

def stop(*_):
    pathlib.Path({place!r}, "told-%d" % os.getpid()).touch()
    while len(list(pathlib.Path({place!r}).glob("told-*"))) < {count}:
        time.sleep(0.01)
    os._exit(4)

signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
signal.pause()
"""


def test_several_are_stopped_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None ends before all have been told to: one after the other, they would have to be killed."""
    slow = TOGETHER.format(count=4, place=str(tmp_path))
    places = [tmp_path / str(at) for at in range(4)]
    daemons = []
    for place in places:
        place.mkdir()
        daemons.append(python("slow", slow, place))
    for daemon in daemons:
        daemon.wait_for("ready")
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 60.0)
    processes.stop_all(daemons)
    assert [daemon.popen.returncode for daemon in daemons] == [4] * 4
    processes.stop_all([])
