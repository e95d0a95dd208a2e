"""News for the page: the same for all who listen, once a second, and never stored for anybody."""

import json
from typing import Any

from proxy import errors
from proxy.control.events import MAX_BACKENDS, MAX_LISTENERS, MAX_MISSED, PERIOD_S, encode
from proxy.control.members import Done, Local, Question
from proxy.testing.memory import MemoryClient
from tests.control.scene import LOCAL_HOST, Scene
from tests.wire import read_responses, request


def listen(scene: Scene) -> MemoryClient:
    client = scene.client()
    client.send(request(b"GET /api/events HTTP/1.1", LOCAL_HOST, host=False))
    return client


def events(client: MemoryClient) -> list[tuple[str, Any]]:
    """Return all that a client has been sent."""
    (response,) = read_responses(client.everything)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-store"
    found = []
    for block in response.body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_listener_hears_the_past_then_news_each_second() -> None:
    scene = Scene()
    scene.start()
    scene.clock.advance(3)
    client = listen(scene)
    (hello, past), (first, _) = events(client)
    assert (hello, first, past["writing"]) == ("hello", "news", "token")
    assert len(past["history"]["total"]) == 3
    scene.happen(502, errors.EOF_BEFORE_HEADERS)
    scene.clock.advance(2 * PERIOD_S)
    news = events(client)
    assert [name for name, _ in news] == ["hello", "news", "news", "news"]
    assert news[-1][1]["failures"][0]["reason"] == "eof_before_headers"
    assert news[-2][1]["point"]["rate"] == 1.0
    assert len(news[-1][1]["upstreams"][0]["backends"]) == 2


def test_all_get_the_same_bytes() -> None:
    scene = Scene()
    scene.start()
    clients = [listen(scene) for _ in range(3)]
    scene.clock.advance(PERIOD_S)
    first, *others = [client.everything[-500:] for client in clients]
    assert all(other == first for other in others)


def test_there_are_not_too_many() -> None:
    scene = Scene()
    scene.start()
    clients = [listen(scene) for _ in range(MAX_LISTENERS)]
    (response,) = read_responses(listen(scene).received())
    assert (response.status, json.loads(response.body)["error"]["code"]) == (
        503,
        "too_many_listeners",
    )
    clients[0].reset()
    assert events(listen(scene))[0][0] == "hello"


def test_who_does_not_listen_costs_little() -> None:
    scene, asked = Scene(), list[str]()

    def answer(question: Question) -> Any:
        asked.append(question["ask"])
        return scene.answers.answer(question)

    scene.pulse._members = Local(answer)
    scene.start()
    scene.clock.advance(2 * PERIOD_S)
    client = listen(scene)
    scene.clock.advance(2 * PERIOD_S)
    client.reset()
    scene.clock.advance(PERIOD_S)
    assert asked == [*["numbers"] * 3, *["overview"] * 2, "numbers"]


def test_who_takes_nothing_gets_nothing_more_and_is_sent_away() -> None:
    scene = Scene()
    scene.start()
    slow, good = listen(scene), listen(scene)
    slow.take(0)
    scene.clock.advance(3 * PERIOD_S)
    kept = slow.transport.get_write_buffer_size()
    assert kept > 0
    scene.clock.advance(3 * PERIOD_S)
    assert slow.transport.get_write_buffer_size() == kept
    assert not slow.closed
    scene.clock.advance((MAX_MISSED + 1) * PERIOD_S)
    assert slow.was_reset
    assert len(events(good)) > MAX_MISSED
    assert not scene.wire.escaped


def test_who_catches_up_stays() -> None:
    scene = Scene()
    scene.start()
    client = listen(scene)
    client.take(0)
    scene.clock.advance(5 * PERIOD_S)
    client.take()
    scene.clock.advance(20 * PERIOD_S)
    assert not client.closed
    assert events(client)


def test_who_leaves_is_forgotten() -> None:
    scene = Scene()
    scene.start()
    for leave in (MemoryClient.reset, MemoryClient.end):
        client = listen(scene)
        leave(client)
        scene.clock.advance(30 * PERIOD_S)
        assert not scene.wire.connections
    assert not scene.wire.escaped


def test_http_1_0_can_listen() -> None:
    scene = Scene()
    scene.start()
    client = scene.client()
    client.send(request(b"GET /api/events HTTP/1.0", LOCAL_HOST, host=False))
    scene.clock.advance(PERIOD_S)
    assert client.received().count(b"event: news\n") == 2


class Slow:
    """Processes that answer when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, Done]] = []

    def ask(self, question: Question, done: Done) -> None:
        self.asked.append((question, done))


def test_slow_processes_are_asked_once_at_a_time() -> None:
    scene, slow = Scene(), Slow()
    scene.pulse._members = slow
    scene.pulse.start()
    scene.clock.advance(5 * PERIOD_S)
    ((question, done),) = slow.asked
    assert question == {"ask": "numbers"}
    done([scene.answers.answer(question), None])
    assert len(scene.pulse.history.total) == 0  # that takes two
    scene.clock.advance(PERIOD_S)
    assert len(slow.asked) == 2
    scene.pulse.stop()
    scene.clock.advance(5 * PERIOD_S)
    assert len(slow.asked) == 2


def test_of_very_many_backends_those_in_trouble_show() -> None:
    scene = Scene(backends=1)
    scene.start()
    overview = scene.answers.overview()
    overview |= {"workers": [overview["process"]], "draining": False, "requests_in_flight": 0}
    overview["connections"] = {}
    (backend,) = overview["upstreams"][0]["backends"]
    many = [{**backend, "server": str(n)} for n in range(2 * MAX_BACKENDS)]
    many[-1]["trouble"] = "absent"
    overview["upstreams"][0]["backends"] = many
    (shown,) = scene.pulse.describe(overview)["upstreams"]
    assert (len(shown["backends"]), shown["hidden"]) == (MAX_BACKENDS, MAX_BACKENDS)
    assert shown["backends"][0]["trouble"] == "absent"


def test_an_event_is_two_lines_whatever_is_in_it() -> None:
    assert encode("x", {"a": "\n\r\u2028"}) == b'event: x\ndata: {"a":"\\n\\r\\u2028"}\n\n'
