"""Clients that leave, dawdle, or send what cannot be served."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from protocol.uwsgi import encode_packet, encode_vars
from proxy import errors
from proxy.errors import BAD_REQUEST
from proxy.testing import READ, Hang, Pause, Send, respond, silence
from tests.differential.client import Client
from tests.failures.outcome import check_answer, check_end, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunked_head, chunks, post, request
from tests.servers import wait_until

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
Leaving = Literal["close", "reset", "half-close"]
each_leaving = pytest.mark.parametrize("leaving", ["close", "reset", "half-close"])


def leave(client: Client, how: Leaving) -> None:
    """Go away."""
    if how == "half-close":
        client.half_close()
    elif how == "reset":
        client.reset()
    else:
        client.sock.close()


@all_engines
@each_leaving
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_gone_in_mid_upload(
    frontend: StartFrontend, backend: StartBackend, leaving: Leaving, framing: str
) -> None:
    """No worker ever hears of it."""
    worker = backend()
    front = frontend(worker)
    data = chunked_head() + chunks([b"half"], last=False) if framing == "chunked" else b""
    with front.client() as client:
        client.send(data or post(b"x" * 1000)[:-500])
        front.wait_in_flight(1)
        leave(client, leaving)
        check_failed(front, errors.CLIENT_GONE, status=499)
    assert not worker.accepted


@all_engines
@each_leaving
def test_gone_while_the_application_works(
    frontend: StartFrontend, backend: StartBackend, leaving: Leaving
) -> None:
    """The worker is let go at once."""
    worker = backend(silence())
    front = frontend(worker)
    with front.client() as client:
        client.send(request())
        worker.wait_for(1)
        leave(client, leaving)
        assert worker.wait_for_ending(0) == "eof"
        check_failed(front, errors.CLIENT_GONE, str(worker.address), status=499)


@all_engines
@each_leaving
def test_gone_but_the_application_may_finish(
    frontend: StartFrontend, backend: StartBackend, leaving: Leaving
) -> None:
    gone, reply = threading.Event(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    worker = backend((*READ, Pause(gone), Send(reply[:-1]), Send(reply[-1:]), Hang()))
    front = frontend(worker, options="--ignore-client-abort on")
    with front.client() as client:
        client.send(request())
        worker.wait_for(1)
        leave(client, leaving)
        # By the second answer the event loop has seen everything that came before the first.
        assert [front.gauge("http_requests_in_flight") for _ in range(2)] == [1, 1]
        gone.set()
        front.wait_in_flight(0)
    assert worker.wait_for_ending(0) == "eof"  # after the whole reply: `Hang` saw the end
    assert not front.failures()


@all_engines
@each_leaving
@pytest.mark.parametrize("buffering", ["on", "off"])
def test_gone_in_mid_download(
    frontend: StartFrontend, backend: StartBackend, leaving: Leaving, buffering: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    worker = backend((*READ, Send(head + b"x" * 10_000), Hang()))
    front = frontend(worker, options=f"--buffering {buffering}")
    with front.client() as client:
        client.send(request())
        while b"xxx" not in client.buffer:
            assert client.fill()
        leave(client, leaving)
        assert worker.wait_for_ending(0) in ("eof", "reset")
        check_failed(front, errors.CLIENT_GONE, str(worker.address), status=200)


def test_a_client_that_does_not_read(frontend: StartFrontend, backend: StartBackend) -> None:
    """Without progress for --send-timeout its connection is cut."""
    worker = backend(respond(body=b"x" * 20_000_000))
    front = frontend(worker, options="--send-timeout 0.3")
    with front.client(receive_buffer=4096) as client:
        client.send(request())
        wait_until(lambda: bool(front.failures()), "the cut")
        response = client.response()
        assert response is not None
        assert not response.complete
        check_failed(front, errors.CLIENT_SEND_TIMEOUT, status=200)


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: lo"], ids=["G", "half"])
def test_half_a_head(frontend: StartFrontend, backend: StartBackend, sent: bytes) -> None:
    worker = backend()
    front = frontend(worker, options="--client-header-timeout 0.3")
    with front.client() as client:
        client.send(sent)
        check_end(client, "closed")
        check_failed(front, errors.CLIENT_HEADER_TIMEOUT)


def test_a_silent_connection_is_closed_without_a_word(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    front = frontend(backend(), options="--client-header-timeout 0.3")
    with front.client() as client:
        check_end(client, "closed")
    assert front.finish() == ([], [])


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_half_a_body(frontend: StartFrontend, backend: StartBackend, buffering: str) -> None:
    options = f"--client-body-timeout 0.3 --request-buffering {buffering}"
    worker = backend()
    front = frontend(worker, options=options)
    with front.client() as client:
        client.send(post(b"x" * 10)[:-5])
        check_end(client, "closed")
        check_failed(front, errors.CLIENT_BODY_TIMEOUT)
    assert not any(received.ended == "complete" for received in worker.requests)


@all_engines
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit(
    frontend: StartFrontend, backend: StartBackend, framing: str
) -> None:
    """Just the limit passes. Over it the answer comes although the body is still coming."""
    limit, worker = 1000, backend()
    front = frontend(worker, options=f"--client-max-body-size {limit}")
    body = b"x" * limit
    fits = chunked_head() + chunks([body]) if framing == "chunked" else post(body)
    assert front.ask(fits).status == 200
    front = frontend(worker, options=f"--client-max-body-size {limit - 1}")
    with front.client() as client:
        client.send(fits)
        check_answer(client, 413, "closed")
        client.sock.close()
        check_failed(front, errors.BODY_TOO_LARGE, str(limit - 1))
    assert worker.accepted == 1


def test_a_spool_that_cannot_be_written(
    frontend: StartFrontend, backend: StartBackend, tmp_path: Path
) -> None:
    spool, worker = tmp_path / "spool", backend()
    spool.mkdir()
    front = frontend(worker, options=f"--client-body-buffer-size 10 --spool-dir {spool}")
    spool.rmdir()
    with front.client() as client:
        client.send(post(b"x" * 1000))
        check_answer(client, 500, "closed")
        client.sock.close()
        check_failed(front, errors.SPOOL_FAILED, "No such file or directory")
    assert not worker.accepted


@dataclass(frozen=True)
class Bad:
    """A request that cannot be served, and how the answer calls that."""

    word: str
    data: bytes
    options: str = ""


def head(*lines: bytes) -> bytes:
    """Return a request head."""
    return b"\r\n".join((*lines, b"", b""))


GET = b"GET / HTTP/1.1"
HOST = b"Host: localhost"
POST = b"POST / HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
BAD = (
    Bad("bad_request_line", head(b"GET", HOST)),
    Bad("bad_version", head(b"GET / HTTP/1.x", HOST)),
    Bad("bad_request_target", head(b"GET /%zz HTTP/1.1", HOST)),
    Bad("bad_line_end", b"GET / HTTP/1.1\nHost: localhost\n\n"),
    Bad("bad_header", head(GET, HOST, b"no colon")),
    Bad("bad_host", head(GET, b"Host: a b")),
    Bad("no_host", head(GET)),
    Bad("duplicate_header", head(GET, HOST, HOST)),
    Bad("bad_content_length", head(POST, HOST, b"Content-Length: five")),
    Bad("bad_transfer_encoding", head(POST, HOST, CHUNKED, b"Content-Length: 5")),
    Bad("bad_chunk", head(POST, HOST, CHUNKED) + b"5\r\nhello!!\r\n"),
    Bad("method_refused", head(b"TRACE / HTTP/1.1", HOST)),
    Bad("request_line_too_long", head(b"GET /" + b"x" * 9000 + b" HTTP/1.1", HOST)),
    Bad("headers_too_large", head(GET, HOST, b"X: " + b"x" * 9000)),
    Bad("too_many_headers", head(GET, HOST, *[b"A: b"] * 9), "--max-headers 9"),
    Bad("tls_on_http_listener", bytes.fromhex("16030100c8010000c40303") + bytes(189)),
    Bad("uwsgi_on_http_listener", encode_packet(encode_vars([(b"REQUEST_METHOD", b"GET")]))),
)


def test_every_kind_of_bad_request_is_here() -> None:
    assert {bad.word for bad in BAD} == set(BAD_REQUEST)


@all_engines
@pytest.mark.parametrize("bad", BAD, ids=[bad.word for bad in BAD])
def test_a_bad_request(frontend: StartFrontend, backend: StartBackend, bad: Bad) -> None:
    """It is answered, logged once, and reaches no worker."""
    worker = backend()
    front = frontend(worker, options=bad.options)
    reason = BAD_REQUEST[bad.word]
    with front.client() as client:
        client.send(bad.data)
        check_answer(client, reason.status, "closed")
        client.sock.close()
        check_failed(front, reason)
    assert not worker.accepted
