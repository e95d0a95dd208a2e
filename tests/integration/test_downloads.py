"""Replies: at the worker's speed in, at the client's speed out, and nothing without bounds."""

import hashlib
import threading
import time

import pytest

from proxy.testing import READ, Hang, Pause, Received, Send, Step
from tests.differential.client import Client
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import request
from tests.integration.steps import SendCounted
from tests.servers import wait_until

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
QUIET_S = 0.3
"""Without progress for so long, a sender is stuck."""

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def large(size: int) -> bytes:
    """Return a body without repetition."""
    return hashlib.shake_128(b"download").digest(size)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_slow_client_keeps_no_worker(
    frontend: StartFrontend, backend: StartBackend, version: str
) -> None:
    """The worker is done with 50 MB before its client has read a byte."""
    body = large(50_000_000)
    head = LENGTH % len(body) if version == "1.1" else b"HTTP/1.1 200 OK\r\n\r\n"
    worker = backend((*READ, Send(head), SendCounted(body)))
    front = frontend(worker)
    with front.client(receive_buffer=4096) as client:
        client.send(request(version=version))
        assert worker.wait_for_ending(0) == "closed"
        response = client.response()
    assert response is not None
    assert response.complete
    assert response.body == body
    assert not front.failures()


@all_engines
def test_a_connection_ends_once_when_its_client_has_caught_up(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """Its last bytes go out in the middle of the transport's own writing."""
    worker = backend()
    front = frontend(worker)
    for size in range(300_000, 6_000_000, 570_000):
        body = large(size)
        worker.script = (*READ, Send(LENGTH % size), Send(body))
        with front.client(receive_buffer=4096) as client:
            client.send(request(version="1.0"))
            response = client.response()
        assert response is not None
        assert response.body == body
    assert not front.failures()


BOUNDED = {
    "file": ("--reply-buffer-size 64k --max-temp-file-size 1m", 1_100_000),
    "memory": ("--reply-buffer-size 500k --max-temp-file-size 0", 500_000),
    "unbuffered": ("--buffering off", 0),
}
ON_THE_WAY = 6_000_000
"""What the kernel's buffers and our own towards the client may hold."""


@pytest.mark.parametrize("name", BOUNDED)
def test_beyond_its_bounds_the_worker_has_to_wait(
    frontend: StartFrontend, backend: StartBackend, name: str
) -> None:
    options, room = BOUNDED[name]
    body = large(30_000_000)
    sending = SendCounted(body)
    worker = backend((*READ, Send(LENGTH % len(body)), sending))
    front = frontend(worker, options=options)
    with front.client(receive_buffer=4096) as client:
        client.send(request())
        wait_until_quiet(sending, room)
        assert sending.sent < room + ON_THE_WAY
        response = client.response()
    assert response is not None
    assert response.body == body
    assert worker.wait_for_ending(0) == "closed"
    assert not front.failures()


def wait_until_quiet(sending: SendCounted, room: int) -> None:
    """Wait until a sender has got so far at least, and is stuck."""
    seen, since = -1, time.monotonic()

    def quiet() -> bool:
        nonlocal seen, since
        if sending.sent != seen:
            seen, since = sending.sent, time.monotonic()
        return seen >= max(room, 1) and time.monotonic() - since > QUIET_S

    wait_until(quiet, "the sender is stuck")


EVENTS = [b"data: %d\n\n" % number for number in range(3)]
STREAMS = {
    "by the application": ("", b"X-Accel-Buffering: no\r\n"),
    "by the option": ("--buffering off", b""),
    "buffered": ("", b""),
}


@all_engines
@pytest.mark.parametrize("name", STREAMS)
def test_events_arrive_at_once(frontend: StartFrontend, backend: StartBackend, name: str) -> None:
    """Each is there before the application makes the next: nothing waits for more."""
    options, line = STREAMS[name]
    turns = [threading.Event() for _ in EVENTS]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + line + b"\r\n"
    pairs = list(zip(turns, EVENTS, strict=True))
    steps = [step for turn, event in pairs for step in (Pause(turn), Send(event))]
    worker = backend((*READ, Send(head), *steps))
    front = frontend(worker, options=options)
    with front.client() as client:
        client.send(request())
        if name != "buffered":  # there the head waits for the first bytes behind it
            read_until(client, b"\r\n\r\n")
            assert b"X-Accel" not in client.buffer
        for turn, event in pairs:
            assert event not in client.buffer
            turn.set()
            read_until(client, event)
        response = client.response()
    assert response is not None
    assert response.body == b"".join(EVENTS)
    assert response.complete


def read_until(client: Client, text: bytes) -> None:
    """Read until `text` has come."""
    while text not in client.buffer:
        assert client.fill(), client.buffer


def test_an_application_may_ask_for_buffering(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    body = large(20_000_000)
    head = b"HTTP/1.1 200 OK\r\nX-Accel-Buffering: yes\r\n\r\n"
    worker = backend((*READ, Send(head), Send(body)))
    front = frontend(worker, options="--buffering off")
    with front.client(receive_buffer=4096) as client:
        client.send(request())
        assert worker.wait_for_ending(0) == "closed"
        response = client.response()
    assert response is not None
    assert response.body == body


@all_engines
def test_a_reply_ends_where_it_says(frontend: StartFrontend, backend: StartBackend) -> None:
    """Also when the worker stays (gunicorn does, for two seconds): the next request is served."""
    replies = {
        b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"/more": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"/empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"/204": b"HTTP/1.1 204 No Content\r\n\r\n",
    }

    def reply(received: Received) -> list[Step]:
        return [Send(replies[received.value("PATH_INFO")]), Hang()]

    worker = backend(reply)
    front = frontend(worker)
    with front.client() as client:
        for number, path in enumerate(replies):
            client.send(request(path.decode()))
            response = client.response()
            assert response is not None
            assert response.body == (b"" if path in (b"/empty", b"/204") else b"ok")
            assert worker.wait_for_ending(number) in ("eof", "reset")
    assert not front.failures()
