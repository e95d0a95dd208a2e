"""examples/flask_app on both workers, spoken to in uwsgi."""

import hashlib
import json
from collections.abc import Iterator

import pytest

from proxy.worker.command import Kind
from tests.examples.conftest import Ask, asking
from tests.servers import form_body


@pytest.fixture(scope="module")
def ask(kind: Kind) -> Iterator[Ask]:
    """Ask the Flask application."""
    yield from asking("app:app", "flask_app", kind)


def test_the_session_counts_visits(ask: Ask) -> None:
    first = ask("/", REMOTE_ADDR="192.0.2.7")
    assert b"been here 1 times. You are 192.0.2.7" in first.body
    assert b"been here 2 times" in ask("/", HTTP_COOKIE=first.cookies()).body


def test_login_redirects_and_sets_a_cookie(ask: Ask) -> None:
    assert ask("/whoami").status == 401
    reply = ask("/login/alice")
    assert (reply.status, reply.headers["Location"]) == (302, "/whoami")
    assert ask("/whoami", HTTP_COOKIE=reply.cookies()).body == b"alice\n"


def test_upload(ask: Ask) -> None:
    content = bytes(range(256)) * 1000
    kind, body = form_body("file", "a.bin", content)
    seen = json.loads(ask("/upload", "POST", body, CONTENT_TYPE=kind).body)
    digest = hashlib.sha256(content).hexdigest()
    assert seen == {"name": "a.bin", "bytes": len(content), "sha256": digest}
    assert ask("/upload", "POST").status == 400
    assert json.loads(ask("/raw", "PUT", content).body)["sha256"] == digest


def test_stream(ask: Ask) -> None:
    reply = ask("/stream?count=3&pause=0")
    assert reply.headers["X-Accel-Buffering"] == "no"
    assert reply.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_what_flask_makes_of_the_request(ask: Ask) -> None:
    more = {"HTTP_HOST": "example.com", "HTTPS": "on", "REMOTE_ADDR": "192.0.2.1", "HTTP_X_A": "1"}
    seen = json.loads(ask("/json?a=1&a=2", **more).body)
    assert seen["host"] == "example.com"
    assert seen["scheme"] == "https"
    assert seen["query"] == {"a": ["1", "2"]}
    assert seen["remote_addr"] == "192.0.2.1"
    assert seen["headers"]["X-A"] == "1"


def test_other_replies(ask: Ask) -> None:
    assert ask("/path/a%65b").body == b"a%65b"
    assert (ask("/empty").status, ask("/empty").body) == (204, b"")
    assert ask("/cached", HTTP_IF_NONE_MATCH='"v1"').status == 304
    assert ask("/cached").body == b"the same as ever\n"
    assert ask("/nowhere").status == 404
    assert ask("/error").status == 500
