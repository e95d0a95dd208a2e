"""What the admin endpoints ask, put to all workers: the twin of `proxy.control.members.Local`.

A worker that hangs must not hang whoever asks: after `ANSWER_S` there are the answers that there
are. Metrics are never missing: of a worker that does not answer they are those of its last report,
and of one that has ended what it had counted stays, so no counter ever goes back. The supervisor
adds its own, which show who did not answer. A command is remembered for workers to come.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import Metric

from proxy.clock import CallLater
from proxy.control.members import Answer, Done, Question
from proxy.fleet.commands import Commands
from proxy.fleet.member import Member
from proxy.telemetry.catalogue import WORKER_RESTARTS, WORKER_UP
from proxy.telemetry.exposition import Plain, from_plain, merge, remains, to_plain
from proxy.telemetry.family import add

ANSWER_S = 1.0
"""For all workers to answer."""

METRICS = {"ask": "metrics"}


class Panel:
    """See the module. `members` are the workers of the moment, by their numbers."""

    def __init__(self, workers: int, call_later: CallLater) -> None:
        self.members: dict[int, Member] = {}
        self._call_later = call_later
        self._commands = Commands()
        self._retired: list[Metric] = []
        self._starts = dict.fromkeys(range(workers), 0)
        self._answered = dict.fromkeys(range(workers), False)

    def join(self, member: Member) -> None:
        """A worker has been started, mostly in place of another: tell it what has been changed."""
        self.members[member.number] = member
        self._starts[member.number] += 1
        for command in self._commands:
            member.ask(command, _ignore)

    def leave(self, member: Member) -> None:
        """A worker has ended; its counts stay."""
        del self.members[member.number]
        self._answered[member.number] = False
        self._retired = merge([self._retired, remains(from_plain(member.numbers))])

    def ask(self, question: Question, done: Done) -> None:
        """Ask all that serve; see `proxy.control.members.Members`."""
        asked = [member for member in self.members.values() if member.serves]

        def end(got: dict[int, Answer]) -> None:
            if question == METRICS:
                done(self._add_up(got))
                return
            answers = list(got.values())
            if "do" in question and not all("error" in answer for answer in answers):
                self._commands.note(question)
            done(answers)

        _Inquiry(question, asked, self._call_later, end)

    def _add_up(self, got: dict[int, Answer]) -> list[Answer]:
        for member in self.members.values():
            member.numbers = got.get(member.number, member.numbers)
        self._answered.update((number, number in got) for number in self._answered)
        numbers: list[Plain] = [member.numbers for member in self.members.values()]
        return [*numbers, to_plain(self._retired), to_plain(self.collect())]

    def collect(self) -> Iterable[Metric]:
        """Return the supervisor's own metrics."""
        up, restarts = WORKER_UP.family(), WORKER_RESTARTS.family()
        for number, starts in self._starts.items():
            name = (str(number + 1),)
            add(up, name, float(self._answered[number]))
            add(restarts, name, max(0, starts - 1))
        return up, restarts


def _ignore(answer: Answer) -> None:
    """A backend that is gone by now cannot be changed."""


class _Inquiry:
    """One question to some workers: over when all have answered, or when time is up."""

    def __init__(
        self,
        question: Question,
        asked: Sequence[Member],
        call_later: CallLater,
        done: Callable[[dict[int, Answer]], None],
    ) -> None:
        self._missing = {member.number for member in asked}
        self._got: dict[int, Answer] = {}
        self._done = done
        self._is_over = False
        call_later(ANSWER_S, self._end)
        for member in asked:
            member.ask(question, lambda answer, number=member.number: self._take(number, answer))  # type: ignore[misc]
        if not asked:
            self._end()

    def _take(self, number: int, answer: Answer) -> None:
        self._missing.discard(number)
        self._got[number] = answer
        if not self._missing:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._done(dict(sorted(self._got.items())))
