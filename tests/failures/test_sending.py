"""Failures while a request goes to a backend, and requests that do not fit."""

import threading

import pytest

from protocol.uwsgi import encode_vars
from proxy import errors
from proxy.testing import Close, FakeBackend, Pause, ReadPacket, Send
from proxy.testing.faults import Family
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunked_head, chunks, post, request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)

HUGE = 20 * 1024 * 1024
"""More than the kernel takes for a peer that does not read, even over TCP."""


def test_a_worker_that_does_not_read(
    frontend: StartFrontend, backend: StartBackend, family: Family
) -> None:
    never = threading.Event()
    worker = backend((ReadPacket(), Pause(never)), family)
    front = frontend(worker, options="--backend-send-timeout 0.3 --client-max-body-size 0")
    with front.client() as client:
        client.send(post(b"x" * HUGE))
        check_answer(client, 504, "open")
        check_failed(front, errors.SEND_TIMEOUT)


@all_engines
def test_a_worker_that_goes_without_reading_the_body(
    frontend: StartFrontend, backend: StartBackend, family: Family
) -> None:
    worker = backend((ReadPacket(), Close()), family)
    front = frontend(worker)
    with front.client() as client:
        client.send(post(b"x" * 1_000_000))
        check_answer(client, 502, "open")
        check_failed(front, errors.RESET_BEFORE_HEADERS, f"{worker.address}: after ")


@all_engines
@pytest.mark.parametrize("upload", ["length", "chunked", "streamed"])
def test_a_reply_to_an_upload_that_is_not_read_arrives(
    frontend: StartFrontend, backend: StartBackend, family: Family, upload: str
) -> None:
    """After EPIPE the reply is still there to be read, all of it."""
    body, reply = b"x" * 1_000_000, b"y" * 40_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply)
    worker = backend((ReadPacket(), Send(head + reply), Close()), family)
    front = frontend(worker, options="--request-buffering off" if upload == "streamed" else "")
    data = chunked_head() + chunks([body]) if upload == "chunked" else post(body)
    with front.client() as client:
        client.send(data)
        response = client.response()
    assert response is not None
    assert response.status == 200
    assert response.complete
    assert response.body == reply
    assert not front.failures()


@all_engines
def test_a_packet_over_the_protocol_s_limit(frontend: StartFrontend, backend: StartBackend) -> None:
    worker = backend()
    front = frontend(worker, options="--max-header-buffers 20")
    fields = [f"X-{number}: {'x' * 8000}" for number in range(9)]
    with front.client() as client:
        client.send(request("/", *fields))
        check_answer(client, 500, "closed")
        check_failed(front, errors.PACKET_TOO_LARGE, "65535")
    assert not worker.accepted


FITS = request("/fits?a=b", "User-Agent: test", "Cookie: a=b")


@all_engines
def test_a_packet_over_the_worker_s_buffer(frontend: StartFrontend, backend: StartBackend) -> None:
    """A packet of just that size passes: uWSGI's own limit is inclusive."""
    worker = backend()
    size = len(encode_vars(variables(worker, frontend)))
    assert frontend(worker, options=f"--backend-buffer-size {size}").ask(FITS).status == 200
    accepted = worker.accepted
    front = frontend(worker, options=f"--backend-buffer-size {size - 1}")
    with front.client() as client:
        client.send(FITS)
        check_answer(client, 431, "closed")
        check_failed(front, errors.PACKET_OVER_WORKER_LIMIT, str(size))
    assert worker.accepted == accepted


@all_engines
def test_more_variables_than_the_worker_takes(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    worker = backend()
    count = len(variables(worker, frontend))
    assert frontend(worker, options=f"--backend-max-vars {count}").ask(FITS).status == 200
    accepted = worker.accepted
    front = frontend(worker, options=f"--backend-max-vars {count - 1}")
    with front.client() as client:
        client.send(FITS)
        check_answer(client, 431, "closed")
        check_failed(front, errors.PACKET_OVER_WORKER_LIMIT, str(count))
    assert worker.accepted == accepted


def test_a_client_that_asks_first_need_not_send_what_will_not_fit(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    worker = backend()
    front = frontend(worker, options="--backend-buffer-size 200")
    with front.client() as client:
        client.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        check_answer(client, 431, "closed")
        check_failed(front, errors.PACKET_OVER_WORKER_LIMIT)


def variables(worker: FakeBackend, frontend: StartFrontend) -> list[tuple[bytes, bytes]]:
    """Return what a worker is told of `FITS`."""
    frontend(worker).ask(FITS)
    (received,) = worker.wait_for(1)
    return received.variables
