"""One connection, many requests: in order, within limits, until somebody has had enough."""

import socket
import time

import pytest

from proxy.testing import READ, Hang, ReadBody, Received, Send, Step, respond
from tests.failures.outcome import check_end
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunked_head, chunks, post, request

pytestmark = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
KEEP, CLOSE = [b"keep-alive"], [b"close"]


def echo_path(received: Received) -> list[Step]:
    """Reply with the path and the body."""
    body = received.value("REQUEST_URI") + received.body
    return [Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)]


def test_pipelined_requests_are_answered_in_order(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    front = frontend(backend(echo_path))
    makers = (
        request,
        lambda path: post(b"length", path),
        lambda path: chunked_head(path) + chunks([b"chun", b"ked"]),
        lambda path: request(path, method="HEAD"),
    )
    bodies = (b"", b"length", b"chunked", None)
    with front.client() as client:
        client.send(b"".join(makers[number % 4](f"/{number}") for number in range(60)))
        for number in range(60):
            expected = bodies[number % 4]
            response = client.response(head_only=expected is None)
            assert response is not None
            assert response.status == 200
            path = b"/%d" % number
            assert response.body == (b"" if expected is None else path + expected)
            assert response.values(b"connection") == KEEP


def test_more_pipelined_requests_than_are_read_at_once(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    front = frontend(backend(echo_path), options="--keepalive-requests 10000")
    count = 300
    with front.client() as client:
        client.send(b"".join(request(f"/{number}", "X: " + "x" * 1000) for number in range(count)))
        for number in range(count):
            response = client.response()
            assert response is not None
            assert response.body == b"/%d" % number


def test_pipelining_without_reading(frontend: StartFrontend, backend: StartBackend) -> None:
    """Large replies to a client that sends all its requests first."""
    body = bytes(1_000_000)
    front = frontend(backend(respond(body=body)))
    with front.client(receive_buffer=4096) as client:
        client.send(request() * 12)
        for _ in range(12):
            response = client.response()
            assert response is not None
            assert response.body == body
    assert not front.failures()


def test_a_bad_request_behind_good_ones(frontend: StartFrontend, backend: StartBackend) -> None:
    """The good ones are answered first; behind the bad one nothing can be understood."""
    worker = backend(echo_path)
    front = frontend(worker)
    with front.client() as client:
        client.send(request("/1") + request("/2") + b"what?\r\n\r\n" + request("/3"))
        statuses = []
        while (response := client.response()) is not None:
            statuses.append(response.status)
        assert statuses == [200, 200, 400]
        check_end(client, "closed")
    assert len(worker.requests) == 2


def test_so_many_requests_on_one_connection(frontend: StartFrontend, backend: StartBackend) -> None:
    worker = backend(echo_path)
    front = frontend(worker, options="--keepalive-requests 3")
    with front.client() as client:
        client.send(request() * 5)
        fates = []
        while (response := client.response()) is not None:
            fates.append(response.values(b"connection"))
        assert fates == [KEEP, KEEP, CLOSE]
        check_end(client, "closed")
    assert len(worker.requests) == 3


def test_an_idle_connection_is_closed(frontend: StartFrontend, backend: StartBackend) -> None:
    front = frontend(backend(), options="--keepalive-timeout 0.2")
    with front.client() as client:
        client.send(request())
        response = client.response()
        assert response is not None
        assert response.values(b"connection") == KEEP
        check_end(client, "closed")
    logs = front.finish()
    assert (len(logs.access), logs.errors) == (1, [])


@pytest.mark.parametrize("options", ["--keepalive-timeout 0", "--keepalive-time 1ms"])
def test_no_keep_alive(frontend: StartFrontend, backend: StartBackend, options: str) -> None:
    front = frontend(backend(), options=options)
    with front.client() as client:
        front.wait_connections(1)
        time.sleep(0.002)  # it has to grow old
        client.send(request())
        response = client.response()
        assert response is not None
        assert response.values(b"connection") == CLOSE
        check_end(client, "closed")


@pytest.mark.parametrize(
    ("version", "line", "kept"),
    [
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: keep-alive", True),
        ("1.0", "X: y", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_the_client_decides(
    frontend: StartFrontend, backend: StartBackend, version: str, line: str, kept: bool
) -> None:
    front = frontend(backend(echo_path))
    with front.client() as client:
        client.send(request("/1", line, version=version))
        response = client.response()
        assert response is not None
        assert response.values(b"connection") == (KEEP if kept else CLOSE)
        if kept:
            client.send(request("/2", line, version=version))
            response = client.response()
            assert response is not None
            assert response.body == b"/2"
        else:
            check_end(client, "closed")


def test_a_half_closed_idle_connection_is_closed(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    front = frontend(backend())
    with front.client() as client:
        client.send(request())
        assert client.response() is not None
        client.half_close()
        check_end(client, "closed")
    front.wait_connections(0)


def test_after_a_switch_of_protocols_bytes_go_both_ways(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nhello"
    worker = backend((*READ, Send(switch), ReadBody(5), Send(b"67890"), Hang()))
    front = frontend(worker)
    with front.client() as client:
        client.send(request("/", "Connection: Upgrade", "Upgrade: echo") + b"12345")
        while not client.buffer.endswith(b"\r\n\r\nhello67890"):
            assert client.fill()
        assert client.buffer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert worker.wait_for_ending(0) == "eof"
    assert worker.requests[-1].body == b"12345"
    assert not front.failures()


def test_small_writes_are_not_held_back(frontend: StartFrontend, backend: StartBackend) -> None:
    """With Nagle's algorithm a second small piece waits up to 40 ms for the client's ACK."""
    front = frontend(backend())
    with front.client():
        front.wait_connections(1)
        (sock,) = front.client_sockets
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
