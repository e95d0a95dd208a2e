"""Who waits here for a free backend: in order, not for ever, and never behind a client's back."""

import threading
import time
from typing import Literal

import pytest

from proxy import errors
from proxy.testing import READ, FakeBackend, Pause, Received, Script, Send, respond
from tests.differential.client import Client
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES, Frontend
from tests.integration.messages import chunked_head, chunks, post, request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
Leaving = Literal["close", "reset", "half-close"]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def held(go: threading.Event) -> Script:
    """Reply when told, and from then on."""
    return (*READ, Pause(go), Send(OK))


def one_at_a_time(backend: FakeBackend) -> str:
    """Return what --upstream takes for a backend with one worker."""
    return f"{backend.address} max_conns=1"


def paths(backend: FakeBackend) -> list[bytes]:
    """Return what the application was asked for, in order."""
    return [received.value("PATH_INFO") for received in backend.requests]


def send(front: Frontend, data: bytes, running: int) -> Client:
    """Send a request that cannot be answered yet; return when it is in line, or in the worker."""
    client = front.client()
    client.send(data)
    front.wait_in_flight(running)
    return client


def check_served(*clients: Client) -> None:
    """Each gets its answer, and may ask again."""
    for client in clients:
        with client:
            response = client.response()
            assert response is not None
            assert (response.status, response.body) == (200, b"ok")
            assert response.values(b"connection") == [b"keep-alive"]


@all_engines
def test_who_waits_is_served_in_order(frontend: StartFrontend, backend: StartBackend) -> None:
    """The worker never has more than its one request, and gets each of them once."""
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker))
    clients = [send(front, request(f"/{number}"), number + 1) for number in range(5)]
    worker.wait_for(1)
    assert worker.accepted == 1
    go.set()
    check_served(*clients)
    assert paths(worker) == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert not front.failures()
    assert [line.split()[-1] for line in front.finish().access] == ["-"] * 5


@all_engines
def test_the_line_is_full(frontend: StartFrontend, backend: StartBackend) -> None:
    """The next one is told at once, and the application never hears of it."""
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options="--queue-size 1")
    first, second = (send(front, request(f"/{number}"), number) for number in (1, 2))
    with front.client() as third:
        third.send(request("/3"))
        check_answer(third, 503, "open")
    go.set()
    check_served(first, second)
    assert paths(worker) == [b"/1", b"/2"]
    assert worker.accepted == 2
    check_failed(front, errors.QUEUE_FULL, "1 wait", served=2)


def test_no_line_at_all(frontend: StartFrontend, backend: StartBackend) -> None:
    """`--queue-size 0` answers at once, as nginx does (6.20), but says that it is not for long."""
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options="--queue-size 0 --retry-after 7")
    first = send(front, request("/1"), 1)
    response = front.ask(request("/2"))
    assert response.status == 503
    assert response.values(b"retry-after") == [b"7"]
    go.set()
    check_served(first)
    assert paths(worker) == [b"/1"]
    check_failed(front, errors.QUEUE_FULL, "0 wait", served=1)


def test_whether_to_come_again_need_not_be_said(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    go = threading.Event()
    front = frontend(one_at_a_time(backend(held(go))), options="--queue-size 0 --retry-after 0")
    first = send(front, request("/1"), 1)
    response = front.ask(request("/2"))
    assert response.status == 503
    assert response.values(b"retry-after") == []
    go.set()
    check_served(first)


@all_engines
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_waiting_too_long(frontend: StartFrontend, backend: StartBackend, method: str) -> None:
    """Then it is not executed either, not even later."""
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options="--queue-timeout 0.2")
    first = send(front, request("/1"), 1)
    with front.client() as late:
        begun = time.monotonic()
        late.send(request("/late") if method == "GET" else post(b"x" * 5000, "/late"))
        check_answer(late, 503, "open")
        assert time.monotonic() - begun >= 0.2
        go.set()
        check_served(first)
        late.send(request("/again"))
        response = late.response()
        assert response is not None
        assert response.status == 200
    assert paths(worker) == [b"/1", b"/again"]
    check_failed(front, errors.QUEUE_TIMEOUT, "default", served=2)


@all_engines
@pytest.mark.parametrize("leaving", ["close", "reset", "half-close"])
def test_who_leaves_the_line_is_never_executed(
    frontend: StartFrontend, backend: StartBackend, leaving: Leaving
) -> None:
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker))
    first = send(front, request("/1"), 1)
    leaver = send(front, request("/leaver"), 2)
    third = send(front, request("/3"), 3)
    with leaver:
        if leaving == "half-close":
            leaver.half_close()
        elif leaving == "reset":
            leaver.reset()
        else:
            leaver.sock.close()
        front.wait_in_flight(2)
    go.set()
    check_served(first, third)
    assert paths(worker) == [b"/1", b"/3"]
    assert worker.accepted == 2
    check_failed(front, errors.CLIENT_GONE, served=2)


def test_a_place_that_somebody_left_is_free(frontend: StartFrontend, backend: StartBackend) -> None:
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options="--queue-size 1")
    first = send(front, request("/1"), 1)
    with send(front, request("/leaver"), 2):
        pass
    front.wait_in_flight(1)
    second = send(front, request("/2"), 2)
    go.set()
    check_served(first, second)
    assert paths(worker) == [b"/1", b"/2"]


def test_a_lower_class_is_served_first(frontend: StartFrontend, backend: StartBackend) -> None:
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options="--priority /urgent=-10 --priority /idle=5")
    order = ["/0", "/idle/1", "/2", "/urgent/3", "/4", "/urgent/5"]
    clients = [send(front, request(path), number + 1) for number, path in enumerate(order)]
    go.set()
    check_served(*clients)
    assert paths(worker) == [b"/0", b"/urgent/3", b"/urgent/5", b"/2", b"/4", b"/idle/1"]


UPLOADS = {
    "length": (post(b"x" * 300_000), "on"),
    "chunked": (chunked_head() + chunks([b"x" * 100_000] * 3), "on"),
    "streamed": (post(b"x" * 300_000), "off"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_waits_too(frontend: StartFrontend, backend: StartBackend, name: str) -> None:
    data, buffering = UPLOADS[name]
    go = threading.Event()
    worker = backend(held(go))
    front = frontend(one_at_a_time(worker), options=f"--request-buffering {buffering}")
    first = send(front, request("/1"), 1)
    second = front.client()
    sender = threading.Thread(target=second.send, args=(data,))
    sender.start()
    front.wait_in_flight(2)
    go.set()
    check_served(first, second)
    sender.join()
    assert [len(received.body) for received in worker.requests] == [0, 300_000]


@all_engines
def test_the_first_backend_with_room_gets_whoever_is_next(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    stays, goes = threading.Event(), threading.Event()
    busy, soon = backend(held(stays)), backend(held(goes))
    front = frontend(one_at_a_time(busy), one_at_a_time(soon))
    clients = [send(front, request(f"/{number}"), number + 1) for number in range(4)]
    busy.wait_for(1)
    soon.wait_for(1)
    goes.set()
    check_served(*clients[1:])
    assert paths(soon) == [b"/1", b"/2", b"/3"]
    stays.set()
    check_served(clients[0])
    assert paths(busy) == [b"/0"]


def test_a_backend_without_a_limit_takes_what_another_has_no_room_for(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """As in nginx (6.20)."""
    go = threading.Event()
    small, large = backend(held(go)), backend(respond(body=b"ok"))
    front = frontend(one_at_a_time(small), large)
    first = send(front, request("/1"), 1)
    small.wait_for(1)
    assert [front.ask(request()).body for _ in range(5)] == [b"ok"] * 5
    go.set()
    check_served(first)
    assert (small.accepted, large.accepted) == (1, 5)


def test_a_worker_is_free_for_the_next_when_its_reply_is_complete_not_when_it_is_read(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """A client that dawdles over a reply of usual size keeps nobody waiting."""
    size = 100_000
    worker = backend(respond(body=b"x" * size))
    front = frontend(one_at_a_time(worker), options="--queue-size 1")
    with front.client(receive_buffer=2048) as dawdler:
        dawdler.send(request("/1"))
        worker.wait_for(1)
        assert worker.wait_for_ending(0)
        assert len(front.ask(request("/2")).body) == size
        response = dawdler.response()
    assert response is not None
    assert len(response.body) == size


def test_replies_of_every_kind_give_the_place_back(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """Good ones, bad ones, none at all: with one place only, a leak of one would be the end."""
    replies = {
        b"/ok": OK,
        b"/broken": b"hello world\r\n\r\n",
        b"/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"/free": b"HTTP/1.1 200 OK\r\n\r\nok",
        b"/none": b"",
    }

    def play(received: Received) -> tuple[Send, ...]:
        return (Send(replies[received.value("PATH_INFO")]),)

    worker = backend(play)
    front = frontend(one_at_a_time(worker), options="--queue-size 0 --next-upstream off")
    for path in [*replies, *replies, b"/ok"]:
        response = front.ask(request(path.decode()))
        assert response.status == (502 if path in (b"/broken", b"/none") else 200)
    assert worker.accepted == 2 * len(replies) + 1
