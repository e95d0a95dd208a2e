"""Section 3: request bodies."""

import pytest

from tests.differential.client import Client
from tests.differential.compare import Case, compare
from tests.differential.corpus import request
from tests.differential.corpus_bodies import CASES, post
from tests.differential.fleet import Fleet

pytestmark = pytest.mark.nginx

BOTH = pytest.mark.parametrize("which", ["nginx", "proxy"])
MIB = 1 << 20


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_body(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)


@BOTH
def test_no_backend_is_taken_before_the_body_is_whole(fleet: Fleet, which: str) -> None:
    """Rule 3.2."""
    front = fleet.front(which, "plain")
    whole = post(b"x" * 100, target=b"/slow")
    accepted = front.backend.accepted
    with Client(front.address) as slow, Client(front.address) as other:
        slow.send(whole[:-1])
        other.send(request(b"/other", b"Connection: close"))
        assert other.response() is not None
        assert front.backend.accepted == accepted + 1
        slow.send(whole[-1:])
        response = slow.response()
        assert response is not None
        assert response.status == 200
    assert front.backend.requests[-1].body == b"x" * 100


@BOTH
def test_a_streamed_body_is_passed_on_as_it_comes(fleet: Fleet, which: str) -> None:
    """Rules 3.3, 3.14: the answer comes in the middle of the upload, and ends the connection."""
    front = fleet.front(which, "streamed-early")
    with Client(front.address) as client:
        client.send(post(b"x" * 100)[:-98])
        response = client.response()
        assert response is not None
        assert (response.status, response.body) == (200, b"ok")
        assert client.response() is None


@BOTH
def test_a_client_that_leaves_a_streamed_upload_cuts_it_off(fleet: Fleet, which: str) -> None:
    """Rule 3.11: the backend sees a body that is too short, and its end."""
    front = fleet.front(which, "streamed-request")
    backend, accepted, seen = front.backend, front.backend.accepted, len(front.backend.requests)
    with Client(front.address) as client:
        client.send(post(b"hello", target=b"/left")[:-3])
        backend.wait_for_connections(accepted + 1)
        client.half_close()
        assert client.response() is None
    received = backend.wait_for(seen + 1)[-1]
    assert (received.value("PATH_INFO"), received.body) == (b"/left", b"he")
    assert received.ended == "eof"


@BOTH
def test_a_refused_upload_is_read_away_so_that_the_answer_arrives(fleet: Fleet, which: str) -> None:
    """Rules 3.8, 3.15: the client sends everything before it looks at the 413."""
    front = fleet.front(which, "plain")
    with Client(front.address) as client:
        client.send(post(b"")[:-4].replace(b"Length: 0", b"Length: %d" % (20 * MIB)) + b"\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * MIB)
        response = client.response()
        assert response is not None
        assert response.status == 413
        assert client.response() is None
        assert client.ended == "closed"


@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_an_early_answer_survives_the_reset_behind_it(fleet: Fleet, family: str) -> None:
    """Rule 3.17: nginx often says 502 here. The proxy always reads what the application said."""
    front = fleet.front("proxy", f"early-{family}")
    for _ in range(5):
        with Client(front.address) as client:
            client.send(post(b"x" * 3 * MIB))
            response = client.response()
            assert response is not None
            assert (response.status_line, response.body) == (b"HTTP/1.1 413 Mine", b"no")
