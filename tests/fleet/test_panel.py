"""Questions to all workers: who answers, who does not, and what is known of those who are gone."""

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from proxy.control.limits import MAX_CONNECTIONS
from proxy.control.numbers import add_up, empty
from proxy.fleet.member import MAX_UNANSWERED
from proxy.fleet.panel import ANSWER_S, METRICS, Panel
from proxy.telemetry.catalogue import ATTEMPTS, SERVES
from proxy.telemetry.exposition import Plain, from_plain, merge, to_plain
from proxy.telemetry.family import add
from proxy.testing.fake_clock import FakeClock
from tests.fleet.pretend import PretendedChannel, make_member

TRIES = ATTEMPTS.name


class Fleet:
    """A panel of two workers that serve, and their channels."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.panel = Panel(2, self.clock.call_later, {"server": "whole"})
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

    def news(self, _0: Any, _1: Any) -> dict[str, Any]:
        """Ask as the page does; what workers answer, None for silence. Return the sum."""
        self.ask({"ask": "numbers"})
        for number, requests in enumerate((_0, _1)):
            if requests is not None:
                self.answer(number, {"numbers": counted(requests)})
        self.clock.advance(ANSWER_S)
        return add_up(one["numbers"] for one in self.answers[-1])

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


def counted(requests: int, *backends: str) -> dict[str, Any]:
    """Return the page's numbers of such a worker."""
    of = {"attempts": requests, "failures": 0, "first_byte": {}}
    return {**empty(), "requests": requests, "backends": dict.fromkeys(backends, of)}


DONE = {"backend": {"server": "b"}}

NOTHING = {"numbers": empty()}
"""What is known of those who have said nothing."""


def test_all_are_asked_and_all_answers_come_at_once() -> None:
    fleet = Fleet()
    fleet.ask({"ask": "overview"})
    fleet.answer(1, "one")
    assert fleet.answers == []
    fleet.answer(0, "zero")
    assert fleet.answers == [["zero", "one", NOTHING]]
    fleet.clock.advance(ANSWER_S)
    assert len(fleet.answers) == 1


def test_who_hangs_is_not_waited_for() -> None:
    fleet = Fleet()
    fleet.ask({"ask": "overview"})
    fleet.answer(1, "one")
    fleet.clock.advance(ANSWER_S)
    assert fleet.answers == [["one", NOTHING]]
    fleet.answer(0, "late")
    assert len(fleet.answers) == 1


def test_without_anybody_there_are_no_answers() -> None:
    fleet = Fleet()
    fleet.end(0)
    fleet.end(1)
    fleet.ask({"ask": "overview"})
    assert fleet.answers == [[NOTHING]]


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
        (command, (DONE, DONE)),
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
    fleet.answer(0, DONE)


def test_who_starts_while_something_is_changed_learns_it_too() -> None:
    fleet = Fleet()
    fleet.end(0)
    late, fleet.channels[0] = make_member(0)
    fleet.panel.join(late)  # it does not serve yet, so it is not asked
    command = {"do": "change", "upstream": "u", "backend": "b", "drain": True}
    fleet.ask(command)
    assert fleet.channels[0].sent == []
    fleet.answer(1, DONE)
    assert [message["value"] for message in fleet.channels[0].sent] == [command]
    assert len(fleet.channels[1].sent) == 1


def test_the_numbers_of_the_page_never_go_back_either() -> None:
    fleet = Fleet()
    assert fleet.news(3, 4)["requests"] == 7
    assert fleet.news(5, None)["requests"] == 9  # it hangs
    fleet.end(1)
    assert fleet.news(5, None)["requests"] == 9
    fleet.start(1)
    assert fleet.news(6, 1)["requests"] == 11


def test_one_that_ends_after_it_has_answered_counts_once() -> None:
    fleet = Fleet()
    fleet.scrape(_0=3, _1=4)
    for question, answer in (METRICS, numbers(5)), ({"ask": "numbers"}, {"numbers": counted(5)}):
        fleet.ask(question)
        fleet.answer(1, answer)
        fleet.end(1)
        fleet.start(1)
        fleet.clock.advance(ANSWER_S)
    families = merge(map(from_plain, fleet.answers[-2]))
    assert [one.samples[0].value for one in families if one.name == "requests"] == [8]
    assert add_up(one["numbers"] for one in fleet.answers[-1])["requests"] == 5
    assert fleet.scrape(_0=3, _1=0)["requests_total"] == 8


def of_backends(*names: str) -> Plain:
    """Return the metrics of a worker that has tried each of these backends once."""
    serves, attempts = SERVES.family(), ATTEMPTS.family()
    for name in names:
        add(serves, ("default", name), 1)
        add(attempts, ("default", name, "ok"), 1)
    return to_plain([serves, attempts])


def test_a_backend_that_nobody_knows_any_more_takes_its_series_along() -> None:
    fleet = Fleet()
    for _ in range(2):
        fleet.panel.members[0].take({"numbers": of_backends("a", "b")})
        fleet.panel.members[0].counts = counted(1, "a", "b")
        fleet.end(0)
        fleet.start(0)
    fleet.ask(METRICS)
    fleet.answer(0, of_backends("a"))
    fleet.answer(1, of_backends("a"))
    (family,) = (one for one in merge(map(from_plain, fleet.answers[-1])) if one.name == TRIES)
    assert {one.labels["backend"]: one.value for one in family.samples} == {"a": 4}
    assert fleet.news(0, 0)["backends"].keys() == {"a"}


def test_one_that_hangs_is_not_asked_for_ever() -> None:
    fleet = Fleet()
    for _ in range(2 * MAX_UNANSWERED):
        fleet.ask({"ask": "numbers"})
    assert len(fleet.channels[0].sent) == MAX_UNANSWERED
    fleet.ask({"do": "change"})
    assert len(fleet.channels[0].sent) == MAX_UNANSWERED + 1
    fleet.clock.advance(ANSWER_S)
    for message in fleet.channels[0].sent:
        fleet.panel.members[0].take({"answer": message["question"], "value": {}})
    fleet.ask({"ask": "numbers"})
    assert len(fleet.channels[0].sent) == MAX_UNANSWERED + 2


def test_as_many_can_ask_at_a_time_as_can_be_connected() -> None:
    fleet = Fleet()
    for _ in range(MAX_CONNECTIONS + 1):  # and the page's own pulse
        fleet.ask({"ask": "readiness"})
    for number, channel in fleet.channels.items():
        for message in list(channel.sent):
            answer = {"answer": message["question"], "value": {"able": 1}}
            fleet.panel.members[number].take(answer)
    assert [len(answers) for answers in fleet.answers] == [3] * (MAX_CONNECTIONS + 1)


def test_settings_are_those_of_the_whole() -> None:
    fleet = Fleet()
    fleet.ask({"ask": "settings"})
    assert fleet.answers == [[{"server": "whole"}]]
