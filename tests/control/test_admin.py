"""The admin listener: one page for machines, and a plain no to everything else."""

import pytest

from proxy.control.admin import Admin
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from tests.wire import GET, read_responses, request


class Page:
    """What `Admin` shows, and how often it was asked for it."""

    def __init__(self) -> None:
        self.rendered = 0
        wire = Harness(serve=Admin(self.render, "text/plain; version=0.0.4").serve)
        self.records = wire.records
        self.client: MemoryClient = wire.client()

    def render(self) -> bytes:
        self.rendered += 1
        return b"metric %d\n" % self.rendered


def test_metrics() -> None:
    page = Page()
    for number in (1, 2):
        page.client.send(request(b"GET /metrics HTTP/1.1"))
        (response,) = read_responses(page.client.received())
        assert (response.status, response.body) == (200, b"metric %d\n" % number)
        assert response.headers["content-type"] == "text/plain; version=0.0.4"
        assert response.headers["connection"] == "keep-alive"


def test_metrics_with_a_query() -> None:
    page = Page()
    page.client.send(request(b"GET /metrics?name[]=x HTTP/1.1"))
    assert page.client.received().endswith(b"metric 1\n")


def test_head() -> None:
    page = Page()
    page.client.send(request(b"HEAD /metrics HTTP/1.1"))
    got = page.client.received()
    (response,) = read_responses(got, ["HEAD"])
    assert (response.status, response.headers["content-length"]) == (200, "9")
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (GET, 404),
        (request(b"GET /metrics/ HTTP/1.1"), 404),
        (request(b"POST /metrics HTTP/1.1", body=b"x"), 405),
        (request(b"DELETE / HTTP/1.1"), 405),
        (b"nonsense\r\n", 400),
    ],
)
def test_everything_else(asked: bytes, status: int) -> None:
    page = Page()
    page.client.send(asked)
    (response,) = read_responses(page.client.received())
    assert (response.status, response.whole) == (status, True)
    assert page.rendered == 0


def test_a_body_that_nobody_reads_ends_the_connection() -> None:
    page = Page()
    page.client.send(request(b"GET /metrics HTTP/1.1", body=b"x"))
    (response,) = read_responses(page.client.received())
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert page.client.at_end
