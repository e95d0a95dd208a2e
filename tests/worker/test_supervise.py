"""The worker as the proxy sees it: started, watched, stopped; both kinds behave alike."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import proxy.worker
from proxy.settings import WorkerSettings
from proxy.worker import Worker, WorkerError, start
from proxy.worker import supervise as module
from proxy.worker.command import Kind
from tests.servers import DEADLINE_S, connect, uwsgi_request, wait_until
from tests.worker.test_launch import is_alive

KINDS: tuple[Kind, ...] = ("uwsgi", "builtin")


@contextmanager
def running(
    app: str, directory: Path, kind: Kind, processes: int = 1, threads: int = 2
) -> Iterator[Worker]:
    settings = WorkerSettings(app=app, processes=processes, threads=threads)
    worker = start(settings, python_path=str(directory), kind=kind)
    try:
        yield worker
    finally:
        worker.stop(timeout_s=0)


@pytest.mark.parametrize("kind", KINDS)
def test_serves_and_stops(app_dir: Path, kind: Kind) -> None:
    with running("good:app", app_dir, kind) as worker:
        assert worker.wait_ready(DEADLINE_S)
        assert uwsgi_request(str(worker.address)).endswith(b"good")
        assert worker.poll() is None
        assert worker.failure() == ""
        directory = Path(worker.address.path).parent
        assert directory.stat().st_mode & 0o777 == 0o700
        worker.stop(DEADLINE_S)
        assert worker.poll() == 0
        worker.stop(DEADLINE_S)
        assert not directory.exists()


def test_both_kinds_agree_on_the_reply(app_dir: Path) -> None:
    replies = []
    for kind in KINDS:
        with running("good:app", app_dir, kind) as worker:
            assert worker.wait_ready(DEADLINE_S)
            replies.append(uwsgi_request(str(worker.address)))
    assert replies[0] == replies[1]


def test_says_which_server_it_is(app_dir: Path) -> None:
    with running("good:app", app_dir, "uwsgi", processes=2, threads=1) as worker:
        assert worker.description.startswith("uWSGI 2.")
        assert worker.description.endswith(" (pyuwsgi), 2 processes x 1 thread")
    with running("good:app", app_dir, "builtin", processes=2, threads=4) as worker:
        assert worker.description == "built-in worker, 4 threads (one process only, not 2)"


def test_takes_uwsgi_when_there_is_one_else_its_own(
    app_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running("good:app", app_dir, "auto") as worker:
        assert worker.description.startswith("uWSGI")
    monkeypatch.setattr(module, "find_uwsgi", lambda: None)
    with running("good:app", app_dir, "auto") as worker:
        assert worker.description == (
            "built-in worker, 2 threads; for more, install uWSGI: pip install pyuwsgi"
        )
    with (
        pytest.raises(WorkerError, match="no uWSGI that works with this Python"),
        running("good:app", app_dir, "uwsgi"),
    ):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_mistakes_that_need_no_import_are_found_at_once(app_dir: Path, kind: Kind) -> None:
    with pytest.raises(WorkerError, match="no module named 'nowhere'"):
        start(WorkerSettings(app="nowhere:app"), python_path=str(app_dir), kind=kind)
    with pytest.raises(WorkerError, match="not of the form"):
        start(WorkerSettings(app="good.app"), python_path=str(app_dir), kind=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("good:ap", "has no 'ap'; is it 'app'?"),
        ("broken:app", "fails to import: ZeroDivisionError: division by zero"),
        ("pack.inner:site", "is not callable"),
    ],
)
def test_an_application_that_fails_to_load_is_explained(
    app_dir: Path, capfd: pytest.CaptureFixture[str], kind: Kind, app: str, reason: str
) -> None:
    with running(app, app_dir, kind) as worker:
        assert not worker.wait_ready(DEADLINE_S)
        assert worker.poll() == 22
        assert reason in worker.failure()
    log = capfd.readouterr().err
    assert ("broken.py" in log) is (app == "broken:app")
    assert "\n" not in worker.failure()


@pytest.mark.parametrize("kind", KINDS)
def test_a_death_is_noticed(app_dir: Path, kind: Kind) -> None:
    with running("good:app", app_dir, kind) as worker:
        assert worker.wait_ready(DEADLINE_S)
        os.kill(worker.pid, signal.SIGKILL)
        wait_until(lambda: worker.poll() is not None, "the death is noticed")
        assert worker.poll() == -signal.SIGKILL
        assert worker.failure() == "the worker was killed by signal 9; what it said last is above"
        assert not worker.wait_ready(DEADLINE_S)


def test_an_exit_code_is_told(app_dir: Path) -> None:
    (app_dir / "quits.py").write_text("import os\nos._exit(7)\n")
    with running("quits:app", app_dir, "builtin") as worker:
        assert not worker.wait_ready(DEADLINE_S)
        assert worker.failure() == "the worker ended with exit code 7; what it said last is above"


SLOW = """
import os, time

def wait_for(name):
    while not os.path.exists(os.path.join(os.path.dirname(__file__), name)):
        time.sleep(0.01)

{at_import}

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open(os.path.join(os.path.dirname(__file__), "begun"), "w").close()
        wait_for("go")
    start_response("200 OK", [])
    return [b"done"]
"""


@pytest.mark.parametrize("kind", KINDS)
def test_start_does_not_wait_for_the_import_and_requests_wait_instead(
    app_dir: Path, kind: Kind
) -> None:
    (app_dir / "slow.py").write_text(SLOW.format(at_import="wait_for('import')"))
    with running("slow:app", app_dir, kind) as worker:
        assert not worker.wait_ready(0.3)
        with connect(str(worker.address)) as early:
            early.sendall(b"\0\x0e\0\0\x09\0PATH_INFO\x01\0/")
            (app_dir / "import").touch()
            assert early.recv(1000).endswith(b"done")
        assert worker.wait_ready(DEADLINE_S)


@pytest.mark.parametrize("kind", KINDS)
def test_stop_lets_a_running_request_finish(app_dir: Path, kind: Kind) -> None:
    (app_dir / "slow.py").write_text(SLOW.format(at_import=""))
    with running("slow:app", app_dir, kind) as worker:
        assert worker.wait_ready(DEADLINE_S)
        replies: list[bytes] = []

        def request() -> None:
            replies.append(uwsgi_request(str(worker.address), {"PATH_INFO": "/slow"}, timeout_s=60))

        client = threading.Thread(target=request)
        stopper = threading.Thread(target=worker.stop, args=(DEADLINE_S,))
        client.start()
        wait_until((app_dir / "begun").exists, "the request runs")
        stopper.start()
        stopper.join(0.2)
        assert stopper.is_alive()
        (app_dir / "go").touch()
        client.join(DEADLINE_S)
        stopper.join(DEADLINE_S)
        assert replies[0].endswith(b"done")
        assert worker.poll() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_still_loads_is_not_waited_for(app_dir: Path, kind: Kind) -> None:
    """uWSGI hears no signal meanwhile, and there is no request that could be lost."""
    at_import = "open(os.path.join(os.path.dirname(__file__), 'begun'), 'w').close(); wait_for('-')"
    (app_dir / "slow.py").write_text(SLOW.format(at_import=at_import))
    with running("slow:app", app_dir, kind) as worker:
        wait_until((app_dir / "begun").exists, "it is being imported")
        started = time.monotonic()
        worker.stop(timeout_s=10 * DEADLINE_S)
        assert time.monotonic() - started < 5 * DEADLINE_S


@pytest.mark.parametrize("kind", KINDS)
def test_stop_kills_what_does_not_finish(app_dir: Path, kind: Kind) -> None:
    (app_dir / "slow.py").write_text(SLOW.format(at_import=""))
    with running("slow:app", app_dir, kind) as worker:
        assert worker.wait_ready(DEADLINE_S)
        with connect(str(worker.address)) as connection:
            connection.sendall(b"\0\x12\0\0\x09\0PATH_INFO\x05\0/slow")
            wait_until((app_dir / "begun").exists, "the request runs")
            pids = group(worker.pid)
            assert worker.pid in pids
            worker.stop(timeout_s=0.1)
            assert connection.recv(100) == b""
        wait_until(lambda: not any(map(is_alive, pids)), "all processes have ended")


def group(leader: int) -> set[int]:
    """Return the processes of a group."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # those that end meanwhile
            if is_alive(pid) and os.getpgid(pid) == leader:
                found.add(pid)
    return found


PARENT = """
import sys
from proxy.settings import WorkerSettings
from proxy.worker import start
settings = WorkerSettings(app="good:app", processes=2)
worker = start(settings, python_path=sys.argv[1], kind=sys.argv[2])
assert worker.wait_ready(20)
print(worker.pid, worker.address.path, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outlives_a_proxy_that_is_killed(app_dir: Path, kind: Kind) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(app_dir), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pid, path = parent.stdout.readline().decode().split()
        pids = group(int(pid))
        assert len(pids) == (3 if kind == "uwsgi" else 1)
        parent.kill()
        wait_until(lambda: not any(map(is_alive, pids)), "all processes have ended")
    shutil.rmtree(Path(path).parent)  # nobody was left to do it


def test_a_uwsgi_that_reloads_keeps_serving(app_dir: Path) -> None:
    with running("good:app", app_dir, "uwsgi") as worker:
        assert worker.wait_ready(DEADLINE_S)
        before = group(worker.pid)
        os.kill(worker.pid, signal.SIGHUP)
        wait_until(lambda: len(group(worker.pid) - before) == 1, "a new process has come up")
        assert worker.wait_ready(DEADLINE_S)
        assert uwsgi_request(str(worker.address)).endswith(b"good")
        assert worker.poll() is None


def test_a_full_sized_packet_with_many_variables_is_served(app_dir: Path) -> None:
    many = {f"HTTP_X_{number}": "v" * 40 for number in range(1000)}
    for kind in KINDS:
        with running("good:app", app_dir, kind) as worker:
            assert worker.wait_ready(DEADLINE_S)
            assert uwsgi_request(str(worker.address), many).endswith(b"good")


def test_what_the_application_prints_stays_out_of_standard_output(
    app_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (app_dir / "talks.py").write_text("print('hello from the app', flush=True)\nfrom good import *")
    for kind in KINDS:
        with running("talks:app", app_dir, kind) as worker:
            assert worker.wait_ready(DEADLINE_S)
        captured = capfd.readouterr()
        assert captured.out == ""
        assert "hello from the app" in captured.err


def test_the_application_does_not_see_how_it_was_started(app_dir: Path) -> None:
    (app_dir / "looks.py").write_text(
        "import os, sys\nseen = [n for n in os.environ if 'UWSGI_FRONTEND' in n.upper()]\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [repr((seen, sys.path[0])).encode()]\n"
    )
    for kind in KINDS:
        with running("looks:app", app_dir, kind) as worker:
            assert worker.wait_ready(DEADLINE_S)
            expected = repr(([], str(app_dir))).encode()
            assert uwsgi_request(str(worker.address)).endswith(expected)


def test_a_long_temporary_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app_dir: Path
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with running("good:app", app_dir, "builtin") as worker:
        assert worker.wait_ready(DEADLINE_S)
        assert worker.address.path.startswith("/tmp/")
    assert not list(long.iterdir())


def test_an_interpreter_that_cannot_be_started_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app_dir: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        ExitStack() as stack,
        pytest.raises(WorkerError, match=r"cannot start .*/none: .*No such file"),
    ):
        stack.enter_context(running("good:app", app_dir, "builtin"))
    assert not list(tmp_path.glob("uwsgi-frontend-*"))


def test_the_public_face() -> None:
    assert proxy.worker.__all__ == ["Worker", "WorkerError", "start"]
