"""`uwsgi_request` against a fake backend, and against real servers."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from proxy import errors
from proxy.client.request import UwsgiReply, as_address, uwsgi_request, uwsgi_request_sync
from proxy.errors import ProxyError, Reason
from proxy.settings import Address
from proxy.testing import (
    FakeBackend,
    Script,
    Send,
    bad_head,
    close_before_reply,
    drip,
    full_backlog,
    missing,
    refuse,
    reset_before_reply,
    silence,
    truncate_after,
)
from proxy.testing.steps import READ
from tests import servers
from tests.loops import both_loops, run

APP = """
import sys
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    twice = [("X-Twice", "1"), ("X-Twice", "2")]
    start_response("201 Made", [("X-Path", environ["PATH_INFO"]), *twice])
    if environ["REQUEST_METHOD"] == "HEAD":
        return []
    return [body, b"!" * 300_000]
"""


@both_loops
def test_a_request_and_its_reply(loop: str) -> None:
    with FakeBackend() as backend:
        reply = run(
            loop,
            uwsgi_request(
                backend.address,
                "POST",
                "/a?b=c",
                headers={"X-Test": "1"},
                body=b"hello",
                params={"REMOTE_USER": "alice"},
            ),
        )
    assert (reply.status, reply.reason) == (200, "OK")
    assert reply.header("content-type") == "application/json"
    assert reply.header("nothing", "-") == "-"
    seen = json.loads(reply.text)
    assert seen["length"] == 5
    assert [tuple(pair) for pair in seen["variables"]] == list(reply.variables)
    assert dict(reply.variables)["REMOTE_USER"] == "alice"
    times = reply.timings
    assert 0 <= times.connect_s <= times.head_s <= times.total_s < 20


@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_without_a_loop(family: str) -> None:
    with FakeBackend(drip(b"Status: 404 Gone Fishing\n\nsome text", 5), family) as backend:  # type: ignore[arg-type]
        reply = uwsgi_request_sync(str(backend.address))
    assert (reply.status, reply.reason, reply.body) == (404, "Gone Fishing", b"some text")
    assert reply.headers == (("Status", "404 Gone Fishing"),)


def test_a_chunked_reply_and_an_interim_one() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with FakeBackend((*READ, Send(early + chunked))) as backend:
        reply = uwsgi_request_sync(backend.address)
    assert (reply.status, reply.body) == (200, b"abc")


def test_a_head_over_the_front_ends_own_limit() -> None:
    head = b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=%s\r\n\r\n" % (b"x" * 20_000)
    with FakeBackend((*READ, Send(head))) as backend:
        reply = uwsgi_request_sync(backend.address)
    assert len(reply.header("set-cookie") or "") > 20_000


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (close_before_reply(), errors.EOF_BEFORE_HEADERS),
        (reset_before_reply(), errors.RESET_BEFORE_HEADERS),
        (bad_head(b"no head at all\r\n\r\n"), errors.BAD_REPLY_HEAD),
        (bad_head(b"HTTP/1.1 200"), errors.EOF_MID_HEADERS),
        (truncate_after(10), errors.EOF_MID_BODY),
        (silence(), errors.READ_TIMEOUT),
    ],
    ids=lambda value: value.word if isinstance(value, Reason) else "",
)
def test_failures_have_their_reason(script: Script, reason: Reason) -> None:
    timeout_s = 0.2 if reason is errors.READ_TIMEOUT else 20.0
    with FakeBackend(script) as backend, pytest.raises(ProxyError) as caught:
        uwsgi_request_sync(backend.address, body=b"x" * 5000, timeout_s=timeout_s)
    assert caught.value.reason is reason
    detail = caught.value.detail
    assert detail.startswith(f"{backend.address}: ")
    assert ("packet of " in detail) == reason.word.endswith("_before_headers")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (missing, errors.SOCKET_MISSING),
        (refuse, errors.CONNECT_REFUSED),
        (full_backlog, errors.BACKLOG_FULL),
    ],
)
def test_absence_has_its_reason(
    place: Callable[[], AbstractContextManager[Address]], reason: Reason
) -> None:
    with place() as address, pytest.raises(ProxyError) as caught:
        uwsgi_request_sync(address)
    assert caught.value.reason is reason
    assert str(address) in caught.value.detail
    assert caught.value.nothing_sent


def test_a_socket_for_others(tmp_path: Path) -> None:
    if not Path("/proc/self").stat().st_uid:
        pytest.skip("root may do everything")
    with FakeBackend(path=tmp_path / "s") as backend:
        (tmp_path / "s").chmod(0)
        with pytest.raises(ProxyError) as caught:
            uwsgi_request_sync(backend.address)
    assert caught.value.reason is errors.PERMISSION_DENIED


def test_an_answer_to_a_body_that_is_not_read() -> None:
    """The backend answers and closes; what is still to be sent goes nowhere."""
    head = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    with FakeBackend((READ[0], Send(head))) as backend:
        reply = uwsgi_request_sync(backend.address, "POST", body=b"x" * 3_000_000)
    assert reply.status == 413


@both_loops
def test_many_at_once(loop: str) -> None:
    async def main(address: Address) -> list[UwsgiReply]:
        return await asyncio.gather(*(uwsgi_request(address, "GET", f"/{n}") for n in range(20)))

    with FakeBackend(
        lambda got: [Send(b"HTTP/1.1 200 OK\r\n\r\n" + got.value("PATH_INFO"))]
    ) as one:
        replies = run(loop, main(one.address))
    assert [reply.body for reply in replies] == [b"/%d" % n for n in range(20)]


@pytest.mark.parametrize("address", ["/run/app.sock", "localhost", "http://localhost/"])
def test_addresses_are_explained(address: str) -> None:
    with pytest.raises(ValueError, match=address):
        as_address(address)


@pytest.mark.parametrize("server", [servers.uwsgi, servers.gunicorn])
def test_real_servers(
    server: Callable[..., AbstractContextManager[servers.Server]], tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    with server("app:application", directory=tmp_path) as running:
        reply = uwsgi_request_sync(running.address, "POST", "/a b", body=b"x" * 100_000)
        head = uwsgi_request_sync(running.address, "HEAD", "/h")
    assert (reply.status, reply.reason, reply.header("X-Path")) == (201, "Made", "/a b")
    assert [value for name, value in reply.headers if name == "X-Twice"] == ["1", "2"]
    assert reply.body == b"x" * 100_000 + b"!" * 300_000
    assert (head.status, head.header("x-path"), head.body) == (201, "/h", b"")
