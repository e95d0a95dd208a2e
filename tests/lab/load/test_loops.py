"""Both loops against servers whose every delay is known: latencies are exact, stalls are seen."""

import itertools
import time
from dataclasses import replace
from typing import Literal

import pytest

from proxy import Frontend
from proxy.lab.load import loops
from proxy.lab.load.ask import Wanted
from proxy.lab.load.loops import Closed, Open, arrivals, loop_of
from proxy.lab.load.plan import Load, Plan
from proxy.testing import Delay, FakeBackend, Received, Send, Step
from tests.lab.fake import OK, answering, arithmetic

EVEN = Plan(1, loop="open", seconds=10.0, rate=100.0, arrivals="even")


def stalling(number: int) -> float:
    """A millisecond each, but the 500th takes a second."""
    return 1.0 if number == 500 else 0.001


def run(plan: Plan) -> Load:
    return loop_of(plan).run()


def test_known_delays_give_exact_percentiles_in_a_closed_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 90 % take 1 ms, 10 % take 20 ms.
    arithmetic(monkeypatch, lambda number: 0.020 if number % 10 == 9 else 0.001)
    load = run(Plan(1, clients=1, seconds=10.0))
    assert load.latency_us["p50"] == pytest.approx(1000, rel=0.001)
    assert load.latency_us["p90"] == pytest.approx(1000, rel=0.001)
    assert load.latency_us["p95"] == pytest.approx(20_000, rel=0.001)
    assert load.latency_us["mean"] == pytest.approx(2900, rel=0.01)
    assert load.outcomes == {"ok": load.sent}
    assert load.in_time == pytest.approx(10.0 / 0.0029, abs=2)


def test_known_delays_give_exact_percentiles_in_an_open_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arithmetic(monkeypatch, lambda number: 0.009 if number % 10 == 9 else 0.001)
    load = run(EVEN)
    assert load.sent == 1000
    assert load.latency_us["p50"] == pytest.approx(1000, rel=0.001, abs=1)
    assert load.latency_us["p99"] == pytest.approx(9000, rel=0.001, abs=1)
    assert load.late_us["max"] <= 2


def test_a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of the usual mistakes: a client that waits does not ask during the stall."""
    arithmetic(monkeypatch, stalling)
    closed = run(Plan(1, clients=1, seconds=10.0))
    arithmetic(monkeypatch, stalling)
    opened = run(EVEN)
    assert closed.latency_us["p99"] == pytest.approx(1000, rel=0.001)
    assert closed.latency_us["max"] == pytest.approx(1_000_000, rel=0.001)
    # 100 requests came during the second, and waited for what was left of it, and in line.
    assert opened.latency_us["p90"] > 1000
    assert opened.latency_us["p95"] == pytest.approx(550_000, rel=0.1)
    assert opened.latency_us["p99"] == pytest.approx(900_000, rel=0.1)


def test_a_late_generator_makes_latencies_longer_not_shorter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(loops, "FIRST_CONNECTIONS", 1)
    arithmetic(monkeypatch, stalling)
    load = run(EVEN)
    assert load.latency_us["p99"] == pytest.approx(900_000, rel=0.1)
    assert load.late_us["p99"] == pytest.approx(900_000, rel=0.1)
    assert load.service_us["p99"] == pytest.approx(1000, rel=0.001, abs=1)
    assert "late" in load.warnings[0]


def test_the_warm_up_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    arithmetic(monkeypatch, lambda number: 0.050 if number < 40 else 0.001)
    load = run(Plan(1, clients=1, seconds=1.0, warm_seconds=2.5))
    assert load.latency_us["max"] == pytest.approx(1000, rel=0.001)
    assert load.sent == pytest.approx(1000, abs=2)
    assert load.cpu_s == pytest.approx(0.1, rel=0.1)


def test_throughput_counts_answers_that_were_asked_for_in_the_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many clients at a slow server: each waits for long, and the server still does 100/s."""
    arithmetic(monkeypatch, lambda number: 0.01)
    load = run(Plan(1, clients=50, seconds=1.0, warm_seconds=1.0))
    assert load.in_time == pytest.approx(100, abs=1)


def test_arrivals_are_the_same_for_the_same_seed() -> None:
    plan = Plan(1, loop="open", rate=100.0, seed=3)
    first = list(arrivals(plan, 100.0))
    assert first == list(arrivals(plan, 100.0))
    assert first != list(arrivals(Plan(1, loop="open", rate=100.0, seed=4), 100.0))
    assert 9_500 <= len(first) <= 10_500  # 5 standard deviations
    assert first == sorted(first)
    assert 0 < first[0] < first[-1] < 100.0


@pytest.mark.parametrize("loop", ["open", "closed"])
def test_the_same_seed_asks_the_same_at_the_same_moments(
    loop: Literal["open", "closed"], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = tuple(Wanted(path) for path in ("/a", "/b", "/c"))

    def sent(seed: int) -> list[tuple[str, float]]:
        found = arithmetic(monkeypatch, lambda number: 0.004)
        run(Plan(1, loop=loop, clients=3, rate=200.0, seconds=1.0, seed=seed, requests=requests))
        return found

    first = sent(3)
    assert first == sent(3)
    assert [path for path, _ in first] != [path for path, _ in sent(4)]
    assert {path for path, _ in first} == {"/a", "/b", "/c"}
    assert len(first) > 100
    if loop == "open":
        assert [moment for _, moment in first] != [moment for _, moment in sent(4)]


def test_even_arrivals_and_bursts() -> None:
    even = list(arrivals(EVEN, 1.0))
    assert {round(b - a, 6) for a, b in itertools.pairwise(even)} == {0.01}
    plan = Plan(1, loop="open", rate=100.0, burst=10, arrivals="even")
    burst = list(arrivals(plan, 1.05))
    assert len(burst) == 100
    assert len(set(burst)) == 10


def test_the_most_requests_bound_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_REQUESTS", 10)
    arithmetic(monkeypatch, lambda number: 0.0001)
    assert run(Plan(1, clients=3, seconds=10.0)).sent == 10
    assert len(list(arrivals(EVEN, 100.0))) == 10


ANSWERS = {
    b"/ok": OK,
    b"/4": b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
    b"/5": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"/empty": b"",
    b"/bad": b"no HTTP at all\r\n\r\n",
}


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("loop", ["open", "closed"])
def test_every_outcome_is_counted_over_real_sockets(
    loop: str, keep_alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server counts what it is asked; the loads must have counted the same.

    They end with a number of requests, not by the clock: so all kinds come, whatever the machine.
    """
    monkeypatch.setattr(loops, "MOST_REQUESTS", 100)
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        path = head.split()[1]
        seen.append(path)
        return ANSWERS[path]

    plan_of = Closed if loop == "closed" else Open
    requests = tuple(Wanted(path.decode()) for path in ANSWERS)
    with answering(answer) as port:
        plan = Plan(
            port, clients=3, rate=200.0, seconds=1.0, keep_alive=keep_alive, requests=requests
        )
        load = plan_of(plan).run()
    count = {path: seen.count(path) for path in ANSWERS}
    assert load.sent == sum(load.outcomes.values())
    assert load.outcomes["ok"] == count[b"/ok"]
    assert load.outcomes["4xx"] == load.statuses["404"] == count[b"/4"]
    assert load.outcomes["5xx"] == load.statuses["500"] == count[b"/5"]
    assert load.outcomes["malformed"] == count[b"/bad"]
    # On a kept connection an empty answer is tried once more, so the server has seen it twice.
    assert load.outcomes["empty"] + load.retried == count[b"/empty"]
    if not keep_alive:
        assert load.retried == 0


def test_a_stall_of_a_real_backend_shows_in_the_open_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker, whose 20th request takes half a second; a front end keeps the others in line."""
    stall_s = 0.5

    def load_of(plan: Plan) -> Load:
        numbers = itertools.count()

        def script(request: Received) -> list[Step]:
            wait = [Delay(stall_s)] if next(numbers) == 20 else []
            return [*wait, Send(OK)]

        with FakeBackend(script) as backend:
            made = Frontend(upstream=f"{backend.address} max_conns=1")
            with made.in_thread() as frontend:
                return run(replace(plan, port=frontend.port))

    opened = load_of(Plan(0, loop="open", rate=50.0, seconds=1.0, arrivals="even"))
    assert set(opened.outcomes) == {"ok"}
    assert opened.latency_us["max"] >= stall_s * 1e6
    # 25 of the 50 came during the stall, and waited for what was left of it.
    assert opened.latency_us["p90"] >= 0.7 * stall_s * 1e6
    monkeypatch.setattr(loops, "MOST_REQUESTS", 60)  # and not by the clock: the stall is in it
    closed = load_of(Plan(0, clients=1, seconds=60.0))
    assert closed.sent == 60
    assert closed.latency_us["max"] >= stall_s * 1e6
    assert closed.latency_us["p90"] < 0.7 * stall_s * 1e6  # one of many, and so not in it


def test_real_sockets_add_little_to_a_known_delay() -> None:
    took: list[float] = []

    def answer(head: bytes) -> bytes:
        began = time.perf_counter()
        time.sleep(0.02)
        took.append(time.perf_counter() - began)
        return OK

    with answering(answer) as port:
        load = Open(Plan(port, loop="open", rate=40.0, seconds=0.5, seed=2)).run()
    took.sort()
    assert load.outcomes == {"ok": len(took)}
    # Never less than what the server took; above, only the machine decides.
    assert load.latency_us["p50"] >= took[(len(took) - 1) // 2] * 1e6 * 0.999 - 1
    assert load.latency_us["max"] >= took[-1] * 1e6 * 0.999 - 1
    assert load.service_us["p50"] <= load.latency_us["p50"] + 1
