"""Beside a real uWSGI: in either order, through its restarts, to the end; with a closed root."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.exits import Exit
from tests.image.container import ENVIRONMENT, SHARED, Image, Sidecar, running
from tests.lifecycle.command import ask
from tests.reload.instance import Instance
from tests.reload.journal import Journal
from tests.reload.load import Load
from tests.servers import parse_reply, raw_request, wait_until

pytestmark = pytest.mark.image

QUERY = "/?id=GET0"
START_LIMIT_S = 60.0


@contextmanager
def sidecar(image: Image, shared: Path, **settings: str) -> Iterator[Sidecar]:
    """Run the front end; settings are those of its environment, without the prefix."""
    given = {f"UWSGI_FRONTEND_{name}": value for name, value in settings.items()}
    command = image.in_chroot(shared, ENVIRONMENT | given, image.entrypoint)
    with running(command, image.entrypoint[0]) as it:
        yield it


def status_of(it: Sidecar, path: str) -> int:
    """Ask the admin address."""
    admin = it.admin_url.removeprefix("http://")
    return parse_reply(raw_request(admin, f"GET {path} HTTP/1.0\r\n\r\n".encode())).status


def become_ready(it: Sidecar) -> None:
    wait_until(lambda: status_of(it, "/readyz") == 200, "ready", START_LIMIT_S)


def load(it: Sidecar) -> Load:
    return Load(it.host, it.port, clients=8, post_every=0)


def check_all_good(requests: Load) -> None:
    bad = [one for one in requests.outcomes if not one.is_good]
    assert requests.outcomes
    assert not bad, bad[:5]


def check_health(image: Image, shared: Path, it: Sidecar) -> int:
    """Run the command of HEALTHCHECK in the container."""
    environment = ENVIRONMENT | {"UWSGI_FRONTEND_ADMIN": it.admin_url.removeprefix("http://")}
    command = image.in_chroot(shared, environment, image.health)
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def test_the_front_end_first(image: Image, shared: Path, app: Instance) -> None:
    """It lives, is not ready, and serves as soon as there is a socket."""
    with sidecar(image, shared) as it:
        it.log_lines.wait_for("is not there yet")
        assert status_of(it, "/livez") == 200
        assert status_of(it, "/readyz") == 503
        app.start()
        become_ready(it)
        assert ask(it.url, QUERY).status == 200
        it.signal(signal.SIGTERM)
        assert it.end() == Exit.STOPPED


def test_uwsgi_first(image: Image, shared: Path, app: Instance) -> None:
    app.start()
    with sidecar(image, shared) as it:
        assert ask(it.url, QUERY).status == 200
        become_ready(it)
        it.signal(signal.SIGTERM)
        assert it.end() == Exit.STOPPED


def test_the_socket_is_replaced_under_load(image: Image, shared: Path, app: Instance) -> None:
    """uWSGI is stopped, removes its socket and makes a new one; clients wait for it."""
    app.start()
    before = (shared / "app.sock").stat()
    with sidecar(image, shared) as it, load(it) as requests:
        requests.wait_good(20)
        app.drain()
        app.start()
        after = (shared / "app.sock").stat()
        requests.wait_good(20)
        requests.finish()
    check_all_good(requests)
    assert (before.st_ino, before.st_ctime_ns) != (after.st_ino, after.st_ctime_ns)


def test_it_drains_under_load(image: Image, shared: Path, app: Instance) -> None:
    """Not ready first; who has not noticed yet is served; then the end, and nobody has lost."""
    app.start()
    with sidecar(image, shared, DRAIN_DELAY="20s", SHUTDOWN_TIMEOUT="20s") as it:
        with load(it) as requests:
            become_ready(it)
            requests.wait_good(20)
            begin = time.monotonic()
            it.signal(signal.SIGTERM)
            wait_until(lambda: status_of(it, "/readyz") == 503, "not ready")
            assert status_of(it, "/livez") == 200
            requests.wait_good(20)
            # Here a balancer has read it, and sends nobody here any more.
            requests.finish()
            assert time.monotonic() - begin < 20, "too slow a machine to tell anything"
            assert it.process.poll() is None
        check_all_good(requests)
        assert it.end() == Exit.STOPPED


def test_what_runs_is_finished(image: Image, shared: Path, app: Instance, journal: Journal) -> None:
    app.start()
    with sidecar(image, shared) as it:
        with Load(it.host, it.port, clients=1, post_every=0, sleep_s=2.0) as requests:
            wait_until(lambda: bool(journal.running()), "a request runs")
            it.signal(signal.SIGTERM)
            requests.wait_good(1)
        assert it.end() == Exit.STOPPED


def test_the_health_check(image: Image, shared: Path) -> None:
    """Healthy without an application, too: to restart the front end would not help that."""
    with sidecar(image, shared) as it:
        assert check_health(image, shared, it) == 0
        it.signal(signal.SIGSTOP)
        assert check_health(image, shared, it) == 1
        it.signal(signal.SIGCONT)
        it.signal(signal.SIGTERM)
        assert it.end() == Exit.STOPPED
        assert check_health(image, shared, it) == 1


def test_a_closed_root(image: Image, shared: Path, app: Instance) -> None:
    """All that is written goes to /tmp: an upload over what is kept in memory."""
    app.start()
    body = os.urandom(3_000_000)
    head = f"POST {QUERY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}"
    settings = ENVIRONMENT | {"UWSGI_FRONTEND_CLIENT_MAX_BODY_SIZE": "4m"}
    command = image.read_only(shared, settings, image.entrypoint)
    with running(command, image.entrypoint[0]) as it:
        status = Path(f"/proc/{it.pid}/status").read_text()
        for line in ("Uid:\t1000\t", "Gid:\t1000\t", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"):
            assert line in status
        reply = parse_reply(raw_request(it.address, head.encode() + b"\r\n\r\n" + body))
        assert reply.status == 200
        it.signal(signal.SIGTERM)
        assert it.end() == Exit.STOPPED


def test_a_closed_root_without_a_place_to_write_is_told(image: Image, shared: Path) -> None:
    settings = ENVIRONMENT | {"UWSGI_FRONTEND_SPOOL_DIR": "/opt"}
    done = subprocess.run(
        image.read_only(shared, settings, image.entrypoint),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Exit.BAD_SETTINGS
    assert "--spool-dir /opt: directory /opt cannot be written by user 1000" in done.stderr


def test_wrong_settings_are_one_line(image: Image, shared: Path) -> None:
    command = image.in_chroot(shared, {"UWSGI_FRONTEND_UPSTREM": SHARED}, image.entrypoint)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Exit.BAD_SETTINGS
    assert "did you mean UWSGI_FRONTEND_UPSTREAM?" in done.stderr
