"""The body of a change: JSON, of a bounded size, and in time."""

import json

import pytest

from proxy.control.body import MAX_BODY_BYTES
from tests.control.scene import BEARER, JSON, LOCAL_HOST, Scene
from tests.wire import read_responses, request

LINE = b"PATCH /api/upstreams/default/backends/unix:/run/0.sock"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 9000, b"nonsense", b'{"drain": NaN1}'])
def test_what_is_not_json(body: bytes) -> None:
    response = Scene().ask(LINE, BEARER, JSON, body=body)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (400, "bad_json")


def test_no_body_at_all() -> None:
    response = Scene().ask(LINE, BEARER, JSON)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (400, "bad_json")


def test_the_type_may_have_parameters() -> None:
    scene = Scene()
    kind = b"Content-Type: Application/JSON; charset=utf-8"
    assert scene.ask(LINE, BEARER, kind, body=b'{"drain": true}').status == 200


def test_a_body_that_is_too_large() -> None:
    body = b'{"drain": true}'.ljust(MAX_BODY_BYTES)
    assert Scene().ask(LINE, BEARER, JSON, body=body).status == 200
    response = Scene().ask(LINE, BEARER, JSON, body=body + b" ")
    assert (response.status, json.loads(response.body)["error"]["code"]) == (413, "body_too_large")


def test_a_client_that_waits_to_be_asked() -> None:
    scene = Scene()
    client = scene.client()
    head = (LOCAL_HOST, BEARER, JSON, b"Expect: 100-continue", b"Content-Length: 15")
    client.send(request(LINE + b" HTTP/1.1", *head, host=False))
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b'{"drain": true}')
    (response,) = read_responses(client.received())
    assert (response.status, response.headers["connection"]) == (200, "keep-alive")


def test_a_body_that_does_not_come() -> None:
    scene = Scene()
    client = scene.client()
    head = (LOCAL_HOST, BEARER, JSON, b"Content-Length: 15")
    client.send(request(LINE + b" HTTP/1.1", *head, host=False))
    scene.clock.advance(60)
    (response,) = read_responses(client.received())
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (408, "client_body_timeout")
    assert client.closed
