"""Failures before a backend was reached: nothing has been sent, so the connection stays open.

Nobody waits here for a backend that is absent; test_absence.py has those who do.
"""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import errors
from proxy.settings import Address
from proxy.testing import FakeBackend, Script, full_backlog, missing, refuse, respond
from proxy.testing.faults import Family
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import post, request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)


@all_engines
def test_a_missing_socket(frontend: StartFrontend) -> None:
    with missing() as address:
        front = frontend(address)
        with front.client() as client:
            client.send(request())
            check_answer(client, 502, "open")
            check_failed(front, errors.SOCKET_MISSING, f"unix:{address.path}: No such file")


def test_a_socket_below_a_file(frontend: StartFrontend, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    front = frontend(Address(path=str(tmp_path / "file" / "s")))
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        check_failed(front, errors.SOCKET_MISSING, "Not a directory")


@all_engines
def test_nobody_listens(frontend: StartFrontend, family: Family) -> None:
    with refuse(family) as address:
        front = frontend(address)
        with front.client() as client:
            client.send(request())
            check_answer(client, 502, "open")
            check_failed(front, errors.CONNECT_REFUSED, f"{address}: Connection refused")


def test_an_abstract_socket_that_nobody_has_bound(frontend: StartFrontend) -> None:
    front = frontend(f"unix:@uwsgi-frontend-test-{os.getpid()}")
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        check_failed(front, errors.CONNECT_REFUSED, "unix:@uwsgi-frontend-test-")


def test_a_file_that_is_no_socket(frontend: StartFrontend, tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    front = frontend(Address(path=str(tmp_path / "s")))
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        check_failed(front, errors.CONNECT_REFUSED, str(tmp_path / "s"))


def test_a_datagram_socket(frontend: StartFrontend, tmp_path: Path) -> None:
    """A stranger's error number: the line has the system's words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "s"))
        front = frontend(Address(path=str(tmp_path / "s")))
        with front.client() as client:
            client.send(request())
            check_answer(client, 502, "open")
            check_failed(front, errors.CONNECT_FAILED, "Protocol wrong type for socket")


def test_after_an_upload_the_connection_is_open_too(frontend: StartFrontend) -> None:
    """The body has been read before the backend was asked for."""
    with missing() as address:
        front = frontend(address)
        with front.client() as client:
            client.send(post(b"x" * 5000))
            check_answer(client, 502, "open")
            check_failed(front, errors.SOCKET_MISSING)


def test_a_full_queue_is_waited_for(frontend: StartFrontend, family: Family) -> None:
    """Nobody is told of a queue that was full for a moment."""
    with stopped_backend(respond(body=b"at last"), family) as backend, filled(backend):
        front = frontend(backend)
        with front.client() as client:
            client.send(request())
            front.wait_in_flight(1)
            backend.start()
            response = client.response()
        assert response is not None
        assert response.body == b"at last"
        assert not front.failures()
        logs = front.finish()
        assert not logs.errors
        assert logs.access[0].endswith(" -")
        assert len(backend.requests) == 1


@all_engines
def test_a_full_queue_that_stays_full(frontend: StartFrontend) -> None:
    """A unix socket says that it is full: the client may come again."""
    with full_backlog("unix") as address:
        front = frontend(address, options="--queue-timeout 0.3")
        with front.client() as client:
            client.send(request())
            check_answer(client, 503, "open")
            check_failed(front, errors.BACKLOG_FULL)


def test_a_tcp_queue_that_stays_full(frontend: StartFrontend) -> None:
    """Over TCP nothing tells a full queue from a host that does not answer."""
    with full_backlog("tcp") as address:
        front = frontend(address, options="--connect-timeout 0.3")
        with front.client() as client:
            client.send(request())
            check_answer(client, 504, "open")
            check_failed(front, errors.CONNECT_TIMEOUT, str(address))


def test_nobody_waits_for_a_full_queue_while_another_backend_is_free(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    free = backend(respond(body=b"free"))
    with full_backlog("unix") as busy:
        front = frontend(busy, free)
        assert [front.ask(request()).body for _ in range(3)] == [b"free"] * 3
        assert not front.failures()


def test_a_client_that_leaves_a_full_queue_costs_nothing(frontend: StartFrontend) -> None:
    """What waits here, and not in the kernel's queue, never reaches the application."""
    with stopped_backend(respond(), "unix") as backend, filled(backend) as visitors:
        front = frontend(backend)
        with front.client() as client:
            client.send(request())
            front.wait_in_flight(1)
        front.wait_in_flight(0)
        check_failed(front, errors.CLIENT_GONE)
        backend.start()
        backend.wait_for_connections(visitors)
        assert not backend.requests


@contextlib.contextmanager
def stopped_backend(script: Script, family: Family) -> Iterator[FakeBackend]:
    """Yield a backend that listens, with the shortest queue, and does not accept yet."""
    backend = FakeBackend(script, family, backlog=0)
    try:
        yield backend
    finally:
        backend.stop()


@contextlib.contextmanager
def filled(backend: FakeBackend) -> Iterator[int]:
    """Fill a backend's queue; yield how many connections that took."""
    address = backend.address
    kind = socket.AF_UNIX if address.is_unix else socket.AF_INET
    with contextlib.ExitStack() as stack:
        for count in itertools.count():
            visitor = stack.enter_context(socket.socket(kind, socket.SOCK_STREAM))
            visitor.settimeout(0.1 if count else 10)  # there is room for one
            try:
                visitor.connect(address.path or (address.host, address.port))
            except (BlockingIOError, TimeoutError):
                visitor.close()
                yield count
                return
