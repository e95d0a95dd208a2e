"""examples/django_app on both workers, spoken to in uwsgi."""

import hashlib
import json
import re
from collections.abc import Iterator

import pytest

from proxy.worker.command import Kind
from tests.examples.conftest import Ask, asking
from tests.servers import form_body


@pytest.fixture(scope="module")
def ask(kind: Kind) -> Iterator[Ask]:
    """Ask the Django application."""
    yield from asking("demo.wsgi:application", "django_app", kind)


def token_of(page: bytes) -> str:
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page
    return found[1].decode()


def test_the_session_counts_visits(ask: Ask) -> None:
    first = ask("/")
    assert b"been here 1 times" in first.body
    assert b"been here 2 times" in ask("/", HTTP_COOKIE=first.cookies()).body


def test_a_form_is_protected_and_leaves_a_message(ask: Ask) -> None:
    page = ask("/notes/")
    kind = "application/x-www-form-urlencoded"
    cookies = page.cookies()
    assert ask("/notes/", "POST", b"note=x", CONTENT_TYPE=kind, HTTP_COOKIE=cookies).status == 403
    form = f"note=<b>&csrfmiddlewaretoken={token_of(page.body)}".encode()
    saved = ask("/notes/", "POST", form, CONTENT_TYPE=kind, HTTP_COOKIE=cookies)
    assert (saved.status, saved.headers["Location"]) == (302, "/notes/")
    after = ask("/notes/", HTTP_COOKIE=f"{cookies}; {saved.cookies()}")
    assert b'<p class="message">Saved: &lt;b&gt;</p>' in after.body
    assert b"<li>&lt;b&gt;</li>" in after.body


def test_upload(ask: Ask) -> None:
    content = bytes(range(256)) * 15_000  # over what Django keeps in memory
    page = ask("/upload/")
    token = token_of(page.body)
    kind, body = form_body("file", "a.bin", content, csrfmiddlewaretoken=token)
    reply = ask("/upload/", "POST", body, CONTENT_TYPE=kind, HTTP_COOKIE=page.cookies())
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(reply.body) == {"name": "a.bin", "bytes": len(content), "sha256": digest}
    assert json.loads(ask("/raw/", "PUT", content).body)["sha256"] == digest
    form = f"csrfmiddlewaretoken={token}".encode()
    kind = "application/x-www-form-urlencoded"
    missing = ask("/upload/", "POST", form, CONTENT_TYPE=kind, HTTP_COOKIE=page.cookies())
    assert missing.status == 400


def test_stream(ask: Ask) -> None:
    reply = ask("/stream/?count=2&pause=0")
    assert reply.headers["X-Accel-Buffering"] == "no"
    assert reply.body == b"data: 0\n\ndata: 1\n\n"


def test_other_replies(ask: Ask) -> None:
    seen = json.loads(ask("/json/?a=1", HTTP_HOST="localhost:8000", HTTPS="on").body)
    assert (seen["host"], seen["scheme"], seen["query"]) == (
        "localhost:8000",
        "https",
        {"a": ["1"]},
    )
    assert ask("/json/", HTTP_HOST="elsewhere.example").status == 400
    assert ask("/path/a%65b").body == b"a%65b"
    assert (ask("/old/").status, ask("/old/").headers["Location"]) == (301, "/")
    assert ask("/notes").headers["Location"] == "/notes/"
    assert ask("/nowhere/").status == 404
    assert ask("/error/").status == 500
