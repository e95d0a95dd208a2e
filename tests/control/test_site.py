"""The site as a whole, and the health pages among an application's own."""

import pytest

from proxy.control.members import Local
from proxy.control.site import Site, with_health
from proxy.downstream import Downstream, page_for
from proxy.settings import Address, ServerSettings
from proxy.testing.harness import Harness
from tests.control.scene import Scene
from tests.wire import Response, read_responses, request


async def application(client: Downstream) -> None:
    """Answers everything that comes to it in a way of its own."""
    client.send_page(page_for(418))


def ask(scene: Scene, line: bytes, body: bytes = b"") -> Response:
    client = Harness(serve=with_health(application, scene.members)).client()
    client.send(request(line + b" HTTP/1.1", body=body))
    (response,) = read_responses(client.received(), [line.split(b" ")[0].decode()])
    return response


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /livez", 200),
        (b"HEAD /livez", 200),
        (b"GET /readyz", 200),
        (b"GET /readyz?verbose", 200),
        (b"POST /livez", 418),
        (b"GET /livez/ping", 418),
        (b"GET /metrics", 418),
        (b"GET /api", 418),
        (b"GET /", 418),
    ],
)
def test_health_and_nothing_else(line: bytes, status: int) -> None:
    scene = Scene()
    scene.start()
    assert ask(scene, line).status == status


def test_the_public_is_not_told_why() -> None:
    scene = Scene()
    response = ask(scene, b"GET /readyz?verbose")
    assert response.status == 503
    assert b"[-]backends failed: reason withheld\n" in response.body


def test_a_body_ends_the_connection() -> None:
    assert ask(Scene(), b"GET /livez", b"x").headers["connection"] == "close"


def test_the_site_follows_what_happens_from_start_to_stop() -> None:
    scene = Scene()
    asked: list[object] = []

    def answer(question: object) -> object:
        asked.append(question)
        return scene.answers.overview()

    settings = ServerSettings(admin=Address(path="/run/x"), admin_hosts=("APP",))
    site = Site(settings, Local(answer), lambda a, b: (b"", ""), scene.clock.call_later)
    site.start()
    scene.clock.advance(2)
    site.stop()
    count = len(asked)
    scene.clock.advance(5)
    assert len(asked) == count == 3


def test_requests_at_the_site_take_turns() -> None:
    scene = Scene()
    settings = ServerSettings(admin=Address(path="/run/x"))
    later = scene.clock.call_later
    site = Site(settings, scene.members, lambda answers, accept: (b"x", "text/plain"), later)
    client = Harness(serve=site.serve).client()
    client.send(request(b"GET /metrics HTTP/1.1") * 3)
    assert client.everything.count(b"HTTP/1.1 200 OK") == 1
    scene.clock.advance(10)
    assert client.everything.count(b"HTTP/1.1 200 OK") == 3
