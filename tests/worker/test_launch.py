"""The first code of a worker process: it must never outlive the process that started it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.worker import launch
from tests.servers import DEADLINE_S, wait_until

LAUNCH = str(Path(launch.__file__))

PARENT = """
import os, subprocess, sys
command = [sys.executable, sys.argv[1], str(os.getpid()), "exec", "/bin/sleep", "60"]
child = subprocess.Popen(command)
print(child.pid, flush=True)
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    """Whether the process runs: neither gone nor waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
@pytest.mark.parametrize("background", [False, True])
def test_the_worker_dies_with_its_parent(background: bool) -> None:
    """Also in the background of a script, where SIGINT is ignored."""
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if background else ""
    with subprocess.Popen(
        [sys.executable, "-c", ignoring + PARENT, LAUNCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        name = Path(f"/proc/{pid}/comm")
        wait_until(lambda: name.read_text() == "sleep\n", "the worker has become its program")
        parent.kill()
        wait_until(lambda: not is_alive(pid), "the worker has ended")


def test_a_parent_that_has_gone_already_ends_it_at_once() -> None:
    stranger = "1" if os.getpid() != 1 else "2"
    ran = subprocess.run(
        [sys.executable, LAUNCH, stranger, "exec", "/bin/echo", "ran"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "the proxy has gone" in ran.stderr


def test_becomes_the_program() -> None:
    ran = subprocess.run(
        [sys.executable, LAUNCH, str(os.getpid()), "exec", "/bin/echo", "a b", "c"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert ran.stdout == "a b c\n"


def test_its_neighbours_do_not_hide_the_users_modules(short_dir: Path) -> None:
    """A user's `wsgi.py` is found, not proxy/worker/wsgi.py."""
    (short_dir / "wsgi.py").write_text("print('mine')\nraise SystemExit\n")
    socket = short_dir / "s.sock"
    options = ["--socket", str(socket), "--failure", str(short_dir / "why")]
    ran = subprocess.run(
        [sys.executable, LAUNCH, str(os.getpid()), "builtin", *options, "wsgi:app"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=short_dir,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (22, "mine\n")
