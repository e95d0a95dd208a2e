"""Questions to all workers: who answers, who does not, and what is known of those who are gone."""

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from proxy.fleet.panel import ANSWER_S, METRICS, Panel
from proxy.telemetry.exposition import Plain, from_plain, merge, to_plain
from proxy.testing.fake_clock import FakeClock
from tests.fleet.pretend import PretendedChannel, make_member


class Fleet:
    """A panel of two workers that serve, and their channels."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.panel = Panel(2, self.clock.call_later)
        self.channels: dict[int, PretendedChannel] = {}
        self.answers: list[list[Any]] = []
        for number in range(2):
            self.start(number)

    def start(self, number: int) -> None:
        """Start a worker."""
        member, self.channels[number] = make_member(number)
        self.panel.join(member)
        member.take({"serving": True})

    def end(self, number: int) -> None:
        """Let it end."""
        self.panel.leave(self.panel.members[number])

    def ask(self, question: Any) -> None:
        """Ask all; the answers are the last of `answers` when they are there."""
        self.panel.ask(question, self.answers.append)

    def answer(self, number: int, value: Any) -> None:
        """Let a worker answer the last question."""
        question = self.channels[number].sent[-1]["question"]
        self.panel.members[number].take({"answer": question, "value": value})

    def scrape(self, **requests: int | None) -> dict[str, float]:
        """Ask for metrics; `_0` and `_1` are what the workers have counted, None is silence."""
        self.ask(METRICS)
        for name, count in requests.items():
            if count is not None:
                self.answer(int(name[1:]), numbers(count))
        self.clock.advance(ANSWER_S)
        families = merge(map(from_plain, self.answers[-1]))
        return {
            "".join((one.name.removeprefix("uwsgi_frontend_"), *one.labels.values())): one.value
            for family in families
            for one in family.samples
        }


def numbers(count: int) -> Plain:
    """Return the metrics of a worker that has served so many requests, and is at one."""
    counter = CounterMetricFamily("requests", "Served", count)
    return to_plain([counter, GaugeMetricFamily("running", "Now", 1)])


def test_all_are_asked_and_all_answers_come_at_once() -> None:
    fleet = Fleet()
    fleet.ask({"ask": "overview"})
    fleet.answer(1, "one")
    assert fleet.answers == []
    fleet.answer(0, "zero")
    assert fleet.answers == [["zero", "one"]]
    fleet.clock.advance(ANSWER_S)
    assert len(fleet.answers) == 1


def test_who_hangs_is_not_waited_for() -> None:
    fleet = Fleet()
    fleet.ask({"ask": "overview"})
    fleet.answer(1, "one")
    fleet.clock.advance(ANSWER_S)
    assert fleet.answers == [["one"]]
    fleet.answer(0, "late")
    assert len(fleet.answers) == 1


def test_without_anybody_there_are_no_answers() -> None:
    fleet = Fleet()
    fleet.end(0)
    fleet.end(1)
    fleet.ask({"ask": "overview"})
    assert fleet.answers == [[]]


def test_metrics_are_those_of_all() -> None:
    found = Fleet().scrape(_0=3, _1=4)
    assert (found["requests_total"], found["running"]) == (7, 2)
    assert (found["worker_up1"], found["worker_up2"]) == (1, 1)
    assert found["worker_restarts_total1"] == 0


def test_of_one_that_hangs_the_last_numbers_count_and_it_shows() -> None:
    fleet = Fleet()
    fleet.scrape(_0=3, _1=4)
    found = fleet.scrape(_0=5, _1=None)
    assert (found["requests_total"], found["running"]) == (9, 2)
    assert (found["worker_up1"], found["worker_up2"]) == (1, 0)


def test_no_counter_goes_back_when_one_dies() -> None:
    """What it was at is over; what it had counted stays, also when nobody has asked since."""
    fleet = Fleet()
    fleet.scrape(_0=3, _1=4)
    fleet.panel.members[1].take({"numbers": numbers(6)})
    fleet.end(1)
    found = fleet.scrape(_0=3)
    assert (found["requests_total"], found["running"]) == (9, 1)
    assert (found["worker_up2"], found["worker_restarts_total2"]) == (0, 0)
    fleet.start(1)
    found = fleet.scrape(_0=3, _1=1)
    assert (found["requests_total"], found["running"]) == (10, 2)
    assert (found["worker_up2"], found["worker_restarts_total2"]) == (1, 1)
    fleet.end(1)
    assert fleet.scrape(_0=3)["requests_total"] == 10


def test_who_is_started_later_learns_what_was_changed() -> None:
    fleet = Fleet()
    command = {"do": "change", "upstream": "u", "backend": "b", "drain": True}
    cases: tuple[tuple[dict[str, Any], tuple[Any, Any]], ...] = (
        (command, ({"backend": {}}, {"backend": {}})),
        ({**command, "backend": "nobody"}, ({"error": {}}, {"error": {}})),
        ({"ask": "overview"}, ({}, {})),
    )
    for question, answers in cases:
        fleet.ask(question)
        for number, answer in enumerate(answers):
            fleet.answer(number, answer)
    fleet.end(0)
    fleet.start(0)
    assert [message["value"] for message in fleet.channels[0].sent] == [command]
    fleet.answer(0, {"backend": {}})
