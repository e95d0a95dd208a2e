"""Asking all processes: one that answers at once, and several that answer later or never."""

import pytest

from proxy import errors
from proxy.control.members import Answer, Done, Local, Question, answers_to
from proxy.errors import ClientGone, ProxyError
from proxy.testing.fake_clock import FakeClock
from proxy.waiting import Vigil


class Later:
    """Processes that answer when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, Done]] = []

    def ask(self, question: Question, done: Done) -> None:
        self.asked.append((question, done))


class Asker:
    """A coroutine that asks."""

    def __init__(self, members: Later | Local) -> None:
        self.clock = FakeClock()
        self.vigil = Vigil(self.clock.deadlines, self.clock)
        self.answers: list[Answer] | None = None
        self.error: BaseException | None = None
        self.members = members

    def begin(self) -> None:
        self.vigil.wake.start(self._run(), self._end)

    async def _run(self) -> None:
        question = {"ask": "overview"}
        self.answers = await answers_to(
            question, self.members, self.vigil, 2, errors.INTERNAL_ERROR
        )

    def _end(self, error: BaseException | None) -> None:
        self.error = error


def test_one_process_answers_at_once() -> None:
    asker = Asker(Local(lambda question: {"you asked": question["ask"]}))
    asker.begin()
    assert asker.answers == [{"you asked": "overview"}]


def test_others_answer_later() -> None:
    members = Later()
    asker = Asker(members)
    asker.begin()
    ((question, done),) = members.asked
    asker.vigil.wake()  # something else has happened
    assert (question, asker.answers) == ({"ask": "overview"}, None)
    done([1, 2])
    assert asker.answers == [1, 2]
    assert not len(asker.clock.deadlines)


def test_nobody_answers() -> None:
    members = Later()
    asker = Asker(members)
    asker.begin()
    asker.clock.advance(3)
    assert isinstance(asker.error, ProxyError)
    assert asker.error.reason is errors.INTERNAL_ERROR
    members.asked[0][1]([1])  # too late: nobody is waiting
    assert asker.answers is None


def test_the_client_leaves() -> None:
    members = Later()
    asker = Asker(members)
    asker.begin()
    asker.vigil.client_gone = True
    asker.vigil.wake()
    assert isinstance(asker.error, ClientGone)


@pytest.mark.parametrize("value", [None, [], {"a": [1]}])
def test_answers_are_passed_on_as_they_are(value: Answer) -> None:
    got: list[list[Answer]] = []
    Local(lambda question: value).ask({"ask": "anything"}, got.append)
    assert got == [[value]]
