"""All backends are gone, perhaps for a restart: whoever asks meanwhile waits for a while."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from proxy import errors
from proxy.settings import Address
from proxy.testing import FakeBackend, missing, refuse, respond
from tests.differential.client import Client
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
PATIENT = "--try-duration 20"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_back(client: Client) -> bytes:
    """Return the body of a good answer."""
    response = client.response()
    assert response is not None
    assert response.status == 200
    return response.body


def paths(backend: FakeBackend) -> list[bytes]:
    """Return what the application was asked for, in order."""
    return [received.value("PATH_INFO") for received in backend.requests]


@all_engines
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_socket_that_comes_in_time(frontend: StartFrontend, tmp_path: Path, method: str) -> None:
    """Nothing was sent before it came: a POST may wait as well. The client does not notice."""
    path = tmp_path / "s"
    front = frontend(Address(path=str(path)), options=PATIENT)
    body = b"x" * 200_000 if method == "POST" else b""
    with front.client() as client:
        client.send(request("/1", method=method, body=body))
        front.wait_in_flight(1)
        with FakeBackend(respond(body=b"back"), path=path) as backend:
            assert read_back(client) == b"back"
            assert [received.body for received in backend.requests] == [body]
    assert not front.failures()
    logs = front.finish()
    assert not logs.errors
    assert logs.access[0].endswith(" -")


def test_a_file_that_nobody_listened_on(frontend: StartFrontend, tmp_path: Path) -> None:
    """What a killed uWSGI leaves behind; the next one takes its place."""
    with refuse("unix") as stale:
        front = frontend(stale, options=PATIENT)
        with front.client() as client:
            client.send(request())
            front.wait_in_flight(1)
            with FakeBackend(respond(body=b"back"), path=tmp_path / "s"):
                os.rename(tmp_path / "s", stale.path)
                assert read_back(client) == b"back"
    assert not front.failures()


def test_a_port_that_nobody_listened_on(frontend: StartFrontend) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(20)
        front = frontend(f"127.0.0.1:{listener.getsockname()[1]}", options=PATIENT)
        with front.client() as client:
            client.send(request())
            front.wait_in_flight(1)
            listener.listen()
            worker, _ = listener.accept()
            with worker:
                assert worker.recv(65536)
                worker.sendall(OK)
            assert read_back(client) == b"ok"
    assert not front.failures()


@all_engines
def test_everybody_is_served_once_when_one_comes_back(
    frontend: StartFrontend, tmp_path: Path
) -> None:
    """In the order in which they came; and nobody else has to look whether it is back."""
    path = tmp_path / "s"
    with missing() as other:
        front = frontend(Address(path=str(path)), other, options=PATIENT)
        clients = []
        for number in range(6):
            clients.append(front.client())
            clients[-1].send(request(f"/{number}"))
            front.wait_in_flight(number + 1)
        with FakeBackend(respond(body=b"back"), path=path) as backend:
            for client in clients:
                with client:
                    assert read_back(client) == b"back"
            assert sorted(paths(backend)) == [b"/%d" % number for number in range(6)]
            assert backend.accepted == 6
    assert not front.failures()


@all_engines
def test_who_leaves_meanwhile_is_never_executed(frontend: StartFrontend, tmp_path: Path) -> None:
    path = tmp_path / "s"
    front = frontend(Address(path=str(path)), options=PATIENT)
    with front.client() as client:
        client.send(request("/leaver"))
        front.wait_in_flight(1)
    front.wait_in_flight(0)
    with FakeBackend(respond(body=b"back"), path=path) as backend:
        with front.client() as client:
            client.send(request("/1"))
            assert read_back(client) == b"back"
        assert paths(backend) == [b"/1"]
        assert backend.accepted == 1
    check_failed(front, errors.CLIENT_GONE, served=1)


@all_engines
def test_an_outage_that_lasts(frontend: StartFrontend) -> None:
    """The last reason stands, and nobody who comes later waits again."""
    with missing() as address:
        front = frontend(address, options="--try-duration 0.4")
        with front.client() as client:
            begun = time.monotonic()
            client.send(request())
            check_answer(client, 502, "open")
            assert time.monotonic() - begun >= 0.4
            check_failed(front, errors.SOCKET_MISSING, str(address))


def test_who_comes_late_in_an_outage_is_answered_at_once(frontend: StartFrontend) -> None:
    """By what was found then, with one look: the backend is tried, as a lone one always is."""
    with missing() as address:
        front = frontend(address, options="--try-duration 1")
        with front.client() as client:
            for _ in range(3):
                client.send(request())
                check_answer(client, 502, "open")
        assert front.failures() == {"socket_missing": 3}
        first, *later = front.finish().access
    assert first.count(str(address)) > 1
    assert [line.count(str(address)) for line in later] == [1, 1]


def test_nobody_waits_while_one_backend_is_there(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """The absent one is looked for now and then, by requests that do not notice."""
    good = backend(respond(body=b"good"))
    with missing() as absent:
        front = frontend(absent, good, options=PATIENT)
        assert [front.ask(request()).body for _ in range(20)] == [b"good"] * 20
        assert good.accepted == 20
        assert not front.failures()


def test_who_waits_for_a_return_stands_in_line(frontend: StartFrontend, tmp_path: Path) -> None:
    """There are as many places as for a free worker."""
    path = tmp_path / "s"
    front = frontend(Address(path=str(path)), options=f"{PATIENT} --queue-size 1")
    with front.client() as waits:
        waits.send(request("/1"))
        front.wait_in_flight(1)
        with front.client() as second:
            second.send(request("/2"))
            check_answer(second, 503, "open")
        with FakeBackend(respond(body=b"back"), path=path) as backend:
            assert read_back(waits) == b"back"
            assert paths(backend) == [b"/1"]
    check_failed(front, errors.QUEUE_FULL, served=1)


def test_not_longer_than_in_any_line(frontend: StartFrontend) -> None:
    with missing() as address:
        front = frontend(address, options=f"{PATIENT} --queue-timeout 0.2")
        with front.client() as client:
            client.send(request())
            check_answer(client, 503, "open")
            check_failed(front, errors.QUEUE_TIMEOUT)


def test_a_restart_in_the_middle_of_traffic(frontend: StartFrontend, tmp_path: Path) -> None:
    """The old instance ends its requests, the new one gets the next: no client has a failure."""
    path = tmp_path / "s"
    front = frontend(Address(path=str(path)), options=PATIENT)
    stop, bodies = threading.Event(), []

    def ask() -> None:
        with front.client() as client:
            while not stop.is_set():
                client.send(request())
                bodies.append(read_back(client))

    old = FakeBackend(respond(body=b"old"), path=path)
    old.start()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        old.wait_for(20)
        path.unlink()  # whoever has been accepted is served
        front.wait_in_flight(4)
        with FakeBackend(respond(body=b"new"), path=path) as new:
            new.wait_for(20)
            stop.set()
            for thread in threads:
                thread.join()
    finally:
        stop.set()
        old.stop()
    assert set(bodies) == {b"old", b"new"}
    assert not front.failures()
