"""However the bytes are cut on their way, the message is the same."""

import hashlib
import json

import pytest

from proxy.testing import READ, Send, drip
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunked_head, chunks, post, request

pytestmark = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
BODY = b"the whole body"
HEAD = b"HTTP/1.1 200 OK\r\nX-Field: value\r\n"
REPLIES = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks([BODY[:3], BODY[3:]]),
    "free": HEAD + b"\r\n" + BODY,
    "CGI": b"Status: 200 OK\nX-Field: value\n\n" + BODY,
    "after an interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HEAD + b"\r\n" + BODY,
}


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_drips(
    frontend: StartFrontend, backend: StartBackend, name: str, size: int
) -> None:
    front = frontend(backend(drip(REPLIES[name], size)))
    with front.client() as client:
        client.send(request())
        response = client.response()
        if name == "after an interim":
            assert response is not None
            assert response.status == 103
            response = client.response()
    assert response is not None
    assert response.values(b"x-field") == [b"value"]
    assert response.body == BODY
    assert response.complete
    assert not front.failures()


REQUESTS = {
    "length": post(BODY, "/path?query"),
    "chunked": chunked_head("/path?query") + chunks([BODY[:3], BODY[3:]]),
}


@pytest.mark.parametrize("options", ["", "--request-buffering off"], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_drips(
    frontend: StartFrontend, backend: StartBackend, name: str, options: str
) -> None:
    front = frontend(backend(), options=options)
    data = REQUESTS[name]
    with front.client() as client:
        for at in range(len(data)):
            client.send(data[at : at + 1])
        response = client.response()
    assert response is not None
    echo = json.loads(response.body)
    assert echo["sha256"] == hashlib.sha256(BODY).hexdigest()
    variables = dict(echo["variables"])
    assert variables["REQUEST_URI"] == "/path?query"
    assert variables["CONTENT_LENGTH"] == str(len(BODY))


def test_large_chunks_of_every_size(frontend: StartFrontend, backend: StartBackend) -> None:
    """Decoded, spooled for a slow client, and chunked anew."""
    body = hashlib.shake_128(b"chunks").digest(3_000_000)
    pieces, at = [], 0
    for size in range(1, 3000, 3):
        pieces.append(body[at : at + size])
        at += size
    pieces.append(body[at:])
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    worker = backend((*READ, Send(head + chunks(pieces))))
    front = frontend(worker, options="--reply-buffer-size 10k")
    with front.client(receive_buffer=4096) as client:
        client.send(request())
        assert worker.wait_for_ending(0) == "closed"
        response = client.response()
    assert response is not None
    assert response.complete
    assert response.body == body
