"""An application of its own: it starts, serves and ends with the proxy, on either worker."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.process import WORKER_STOP_S
from tests.integration.messages import post, request
from tests.lifecycle.command import ask, children, client_of, is_alive, listens, run
from tests.servers import DEADLINE_S, REPOSITORY, Proxy, proxy_process, wait_until

APP = """
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        open(os.environ["BEGUN"], "w").close()
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.01)
    body = environ["wsgi.input"].read() or path.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
KINDS = ("uWSGI", "built-in")
AT_ONCE_S = WORKER_STOP_S - 1.0
"""Less than what a worker gets that may finish what it does, and far more than ending takes."""


@pytest.fixture
def site(short_dir: Path) -> Path:
    """A directory with applications in it, and one for what a killed proxy leaves behind."""
    (short_dir / "tmp").mkdir()
    (short_dir / "shop.py").write_text(APP)
    (short_dir / "broken.py").write_text("import a_package_that_nobody_has\n")
    (short_dir / "hide").mkdir()
    hide = "import sys\nsys.modules['pyuwsgi'] = None\n"
    (short_dir / "hide" / "sitecustomize.py").write_text(hide)
    return short_dir


def environment(site: Path, kind: str) -> dict[str, str]:
    """Return the variables with which the proxy chooses this kind of worker."""
    hide = {} if kind == "uWSGI" else {"PYTHONPATH": f"{site}/hide{os.pathsep}{REPOSITORY}"}
    paths = {"GO": site / "go", "BEGUN": site / "begun", "TMPDIR": site / "tmp"}
    return {**{name: str(path) for name, path in paths.items()}, **hide}


@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_and_ends_in_order(site: Path, kind: str) -> None:
    """What the application is working on is finished; then no process is left."""
    env = environment(site, kind)
    with proxy_process("--app", "shop", env=env, cwd=site) as proxy:
        (line,) = proxy.log_lines.wait_for("running shop:application on ")
        assert kind in line
        with client_of(proxy) as client:
            client.send(post(b"x" * 100_000))
            response = client.response()
            assert response is not None
            assert response.body == b"x" * 100_000
        with client_of(proxy) as client:
            client.send(request("/wait"))
            wait_until((site / "begun").exists, "the application works")
            workers = children(proxy.process.pid)
            assert workers
            proxy.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not listens(proxy.address), "new clients are refused")
            (site / "go").touch()
            response = client.response()
            assert response is not None
            assert response.body == b"/wait"
        assert proxy.process.wait(DEADLINE_S) == 0
        wait_until(lambda: not any(map(is_alive, workers)), "the workers have ended")
    assert not list((site / "tmp").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_does_not_end_is_not_waited_for_for_ever(site: Path, kind: str) -> None:
    """Once its exchanges have been cut it has a second."""
    options = ("--app", "shop", "--shutdown-timeout", "0")
    with (
        proxy_process(*options, env=environment(site, kind), cwd=site) as proxy,
        client_of(proxy) as client,
    ):
        client.send(request("/wait"))
        wait_until((site / "begun").exists, "the application works")
        workers = children(proxy.process.pid)
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(AT_ONCE_S) == 3
        wait_until(lambda: not any(map(is_alive, workers)), "the workers have ended")


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_signal_does_not_wait_for_the_worker(site: Path, kind: str) -> None:
    """The application is busy with a request whose client has left long ago."""
    with proxy_process("--app", "shop", env=environment(site, kind), cwd=site) as proxy:
        with client_of(proxy) as client:
            client.send(request("/wait"))
            wait_until((site / "begun").exists, "the application works")
        workers = children(proxy.process.pid)
        proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(proxy.address), "new clients are refused")
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(AT_ONCE_S) == 128 + signal.SIGTERM
        wait_until(lambda: not any(map(is_alive, workers)), "the workers have ended")
    assert not list((site / "tmp").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_when_its_worker_dies_it_ends(site: Path, kind: str) -> None:
    """With code 1: a supervisor should start both again."""
    with proxy_process("--app", "shop", env=environment(site, kind), cwd=site) as proxy:
        assert ask(proxy.url, "/ok").body == b"/ok"
        (worker,) = top_children(proxy)
        os.kill(worker, signal.SIGKILL)
        assert proxy.process.wait(DEADLINE_S) == 1
    (line,) = [line for line in proxy.log if "worker is gone" in line]
    assert "killed by signal 9" in line


@pytest.mark.parametrize("kind", KINDS)
def test_it_leaves_no_orphan(site: Path, kind: str) -> None:
    """Not even when it is killed without a chance to say good-bye."""
    with proxy_process("--app", "shop", env=environment(site, kind), cwd=site) as proxy:
        assert ask(proxy.url, "/ok").body == b"/ok"
        workers = children(proxy.process.pid)
        assert workers
        proxy.process.kill()
        proxy.process.wait(DEADLINE_S)
        wait_until(lambda: not any(map(is_alive, workers)), "the workers have ended")


@pytest.mark.parametrize("kind", KINDS)
def test_an_application_that_does_not_load(site: Path, kind: str) -> None:
    """It is found at once, but imported only by the worker, which says why it cannot."""
    with proxy_process("--app", "broken", env=environment(site, kind), cwd=site) as proxy:
        assert proxy.process.wait(DEADLINE_S) == 1
    assert any("a_package_that_nobody_has" in line for line in proxy.log)


@pytest.mark.parametrize(
    ("app", "words"),
    [("no_such_module", ("no_such_module",)), ("shop:", ("shop:",)), ("a b", ("a b",))],
)
def test_an_application_that_is_not_there(app: str, words: tuple[str, ...]) -> None:
    done = run("--listen", "127.0.0.1:0", "--app", app)
    (line,) = done.stderr.splitlines()
    assert line.startswith("uwsgi-frontend: error: ")
    assert all(word in line for word in words)
    assert done.returncode in (1, 2)


def test_the_example_runs_out_of_the_box() -> None:
    """What `make run` starts."""
    with proxy_process("--app", "proxy.worker.example:application") as proxy:
        response = ask(proxy.url)
        assert response.status == 200
        assert b"<html" in response.body
        assert proxy.stop() == 0


def top_children(proxy: Proxy) -> list[int]:
    """Return the ids of the processes that the proxy itself has started."""
    task = Path(f"/proc/{proxy.process.pid}/task")
    return [
        int(pid) for thread in task.iterdir() for pid in (thread / "children").read_text().split()
    ]


EARLY = """
import os, signal, sys
from proxy import cli, worker

start = worker.start

def start_late(settings):
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
    return start(settings)

worker.start = start_late
sys.exit(cli.main(["--app", "shop", "--listen", "127.0.0.1:0", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_that_comes_while_it_starts_is_not_lost(site: Path, workers: str) -> None:
    """It would kill the process, and as number 1 in a container nobody would hear it."""
    command = [sys.executable, "-c", EARLY, "--workers", workers]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment(site, "uWSGI")}
    ended = subprocess.run(
        command, cwd=site, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "SIGTERM: draining" in ended.stderr
    assert not list((site / "tmp").iterdir())
