"""Section 4: replies."""

import pytest

from tests.differential.client import Client
from tests.differential.compare import Case, compare
from tests.differential.corpus import request
from tests.differential.corpus_replies import CASES, GATES, LARGE_BYTES
from tests.differential.fleet import Fleet, Front

pytestmark = pytest.mark.nginx

BOTH = pytest.mark.parametrize("which", ["nginx", "proxy"])
UPGRADE = b"Upgrade: echo"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reply(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)


@pytest.mark.parametrize(
    "raw",
    [
        request(b"/reply/tunnel", b"Connection: Upgrade", UPGRADE) + b"ping",
        request(b"/reply/tunnel", UPGRADE) + b"ping",
        request(b"/reply/tunnel", UPGRADE, version=b"HTTP/1.0") + b"ping",
    ],
    ids=["usual", "no-connection", "1.0"],
)
def test_a_tunnel_carries_what_was_sent_early(fleet: Fleet, raw: bytes) -> None:
    """Rule 4.28."""
    compare(fleet, Case("tunnel", raw, "4.28 2.16", (101,)))


@BOTH
def test_a_tunnel_carries_bytes_both_ways(fleet: Fleet, which: str) -> None:
    """Rule 4.28: until one side ends it."""
    front = fleet.front(which, "plain")
    with Client(front.address) as client:
        client.send(request(b"/reply/tunnel", b"Connection: Upgrade", UPGRADE))
        read_until(client, b"hello")
        client.send(b"ping")
        read_until(client, b"pong")
        assert not client.fill()


@BOTH
def test_a_client_that_half_closes_a_tunnel_ends_it(fleet: Fleet, which: str) -> None:
    """Rule 4.28."""
    front = fleet.front(which, "plain")
    with Client(front.address) as client:
        client.send(request(b"/reply/tunnel-held-open", b"Connection: Upgrade", UPGRADE))
        read_until(client, b"\r\n\r\n")
        client.half_close()
        assert not client.fill()
    assert front.backend.wait_for_ending(latest(front)) == "eof"


@BOTH
@pytest.mark.parametrize("setting", ["plain", "streamed-reply"])
def test_a_streamed_reply_arrives_at_once(fleet: Fleet, setting: str, which: str) -> None:
    """Rule 4.34: by X-Accel-Buffering, or by configuration. Else the client waits for ever."""
    name = f"gated-{setting}-{which}"
    front = fleet.front(which, setting)
    with Client(front.address) as client:
        client.send(request(b"/reply/" + name.encode()))
        read_until(client, b"\r\n\r\n")
        for gate, part in zip(GATES[name], (b"one", b"two"), strict=True):
            gate.set()
            read_until(client, part)
        read_until(client, b"0\r\n\r\n")


@BOTH
def test_a_slow_client_does_not_hold_the_backend(fleet: Fleet, which: str) -> None:
    """Rule 4.35."""
    front = fleet.front(which, "plain")
    with Client(front.address, receive_buffer=4096) as client:
        accepted = front.backend.accepted
        client.send(request(b"/reply/large"))
        front.backend.wait_for_connections(accepted + 1)
        assert front.backend.wait_for_ending(accepted) == "closed"
        client.hurry()
        response = client.response()
        assert response is not None
        assert len(response.body) == LARGE_BYTES


@BOTH
def test_a_slow_client_of_a_streamed_reply_does(fleet: Fleet, which: str) -> None:
    """Rule 4.35: back-pressure instead of a file."""
    front = fleet.front(which, "streamed-reply")
    with Client(front.address, receive_buffer=4096) as client:
        accepted = front.backend.accepted
        client.send(request(b"/reply/large"))
        front.backend.wait_for_connections(accepted + 1)
        for _ in range(20):  # time enough for a front end that would read it all
            with Client(front.address) as other:
                other.send(request(b"/", b"Connection: close"))
                assert other.response() is not None
        assert accepted not in front.backend.endings
        client.hurry()
        response = client.response()
        assert response is not None
        assert len(response.body) == LARGE_BYTES


def test_the_last_chunk_ends_a_chunked_reply(fleet: Fleet) -> None:
    """Rule 4.20, where the proxy decodes: the backend need not close."""
    front = fleet.front("proxy", "plain")
    with Client(front.address) as client:
        client.send(request(b"/reply/chunked-held-open"))
        response = client.response()
        assert response is not None
        assert (response.body, response.complete) == (b"hello wo", True)
        assert front.backend.wait_for_ending(latest(front)) == "eof"


def test_a_chunked_reply_without_its_last_chunk_is_cut(fleet: Fleet) -> None:
    """Rules 4.22, 4.24."""
    front = fleet.front("proxy", "plain")
    with Client(front.address) as client:
        client.send(request(b"/reply/chunked-cut"))
        response = client.response()
        assert response is not None
        assert (response.body, response.complete) == (b"hello wo", False)


def read_until(client: Client, mark: bytes) -> None:
    while mark not in client.buffer:
        assert client.fill(), client.buffer


def latest(front: Front) -> int:
    return front.backend.accepted - 1
