"""Request bodies: whole in front of the worker by default, streamed when asked for."""

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.testing import READ, Hang, Pause, ReadBody, ReadPacket, Send, respond
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunked_head, chunks, post, request
from tests.integration.steps import Tell
from tests.servers import DEADLINE_S

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)

SIZE = 5 * 1024 * 1024
BODY = hashlib.shake_128(b"upload").digest(SIZE)
DIGEST = hashlib.sha256(BODY).hexdigest()
WAYS = {
    "memory": "--client-max-body-size 10m --client-body-buffer-size 10m",
    "file": "--client-max-body-size 10m --client-body-buffer-size 1k",
    "no limit": "--client-max-body-size 0",
    "streamed": "--client-max-body-size 10m --request-buffering off",
}


def pieces(body: bytes) -> Iterator[bytes]:
    """Cut a body into pieces of many sizes."""
    at = 0
    for size in range(1, 1 << 20, 997):
        yield body[at : at + size]
        at += size
        if at >= len(body):
            return


@all_engines
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("way", WAYS)
def test_a_large_body_arrives_unchanged(
    frontend: StartFrontend, backend: StartBackend, framing: str, way: str
) -> None:
    """And the application is told its length, also where the client did not tell."""
    worker = backend()
    front = frontend(worker, options=WAYS[way])
    data = chunked_head() + chunks(pieces(BODY)) if framing == "chunked" else post(BODY)
    echo = json.loads(front.ask(data).body)
    assert echo["length"] == SIZE
    assert echo["sha256"] == DIGEST
    variables = dict(echo["variables"])
    assert variables["CONTENT_LENGTH"] == str(SIZE)
    assert "HTTP_TRANSFER_ENCODING" not in variables
    assert not front.failures()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_within_its_memory_needs_no_file(
    frontend: StartFrontend, backend: StartBackend, framing: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    front = frontend(backend(), options=f"--client-body-buffer-size 10k --spool-dir {spool}")
    spool.rmdir()
    body = b"x" * 10_000
    data = chunked_head() + chunks([body]) if framing == "chunked" else post(body)
    assert front.ask(data).status == 200


def test_temporary_files_are_gone_at_once(
    frontend: StartFrontend, backend: StartBackend, tmp_path: Path
) -> None:
    """They have no name, so not even SIGKILL leaves one behind."""
    spool = tmp_path / "spool"
    spool.mkdir()
    worker = backend((*READ, Pause(threading.Event())))
    front = frontend(worker, options=f"--client-body-buffer-size 1k --spool-dir {spool}")
    with front.client() as client:
        client.send(post(b"x" * 100_000))
        worker.wait_for(1)
        assert not list(spool.iterdir())


@all_engines
def test_an_empty_chunked_body_has_a_length(frontend: StartFrontend, backend: StartBackend) -> None:
    echo = json.loads(frontend(backend()).ask(chunked_head() + chunks([])).body)
    assert dict(echo["variables"])["CONTENT_LENGTH"] == "0"


@all_engines
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_slow_upload_occupies_no_worker(
    frontend: StartFrontend, backend: StartBackend, framing: str
) -> None:
    worker = backend(respond(body=b"ok"))
    front = frontend(worker)
    body = b"x" * 1000
    data = chunked_head() + chunks([body]) if framing == "chunked" else post(body)
    with front.client() as slow:
        slow.send(data[:-500])
        front.wait_in_flight(1)
        assert front.ask(request("/other")).body == b"ok"
        assert [received.value("PATH_INFO") for received in worker.requests] == [b"/other"]
        assert worker.accepted == 1
        slow.send(data[-500:])
        response = slow.response()
    assert response is not None
    assert response.body == b"ok"
    assert worker.requests[1].body == body


@all_engines
def test_a_streamed_upload_reaches_the_worker_as_it_comes(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    begun = threading.Event()
    reply = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    worker = backend((ReadPacket(), ReadBody(500), Tell(begun), ReadBody(500), reply))
    front = frontend(worker, options="--request-buffering off")
    data = post(b"x" * 1000)
    with front.client() as client:
        client.send(data[:-500])
        assert begun.wait(10)
        client.send(data[-500:])
        response = client.response()
    assert response is not None
    assert response.body == b"ok"


def test_a_streamed_upload_goes_at_the_worker_s_speed(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """What a worker does not read stays with the client, not here."""
    go = threading.Event()
    size = 50_000_000
    worker = backend((ReadPacket(), Pause(go), ReadBody(size), *respond()[2:]))
    front = frontend(worker, options="--request-buffering off --client-max-body-size 0")
    head, rest = request("/", f"Content-Length: {size}", method="POST"), memoryview(bytes(size))
    with front.client() as client:
        client.send(head)
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):  # noqa: PT012 - any of the calls
            while True:
                rest = rest[client.sock.send(rest[:100_000]) :]
        taken = size - len(rest)
        assert taken < 20_000_000  # what the kernel holds on its way
        client.sock.settimeout(DEADLINE_S)
        go.set()
        client.sock.sendall(rest)
        response = client.response()
    assert response is not None
    assert response.status == 200
    assert len(worker.requests[-1].body) == size


@all_engines
@pytest.mark.parametrize("way", ["memory", "streamed"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_asks_is_told_to_go_on(
    frontend: StartFrontend, backend: StartBackend, way: str, framing: str
) -> None:
    worker = backend()
    front = frontend(worker, options=WAYS[way])
    body = b"x" * 1000
    data = (
        chunked_head("/", "Expect: 100-continue") + chunks([body])
        if framing == "chunked"
        else post(body, "/", "Expect: 100-continue")
    )
    head, _, rest = data.partition(b"\r\n\r\n")
    with front.client() as client:
        client.send(head + b"\r\n\r\n")
        interim = client.response()
        assert interim is not None
        assert interim.status_line == b"HTTP/1.1 100 Continue"
        assert not interim.headers
        client.send(rest)
        response = client.response()
    assert response is not None
    assert json.loads(response.body)["length"] == len(body)


@all_engines
def test_an_old_client_is_not_told(frontend: StartFrontend, backend: StartBackend) -> None:
    """HTTP/1.0 knows no 100."""
    front = frontend(backend())
    data = request("/", "Expect: 100-continue", method="POST", version="1.0", body=b"x" * 10)
    assert front.ask(data).status == 200


@all_engines
def test_an_early_reply_to_a_streamed_upload_ends_it(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """The client gets the reply while it still sends, and the connection closes."""
    worker = backend(
        (ReadPacket(), Send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"), Hang())
    )
    front = frontend(worker, options="--request-buffering off")
    with front.client() as client:
        client.send(post(b"x" * 1000)[:-500])
        response = client.response()
        assert response is not None
        assert (response.status, response.body) == (403, b"no")
        assert response.values(b"connection") == [b"close"]
        assert not client.fill()
        assert client.ended == "closed"
    assert not front.failures()
