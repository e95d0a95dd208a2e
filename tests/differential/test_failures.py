"""Rules 4.22 to 4.24, 4.41, 5.15 to 5.17, 6.1 to 6.3, 6.30, 6.31: backends that fail, clients that
leave."""

import pytest

from proxy.testing import Received
from tests.differential.client import Client, Silent
from tests.differential.compare import Case, compare
from tests.differential.corpus import request
from tests.differential.corpus_bodies import chunked, post
from tests.differential.differences import (
    Differs,
    adds_header,
    chain,
    refused,
)
from tests.differential.fleet import Fleet, Front

pytestmark = pytest.mark.nginx

UPLOAD = post(b"x" * 1000)
WAITS = Differs(
    "a full listen queue is waited for, then the answer is 503",
    chain(refused(503, connection=b"keep-alive"), adds_header(b"Retry-After", b"5")),
)

CASES = (
    *(
        Case(f"{name}-{setting}", raw, covers, (502,), setting=setting)
        for setting, covers in {
            "refuse-unix": "4.41",
            "refuse-tcp": "4.41",
            "missing": "6.31",
            "reset-unix": "4.41 4.9",
            "reset-tcp": "4.41 4.9",
        }.items()
        for name, raw in {
            "get": request(),
            "head": request(method=b"HEAD"),
            "upload": UPLOAD,
            "chunked": chunked(b"5\r\nhello\r\n0\r\n\r\n"),
            "1.0": request(version=b"HTTP/1.0"),
            "close": request(b"/", b"Connection: close"),
        }.items()
    ),
    Case(
        "pipelined",
        request(b"/1") + request(b"/2"),
        "4.41 2.32",
        (502, 502),
        setting="refuse-unix",
        heads=(False, False),
    ),
    Case("http-0.9", b"GET /\r\n", "4.41 2.20", (0,), setting="refuse-unix"),
    Case("full-unix", request(), "6.30", (502,), (WAITS,), setting="full-unix"),
    Case("full-tcp", request(), "6.30 5.8", (504,), setting="full-tcp"),
    *(
        Case(f"{name}-{setting}", raw, "6.2 6.3", setting=setting)
        for setting in ("refuse-then-good", "missing-then-good")
        for name, raw in {"get": request(), "post": UPLOAD, "again": request(b"/2")}.items()
    ),
    Case("closing-then-good-get", request(), "6.3", setting="closing-then-good-get"),
    Case("closing-then-good-post", UPLOAD, "6.3", (502,), setting="closing-then-good-post"),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_failure(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)


BOTH = pytest.mark.parametrize("which", ["nginx", "proxy"])


@BOTH
@pytest.mark.parametrize("head", ["length", "free"])
@pytest.mark.parametrize("setting", ["tcp", "tcp-streamed"])
def test_a_reset_in_the_body_is_never_a_clean_end(
    fleet: Fleet, setting: str, head: str, which: str
) -> None:
    """Rules 4.23, 4.24. How much of the body is lost is a race, so it is not compared."""
    front = fleet.front(which, setting)
    with Client(front.address) as client:
        client.send(request(b"/reply/reset-" + head.encode()))
        response = client.response()
    assert response is not None
    assert response.status_line == b"HTTP/1.1 200 OK"
    assert not response.complete
    assert b"hi".startswith(response.body)


@BOTH
@pytest.mark.parametrize("leave", ["half-close", "close", "reset"])
def test_a_client_that_leaves_frees_the_backend(fleet: Fleet, leave: str, which: str) -> None:
    """Rules 5.15, 5.17: also one that only says that it will send no more."""
    front = fleet.front(which, "plain")
    backend, path = front.backend, f"/reply/silence-{leave}".encode()
    with Client(front.address) as client:
        client.send(request(path))
        received = wait_for(front, path)
        if leave == "half-close":
            client.half_close()
            assert client.response() is None
        elif leave == "reset":
            client.reset()
    assert backend.wait_for_ending(received.connection) == "eof"


@BOTH
def test_a_half_close_behind_pipelined_requests_aborts_them(fleet: Fleet, which: str) -> None:
    """Rule 5.17."""
    front = fleet.front(which, "plain")
    path = b"/reply/silence-pipelined"
    with Client(front.address) as client:
        client.send(request(path) + request(b"/never"))
        received = wait_for(front, path)
        client.half_close()
        assert client.response() is None
    assert b"/never" not in [one.value("PATH_INFO") for one in front.backend.requests]
    assert front.backend.wait_for_ending(received.connection) == "eof"


@BOTH
def test_a_client_that_leaves_during_its_upload_meets_no_backend(fleet: Fleet, which: str) -> None:
    """Rule 5.19."""
    front = fleet.front(which, "plain")
    accepted = front.backend.accepted
    with Client(front.address) as client:
        client.send(post(b"x" * 1000)[:-1])
        client.half_close()
        assert client.response() is None
    assert front.backend.accepted == accepted


@BOTH
@pytest.mark.parametrize("setting", ["plain", "streamed-reply"])
def test_a_client_that_leaves_in_mid_reply_frees_the_backend(
    fleet: Fleet, setting: str, which: str
) -> None:
    """Rule 5.16."""
    front = fleet.front(which, setting)
    path = b"/reply/endless-" + setting.encode()
    with Client(front.address) as client:
        client.send(request(path))
        received = wait_for(front, path)
        while len(client.buffer) < 20_000:
            assert client.fill()
    assert front.backend.wait_for_ending(received.connection) in ("eof", "reset")


@BOTH
def test_a_backend_is_left_as_soon_as_its_reply_is_complete(fleet: Fleet, which: str) -> None:
    """Rule 0.4: by its length, or behind the head of a reply without a body."""
    front = fleet.front(which, "plain")
    methods = {"length-held-open": b"GET", "204-free": b"GET", "head-free": b"HEAD"}
    for name, method in methods.items():
        path = b"/reply/" + name.encode()
        with Client(front.address) as client:
            client.send(request(path, method=method))
            assert client.response(method == b"HEAD") is not None
            received = wait_for(front, path)
            assert front.backend.wait_for_ending(received.connection) in ("eof", "reset")


@BOTH
def test_without_a_length_only_the_end_of_the_connection_ends_a_reply(
    fleet: Fleet, which: str
) -> None:
    """Rule 0.5."""
    front = fleet.front(which, "plain")
    with Client(front.address) as client:
        client.send(request(b"/reply/free-held-open"))
        wait_for(front, b"/reply/free-held-open")
        client.sock.settimeout(0.3)
        with pytest.raises(Silent):
            client.response()


def wait_for(front: Front, path: bytes) -> Received:
    """Return the latest request for `path`, once it is there."""
    backend = front.backend
    while True:
        count = len(backend.requests)
        for received in reversed(backend.requests):
            if received.value("PATH_INFO") == path:
                return received
        backend.wait_for(count + 1)
