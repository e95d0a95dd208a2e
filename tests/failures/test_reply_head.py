"""Failures between the whole request and the head of its reply: the client gets 502 or 504.

Bytes may have reached the application, so nothing is tried again; the client's own connection is
none the worse for it and stays open.
"""

import re

import pytest

from protocol.accel import MAX_REDIRECTS
from proxy import errors
from proxy.errors import Reason
from proxy.testing import (
    READ,
    Close,
    FakeBackend,
    HalfPacket,
    Hang,
    Reset,
    Script,
    Send,
    bad_head,
    close_before_reply,
    drip,
    reset_before_reply,
    silence,
)
from proxy.testing.faults import Family
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import post, request

HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: te"

SCRIPTS: dict[str, tuple[Reason, Script, str]] = {
    "closes": (errors.EOF_BEFORE_HEADERS, close_before_reply(), "packet of "),
    "resets": (errors.RESET_BEFORE_HEADERS, reset_before_reply(), "Connection reset by peer"),
    "closes in the head": (errors.EOF_MID_HEADERS, bad_head(HALF_A_HEAD), "33 bytes of head"),
    "resets in the head": (
        errors.EOF_MID_HEADERS,
        (HalfPacket(), Send(HALF_A_HEAD), Reset()),
        "33 bytes of head",
    ),
}


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_head_comes(
    frontend: StartFrontend, backend: StartBackend, family: Family, name: str
) -> None:
    reason, script, seen = SCRIPTS[name]
    worker = backend(script, family)
    front = frontend(worker)
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        detail = check_failed(front, reason, seen)
    assert re.match(rf"{re.escape(str(worker.address))}: after \d+\.\d", detail), detail
    assert worker.accepted == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_head_comes_to_an_upload(
    frontend: StartFrontend, backend: StartBackend, name: str
) -> None:
    """Its body has been read, so its connection is as good as any."""
    reason, script, _ = SCRIPTS[name]
    worker = backend(script)
    front = frontend(worker)
    with front.client() as client:
        client.send(post(b"x" * 10))
        check_answer(client, 502, "open")
        check_failed(front, reason)
    assert worker.accepted == 1


TOO_SLOW: dict[str, Script] = {
    "silent": silence(),
    "silent in the head": (*READ, Send(HALF_A_HEAD), Hang()),
    "drips": drip(HALF_A_HEAD * 10, size=1, delay_s=0.05),
}


@pytest.mark.parametrize("name", TOO_SLOW)
def test_a_head_that_takes_too_long(
    frontend: StartFrontend, backend: StartBackend, name: str
) -> None:
    """The time is for the whole head: a drip does not renew it. The worker is let go."""
    worker = backend(TOO_SLOW[name])
    front = frontend(worker, options="--backend-read-timeout 0.3")
    with front.client() as client:
        client.send(request())
        check_answer(client, 504, "open")
        assert worker.wait_for_ending(0) in ("eof", "reset")
        check_failed(front, errors.READ_TIMEOUT)


def head(*lines: bytes) -> bytes:
    """Return a reply head."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", b""))


BAD_HEADS = {
    "text": b"hello world\r\n\r\n",
    "markup": b"<!DOCTYPE html>\r\n<html>\r\n\r\n</html>",
    "no name": head(b": value"),
    "space in a name": head(b"Content Type: text/plain"),
    "control character": head(b"X-Bad: a\0b"),
    "bare carriage return": head(b"X-Bad: a\rSet-Cookie: b"),
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6"),
    "no number": head(b"Content-Length: five"),
    "length and chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "strange encoding": head(b"Transfer-Encoding: gzip"),
    "bad CGI status": b"Status: fine\r\n\r\n",
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
@pytest.mark.parametrize("name", BAD_HEADS)
def test_a_head_that_may_not_be_passed_on(
    frontend: StartFrontend, backend: StartBackend, name: str
) -> None:
    worker = backend((*READ, Send(BAD_HEADS[name]), Hang()))
    front = frontend(worker)
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        assert worker.wait_for_ending(0) in ("eof", "reset")
        check_failed(front, errors.BAD_REPLY_HEAD, str(worker.address))


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
@pytest.mark.parametrize("complete", [True, False])
def test_a_head_over_the_limit(
    frontend: StartFrontend, backend: StartBackend, complete: bool
) -> None:
    """Whether it ends or not; one byte less is served."""
    limit = 6000
    reply = head(b"Content-Length: 2", b"Set-Cookie: ").removesuffix(b"\r\n\r\n")
    reply += b"x" * (limit - len(reply) - 4) + b"\r\n\r\n"
    assert len(reply) == limit
    worker = backend((*READ, Send(reply + b"ok")))
    assert frontend(worker, options=f"--backend-head-size {limit}").ask(request()).body == b"ok"
    worker.script = (*READ, Send(reply[: limit if complete else -4]), Close())
    front = frontend(worker, options=f"--backend-head-size {limit - 5}")
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
        check_failed(front, errors.REPLY_HEAD_TOO_LARGE, f"limit {limit - 5}")


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
def test_a_redirect_to_nowhere(frontend: StartFrontend, backend: StartBackend) -> None:
    worker = backend((*READ, Send(head(b"X-Accel-Redirect: @named"))))
    check_redirect(frontend, worker, errors.UNSAFE_REDIRECT)
    assert worker.accepted == 1


def test_a_redirect_in_a_circle(frontend: StartFrontend, backend: StartBackend) -> None:
    worker = backend((*READ, Send(head(b"X-Accel-Redirect: /again"))))
    check_redirect(frontend, worker, errors.REDIRECT_CYCLE)
    assert worker.accepted == MAX_REDIRECTS + 1


def check_redirect(frontend: StartFrontend, worker: FakeBackend, reason: Reason) -> None:
    """Ask for something that the application sends elsewhere."""
    front = frontend(worker)
    with front.client() as client:
        client.send(request())
        check_answer(client, reason.status, "closed" if reason.status == 500 else "open")
        check_failed(front, reason, str(worker.address))
