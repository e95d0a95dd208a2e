"""Several processes that serve together, as a command: start, signals, deaths, ends."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.subscription import Announcement, Command, encode
from proxy.exits import Exit
from proxy.testing import READ, FakeBackend, Hang, Pause, respond
from tests.differential.client import Client
from tests.integration.messages import request
from tests.lifecycle.command import ask, check_refused, children, client_of, is_alive, listens
from tests.servers import (
    DEADLINE_S,
    REPOSITORY,
    Lines,
    Proxy,
    proxy_process,
    raw_request,
    wait_until,
)

HELLO = respond(body=b"hello")
MOST_CLIENTS = 400
both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


@contextlib.contextmanager
def running(worker: FakeBackend, *options: str, workers: int = 2) -> Iterator[Proxy]:
    """Run several workers in front of a backend."""
    upstream = ("--upstream", str(worker.address))
    with proxy_process("--workers", str(workers), *upstream, *options) as proxy:
        yield proxy


@contextlib.contextmanager
def waiting(go: threading.Event) -> Iterator[FakeBackend]:
    """Run a backend that answers when it may."""
    with FakeBackend((*READ, Pause(go), *HELLO[len(READ) :])) as worker:
        yield worker


def worker_pids(proxy: Proxy, count: int = 2) -> list[int]:
    """Return the ids of the workers that serve: the last that each has been heard of."""
    lines = proxy.log_lines.wait_for(" serves, pid ", count)
    return [int(line.rpartition(" ")[2]) for line in lines[-2:]]


@both_loops
def test_it_serves_and_ends(loop: str, tmp_path: Path) -> None:
    """On a free port and on a unix socket, for all workers the same; nothing is left behind."""
    path = tmp_path / "s"
    listen = ("--listen", "127.0.0.1:0", "--listen", f"unix:{path}")
    with FakeBackend(HELLO) as worker, running(worker, "--loop", loop, *listen) as proxy:
        pids = worker_pids(proxy)
        assert sorted(children(proxy.process.pid)) == sorted(pids)
        for url in proxy.urls:
            for _ in range(3):
                assert ask(url).body == b"hello"
        assert proxy.stop() == Exit.STOPPED
        assert not any(map(is_alive, pids))
        assert not path.exists()
        assert len(proxy.access) == 6
        # Said once, when all serve.
        assert [line for line in proxy.log if "listening on" in line] == proxy.log[2:4]


def clients_of_both(
    proxy: Proxy, worker: FakeBackend, pids: list[int], stack: contextlib.ExitStack
) -> list[Client]:
    """Let clients come and stay until each worker has some: chance decides who has how many."""
    before = [descriptors(pid) for pid in pids]
    clients: list[Client] = []
    while not all(descriptors(pid) > most for pid, most in zip(pids, before, strict=True)):
        assert len(clients) < MOST_CLIENTS, "one of the workers gets no work"
        clients += [stack.enter_context(client_of(proxy)) for _ in range(8)]
        for client in clients[-8:]:
            client.send(request())
        worker.wait_for(len(clients))
    return clients


def descriptors(pid: int) -> int:
    """Return how many a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_the_log_says_who_wrote_it() -> None:
    with FakeBackend((*READ,)) as worker, running(worker) as proxy:
        ask(proxy.url)
        assert any("proxy.exchange worker " in line for line in proxy.log_lines.wait_for("502"))


# -- it cannot start ------------------------------------------------------------------------------

UPSTREAM = ("--workers", "2", "--upstream", "unix:/nowhere/app.sock")


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_in_use(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        args = (*UPSTREAM, "--listen", "127.0.0.1:0", option, address)
        check_refused(args, 1, f"cannot listen on {address}", "Address already in use")


def test_what_no_worker_can_do_is_said_once() -> None:
    args = ("--workers", "3", "--upstream", "no-such-host.invalid:3031")
    here = ("--listen", "127.0.0.1:0")
    check_refused((*args, *here), 1, "host not found in --upstream no-such-host.invalid:3031")


SLOW = """
import asyncio, sys
from proxy.cli import main
from proxy.fleet import supervisor

connect = supervisor.connect

async def connect_slowly(sock, on_message, on_end):
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def hear(message):
        on_message(message)
        if "serving" in message:
            heard.set()

    def end():
        on_end()
        loop.call_later(0.2, heard.set)  # its SIGCHLD comes a little later

    channel = await connect(sock, hear, end)
    await heard.wait()
    return channel

supervisor.connect = connect_slowly
sys.exit(main(sys.argv[1:]))
"""
"""A supervisor that stands still until its worker has said all that it says when it starts."""


def slow(*args: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SLOW, "--workers", "2", "--listen", "127.0.0.1:0", *args]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE)


def test_a_worker_that_has_failed_before_it_is_watched() -> None:
    with slow("--upstream", "no-such-host.invalid:3031") as process:
        _, said = process.communicate(timeout=3 * DEADLINE_S)
    assert said.startswith(b"uwsgi-frontend: error: host not found in --upstream")
    assert said.count(b"\n") == 1
    assert process.returncode == Exit.CANNOT_START


def test_a_worker_that_serves_before_it_is_watched() -> None:
    with FakeBackend(HELLO) as worker, slow("--upstream", str(worker.address)) as process:
        assert process.stderr is not None
        lines = Lines(process.stderr)
        try:
            url = lines.wait_for("listening on ")[0].partition("listening on ")[2]
            assert ask(url).body == b"hello"
            process.terminate()
            assert process.wait(DEADLINE_S) == Exit.STOPPED
        finally:
            process.kill()
            lines.close()


def test_limits_that_cannot_be_shared() -> None:
    args = ("--workers", "2", "--upstream", "unix:/run/app.sock max_conns=1")
    check_refused(args, 2, "max_conns=1 is less than one for each of --workers 2")


# -- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_all(number: int) -> None:
    """Also one that a terminal sends to all processes of the group."""
    go = threading.Event()
    with (
        waiting(go) as worker,
        running(worker) as proxy,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(client_of(proxy)) for _ in range(6)]
        for client in clients:
            client.send(request())
        worker.wait_for(len(clients))
        if number == signal.SIGINT:
            os.killpg(proxy.process.pid, number)
        else:
            proxy.process.send_signal(number)
        wait_until(lambda: not listens(proxy.address), "new clients are refused")
        assert proxy.process.poll() is None
        go.set()
        for client in clients:
            response = client.response()
            assert response is not None
            assert response.body == b"hello"
        assert proxy.process.wait(DEADLINE_S) == Exit.STOPPED


def test_what_all_have_cut_is_added_up() -> None:
    with (
        FakeBackend((*READ, Hang())) as worker,
        running(worker, "--shutdown-timeout", "50ms") as proxy,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(6):
            stack.enter_context(client_of(proxy)).send(request())
        worker.wait_for(6)
        assert proxy.stop() == Exit.CUT
        assert "6 running exchanges were cut" in proxy.log[-1]


def test_a_second_signal_ends_all_at_once() -> None:
    with (
        FakeBackend((*READ, Hang())) as worker,
        running(worker) as proxy,
        client_of(proxy) as client,
    ):
        client.send(request())
        worker.wait_for(1)
        pids = worker_pids(proxy)
        proxy.process.send_signal(signal.SIGTERM)
        proxy.log_lines.wait_for("SIGTERM: draining")
        proxy.process.send_signal(signal.SIGINT)
        assert proxy.process.wait(DEADLINE_S) == 128 + signal.SIGINT
        wait_until(lambda: not any(map(is_alive, pids)), "the workers have ended")


def test_a_worker_that_hangs_is_not_waited_for_for_ever() -> None:
    """It is stopped, and so cannot drain. What it was at is cut."""
    with FakeBackend(HELLO) as worker, running(worker, "--shutdown-timeout", "0") as proxy:
        pid, _ = worker_pids(proxy)
        os.kill(pid, signal.SIGSTOP)
        assert proxy.stop() == Exit.CUT
        assert not is_alive(pid)
    assert any(f"(pid {pid}) does not end: killed" in line for line in proxy.log)


# -- deaths ---------------------------------------------------------------------------------------


@both_loops
def test_a_worker_that_dies_takes_only_its_own_requests_along(loop: str) -> None:
    go = threading.Event()
    with (
        waiting(go) as worker,
        running(worker, "--loop", loop) as proxy,
        contextlib.ExitStack() as stack,
    ):
        victim, other = pids = worker_pids(proxy)
        clients = clients_of_both(proxy, worker, pids, stack)
        os.kill(victim, signal.SIGKILL)
        (line,) = proxy.log_lines.wait_for(f"(pid {victim}) was killed by SIGKILL; another")
        assert "ERROR" in line
        go.set()
        served = [client.response() is not None for client in clients]
        assert 0 < sum(served) < len(clients)
        assert len(worker_pids(proxy, 3)) == 2
        assert is_alive(other)
        assert ask(proxy.url).body == b"hello"
        assert proxy.stop() == Exit.STOPPED


def test_a_worker_that_is_told_to_end_drains_and_is_replaced() -> None:
    go = threading.Event()
    with waiting(go) as worker, running(worker) as proxy:
        with client_of(proxy) as client:
            client.send(request())
            worker.wait_for(1)
            for pid in worker_pids(proxy):
                os.kill(pid, signal.SIGTERM)
            proxy.log_lines.wait_for(" worker 1: SIGTERM: draining")
            proxy.log_lines.wait_for(" worker 2: SIGTERM: draining")
            go.set()
            response = client.response()
            assert response is not None
            assert response.body == b"hello"
        assert len(worker_pids(proxy, 4)) == 2
        assert ask(proxy.url).body == b"hello"


@both_loops
def test_who_ends_leaves_the_socket_to_the_others(loop: str, short_dir: Path) -> None:
    """Its file, too: clients find the way to them, and to its successor."""
    path = short_dir / "s"
    listen = ("--loop", loop, "--listen", f"unix:{path}")
    with FakeBackend(HELLO) as worker, running(worker, *listen) as proxy:
        inode = path.stat().st_ino
        for ended, pid in enumerate(worker_pids(proxy), 1):
            os.kill(pid, signal.SIGTERM)
            proxy.log_lines.wait_for(f"(pid {pid}) ended with exit code 0; another")
            assert ask(proxy.url).body == b"hello"
            worker_pids(proxy, 2 + ended)
        assert path.stat().st_ino == inode
        assert ask(proxy.url).body == b"hello"
        assert proxy.stop() == Exit.STOPPED
        assert not path.exists()


def test_the_supervisor_leaves_no_orphan() -> None:
    """Its workers finish what they are at; then nobody is left, and the port is free."""
    go = threading.Event()
    with (
        waiting(go) as worker,
        running(worker) as proxy,
        client_of(proxy) as client,
    ):
        client.send(request())
        worker.wait_for(1)
        pids = worker_pids(proxy)
        proxy.process.kill()
        proxy.process.wait(DEADLINE_S)
        wait_until(lambda: not listens(proxy.address), "the port is free")
        go.set()
        response = client.response()
        assert response is not None
        assert response.body == b"hello"
        wait_until(lambda: not any(map(is_alive, pids)), "the workers have ended")


def test_an_application_of_its_own() -> None:
    """It is started once, for all workers, and ends after them."""
    with proxy_process("--workers", "2", "--app", "proxy.worker.example:application") as proxy:
        processes = children(proxy.process.pid)
        assert len(processes) >= 3
        assert ask(proxy.url).status == 200
        assert proxy.stop() == Exit.STOPPED
        wait_until(lambda: not any(map(is_alive, processes)), "all have ended")


def test_when_its_application_dies_it_ends() -> None:
    with proxy_process("--workers", "2", "--app", "proxy.worker.example:application") as proxy:
        pids = worker_pids(proxy)
        (app,) = (pid for pid in top_children(proxy) if pid not in pids)
        os.kill(app, signal.SIGKILL)
        assert proxy.process.wait(DEADLINE_S) == Exit.CANNOT_START
        assert not any(map(is_alive, pids))
    assert any("the embedded worker is gone: " in line for line in proxy.log)


def top_children(proxy: Proxy) -> list[int]:
    """Return the ids of the processes that the proxy itself has started."""
    task = Path(f"/proc/{proxy.process.pid}/task")
    return [
        int(pid) for thread in task.iterdir() for pid in (thread / "children").read_text().split()
    ]


# -- numbers --------------------------------------------------------------------------------------

ADMIN = ("--admin", "127.0.0.1:0")


def samples(proxy: Proxy, name: str) -> dict[str, float]:
    """Return a metric by its labels as they are written."""
    admin = proxy.admin_url.removeprefix("http://")
    text = raw_request(admin, b"GET /metrics HTTP/1.0\r\n\r\n").decode()
    found = re.findall(rf"^uwsgi_frontend_{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def served(proxy: Proxy) -> float:
    """Return how many requests have been served, as /metrics has it."""
    return sum(samples(proxy, "http_requests_total").values())


def test_numbers_are_those_of_all() -> None:
    """Whoever of them serves: so many requests are so many requests."""
    with FakeBackend(HELLO) as worker, running(worker, *ADMIN) as proxy:
        for count in range(1, 31):
            ask(proxy.url)
            if count % 10 == 0:
                wait_until(lambda count=count: served(proxy) == count, "all are counted")  # type: ignore[misc]
        both = {'{worker="1"}': 1, '{worker="2"}': 1}
        wait_until(lambda: samples(proxy, "worker_up") == both, "both have answered in time")
        backend = f'{{backend="{worker.address}",upstream="default"}}'
        assert samples(proxy, "backend_serves") == {backend: 1}


def test_what_the_dead_have_counted_stays() -> None:
    with FakeBackend(HELLO) as worker, running(worker, *ADMIN) as proxy:
        for _ in range(20):
            ask(proxy.url)
        wait_until(lambda: served(proxy) == 20, "all are counted")
        for pid in worker_pids(proxy):
            os.kill(pid, signal.SIGKILL)
        worker_pids(proxy, 4)
        assert served(proxy) == 20
        ask(proxy.url)
        wait_until(lambda: served(proxy) == 21, "and one more")
        assert sum(samples(proxy, "worker_restarts_total").values()) == 2


def test_who_hangs_hangs_nobody_else_and_shows() -> None:
    with FakeBackend(HELLO) as worker, running(worker, *ADMIN) as proxy:
        for _ in range(20):
            ask(proxy.url)
        wait_until(lambda: served(proxy) == 20, "all are counted")
        pid, _ = worker_pids(proxy)
        os.kill(pid, signal.SIGSTOP)
        assert served(proxy) == 20
        wait_until(lambda: sum(samples(proxy, "worker_up").values()) == 1, "one has answered")
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: sum(samples(proxy, "worker_up").values()) == 2, "it answers again")


def total(proxy: Proxy, name: str) -> float:
    """Return the sum of a metric over all labels."""
    return sum(samples(proxy, name).values())


def more_clients(proxy: Proxy, stack: contextlib.ExitStack, before: int) -> list[Client]:
    """Send some more requests; each has a backend, or waits for one, when this returns."""
    clients = [stack.enter_context(client_of(proxy)) for _ in range(8)]
    for client in clients:
        client.send(request())

    def have_arrived() -> bool:
        here = total(proxy, "backend_in_flight") + total(proxy, "upstream_queue_length")
        return here == before + len(clients)

    wait_until(have_arrived, "all have arrived")
    return clients


def test_together_they_take_no_more_than_a_backend_does() -> None:
    """Both have a part of the four; the others wait here, whichever worker they came to."""
    go = threading.Event()
    with waiting(go) as worker:
        options = ("--upstream", f"{worker.address} max_conns=4", *ADMIN)
        with (
            proxy_process("--workers", "2", *options) as proxy,
            contextlib.ExitStack() as stack,
        ):
            clients: list[Client] = []
            while total(proxy, "backend_in_flight") < 4:  # chance decides who gets whom
                assert len(clients) < MOST_CLIENTS, "one of the workers gets no work"
                clients += more_clients(proxy, stack, len(clients))
            assert total(proxy, "upstream_queue_length") == len(clients) - 4
            worker.wait_for(4)
            assert worker.accepted == 4
            assert total(proxy, "backend_max_conns") == 4
            assert total(proxy, "upstream_queue_limit") == 1024
            go.set()
            for client in clients:
                assert client.response() is not None


def test_announcements_reach_all() -> None:
    """Also a worker that is started after them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        FakeBackend(HELLO, "tcp") as worker,
        proxy_process(
            *("--workers", "2", "--subscribe", f"127.0.0.1:{port}", "--try-duration", "0"), *ADMIN
        ) as proxy,
    ):
        said = Announcement(Command.SUBSCRIBE, "a.example", str(worker.address), cores=4)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(encode(said), ("127.0.0.1", port))
        backend = f'{{backend="{worker.address}",upstream="a.example"}}'
        # Each of them has its part of the four.
        wait_until(lambda: samples(proxy, "backend_max_conns").get(backend) == 4, "both know it")
        assert samples(proxy, "subscription_events_total")['{event="proved"}'] == 1
        os.kill(worker_pids(proxy)[0], signal.SIGKILL)
        worker_pids(proxy, 3)
        wait_until(lambda: samples(proxy, "backend_max_conns").get(backend) == 4, "both know it")
        for _ in range(8):
            with client_of(proxy) as client:
                client.send(request().replace(b"localhost", b"a.example"))
                response = client.response()
                assert response is not None
                assert response.body == b"hello"


# -- the admin site -------------------------------------------------------------------------------


def test_what_is_shown_and_changed_is_that_of_all(tmp_path: Path) -> None:
    """A backend is drained in every worker, also in one that is started later."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    options = (*ADMIN, "--admin-token-file", str(token))
    with FakeBackend(HELLO) as worker, running(worker, *options) as proxy:
        ask(proxy.url)
        wait_until(lambda: _status(proxy, "/readyz") == 200, "it is ready")
        assert len(_read(proxy, "/api/workers")) == 2
        place = f"/api/upstreams/default/backends/{worker.address}"
        patch = urllib.request.Request(
            proxy.admin_url + place, data=b'{"drain": true}', method="PATCH"
        )
        patch.add_header("Content-Type", "application/json")
        patch.add_header("Authorization", "Bearer 0123456789abcdef")
        with urllib.request.urlopen(patch, timeout=DEADLINE_S) as response:
            assert json.load(response)["duty"] == "draining"
        assert _status(proxy, "/readyz") == 503
        first, _ = worker_pids(proxy)
        os.kill(first, signal.SIGKILL)
        worker_pids(proxy, 3)
        wait_until(lambda: len(_read(proxy, "/api/workers")) == 2, "another one serves")
        wait_until(lambda: _read(proxy, place)["duty"] == "draining", "it is drained there, too")
        assert _status(proxy, "/livez") == 200


def _status(proxy: Proxy, path: str) -> int:
    try:
        with urllib.request.urlopen(proxy.admin_url + path, timeout=DEADLINE_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _read(proxy: Proxy, path: str) -> Any:
    with urllib.request.urlopen(proxy.admin_url + path, timeout=DEADLINE_S) as response:
        return json.load(response)
