"""Answers of the admin address take turns, so that whoever floods it leaves the loop to clients."""

import json

import pytest

from proxy.control.limits import MAX_CONNECTIONS
from proxy.control.turns import MAX_WAITING, SHARE, Turns, in_turns
from proxy.downstream import Downstream, page_for
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from tests.wire import Response, read_responses, request

COST_S = 0.004
PAUSE_S = COST_S * (1 / SHARE - 1)
A_MOMENT_S = 0.0001
SCRAPE = request(b"GET /metrics HTTP/1.1")
PROBE = request(b"GET /livez HTTP/1.1")


class Desk:
    """Answers whatever it is asked, at the cost of `cost_s` of CPU time each."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.cost_s = COST_S
        self.paths: list[bytes] = []
        self.holds = False
        """Whether an answer waits for something in its middle."""
        self.wire = Harness(serve=self._serve)
        self.clock = self.wire.clock
        self.serve = in_turns(
            self._answer, lambda: Turns(self.clock.call_later, self.clock, lambda: self.spent_s)
        )

    async def _serve(self, client: Downstream) -> None:
        await self.serve(client)

    async def _answer(self, client: Downstream) -> None:
        self.paths.append(client.request.target.path)
        self.spent_s += self.cost_s
        while self.holds:
            await client.vigil.wake
            self.spent_s += self.cost_s
        client.send_page(page_for(404))

    def client(self, asked: bytes) -> MemoryClient:
        client = self.wire.client()
        client.send(asked)
        return client


def answers(client: MemoryClient) -> list[Response]:
    got = client.everything
    return read_responses(got, ["GET"] * got.count(b"HTTP/1.1 "))


def test_who_asks_now_and_then_does_not_wait() -> None:
    desk = Desk()
    client = desk.wire.client()
    for number in range(3):
        client.send(SCRAPE)
        assert len(answers(client)) == number + 1
        desk.clock.advance(PAUSE_S + A_MOMENT_S)


@pytest.mark.parametrize("connections", [1, MAX_WAITING])
def test_a_flood_gets_its_share_and_no_more(connections: int) -> None:
    desk = Desk()
    for _ in range(connections):
        desk.client(SCRAPE * 500)
    before = desk.spent_s
    desk.clock.advance(10.0)
    assert (desk.spent_s - before) / 10.0 == pytest.approx(SHARE, rel=0.15)


def test_who_came_first_is_served_first() -> None:
    desk = Desk()
    for number in range(4):
        desk.client(request(b"GET /%d HTTP/1.1" % number))
    assert desk.paths == [b"/0"]
    desk.clock.advance(4 * PAUSE_S)
    assert desk.paths == [b"/0", b"/1", b"/2", b"/3"]


def test_who_finds_a_full_line_is_told_to_come_again() -> None:
    desk = Desk()
    clients = [desk.client(SCRAPE) for _ in range(MAX_WAITING + 2)]
    (refused,) = answers(clients.pop())
    assert (refused.status, refused.headers["connection"]) == (503, "close")
    assert json.loads(refused.body)["error"]["code"] == "busy"
    desk.clock.advance(len(clients) * PAUSE_S)
    assert [len(answers(client)) for client in clients] == [1] * len(clients)


def test_probes_do_not_stand_in_line_with_scrapes() -> None:
    desk = Desk()
    for _ in range(MAX_WAITING + 1):
        desk.client(SCRAPE)
    assert len(answers(desk.client(PROBE))) == 1
    assert not answers(desk.client(request(b"GET /readyz/ping?verbose HTTP/1.1")))
    desk.clock.advance(PAUSE_S + A_MOMENT_S)
    assert desk.paths.count(b"/readyz/ping") == 1
    assert 2 * MAX_WAITING < MAX_CONNECTIONS  # both lines leave room for those who do not flood


@pytest.mark.parametrize("leave", [MemoryClient.reset, MemoryClient.end])
def test_who_leaves_the_line_costs_nothing(leave: object) -> None:
    assert callable(leave)
    desk = Desk()
    desk.client(SCRAPE)
    leaving, staying = desk.client(SCRAPE), desk.client(SCRAPE)
    leave(leaving)
    desk.clock.advance(PAUSE_S + A_MOMENT_S)
    assert len(answers(staying)) == 1
    assert len(desk.paths) == 2
    assert leaving.closed


def test_the_last_in_line_may_leave() -> None:
    desk = Desk()
    desk.client(SCRAPE)
    desk.client(SCRAPE).reset()
    desk.clock.advance(1.0)
    assert len(answers(desk.client(SCRAPE))) == 1


def test_to_wait_in_line_is_not_the_client_s_fault() -> None:
    desk = Desk()
    waiting = desk.client(SCRAPE[:5])
    desk.cost_s = 60.0
    desk.client(SCRAPE)
    waiting.send(SCRAPE[5:])
    desk.clock.advance(500.0)
    assert not answers(waiting)
    desk.clock.advance(100.0)
    assert answers(waiting)[0].status == 404


def test_all_parts_of_an_answer_count_and_its_waits_do_not() -> None:
    desk = Desk()
    desk.holds = True
    holding = desk.client(SCRAPE)
    desk.clock.advance(1.0)
    desk.holds = False
    holding.send(b"\r\n")  # wakes it
    assert len(answers(holding)) == 1
    next_one = desk.client(SCRAPE)
    desk.clock.advance(PAUSE_S - A_MOMENT_S)
    assert not answers(next_one)
    desk.clock.advance(2 * A_MOMENT_S)
    assert len(answers(next_one)) == 1


def test_a_bug_in_an_answer_counts_too() -> None:
    desk = Desk()

    async def fail(client: Downstream) -> None:
        desk.spent_s += COST_S
        raise ValueError("of ours")

    turns = Turns(desk.clock.call_later, desk.clock, lambda: desk.spent_s)
    desk.serve = in_turns(fail, lambda: turns)
    assert answers(desk.client(SCRAPE))[0].status == 500
    assert not answers(desk.client(SCRAPE))
