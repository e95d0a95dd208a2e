"""Requests and answers of the admin address as values."""

import json

import pytest

from protocol.headers import HeaderDigest
from protocol.http1.libraries import choose_engine
from protocol.http1.reader import RequestReader
from protocol.messages import Request
from proxy.control.asked import Asked, Refusal, as_json, as_text, read_request
from proxy.settings import ClientSettings, PacketSettings


def parse(target: str) -> Asked:
    settings = ClientSettings()
    digest = HeaderDigest(settings, PacketSettings(), frozenset())
    reader = RequestReader(settings, digest, choose_engine("h11"), False)
    reader.receive_data(f"GET {target} HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n".encode())
    event = reader.next_event()
    assert isinstance(event, Request)
    return read_request(event)


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        ("/", ()),
        ("/api", ("api",)),
        ("/api/", ("api",)),
        ("/api?x=/y", ("api",)),
        ("/a/unix:%2Frun%2Fa.sock", ("a", "unix:/run/a.sock")),
        ("/a//b", ("a", "", "b")),
        ("http://other/api/x", ("api", "x")),
        ("/%FF", ("\ufffd",)),
    ],
)
def test_paths(target: str, segments: tuple[str, ...]) -> None:
    assert parse(target).segments == segments


def test_queries_and_headers() -> None:
    asked = parse("/readyz?verbose&exclude=a&exclude=b")
    assert asked.query == {"verbose": [""], "exclude": ["a", "b"]}
    assert (asked.method, asked.changes) == ("GET", False)
    assert (asked.header(b"x-a"), asked.header(b"x-b")) == ("b", "")


def test_json_is_for_people_too() -> None:
    answered = as_json({"a": "<é>"}, 201, (b"X", b"y"))
    assert answered.body == b'{\n "a": "<\\u00e9>"\n}\n'
    assert (answered.status, answered.fields) == (201, ((b"X", b"y"),))


def test_text() -> None:
    assert as_text("ok\n", 503).body == b"ok\n"


def test_a_refusal_says_why_and_what_next() -> None:
    refusal = Refusal(403, "word", "why", "do this").with_header(b"A", b"b")
    answered = refusal.answered()
    assert json.loads(answered.body) == {
        "error": {"status": 403, "code": "word", "text": "why", "next_step": "do this"}
    }
    assert (answered.status, answered.fields) == (403, ((b"A", b"b"),))
    assert "next_step" not in Refusal(404, "word", "why").error
