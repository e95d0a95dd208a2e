"""What the admin endpoints ask, put to all workers: the twin of `proxy.control.members.Local`.

A worker that hangs must not hang whoever asks: after `ANSWER_S` there are the answers that there
are. What has been counted is never missing (`proxy.fleet.ledger`). The supervisor adds its own
metrics, which show who did not answer; the settings are the same for all, and it knows them whole.
A command is remembered for workers to come.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import Metric

from proxy.clock import CallLater
from proxy.control.members import Answer, Done, Question
from proxy.fleet.commands import Commands
from proxy.fleet.ledger import Ledger
from proxy.fleet.member import Member
from proxy.telemetry.catalogue import WORKER_RESTARTS, WORKER_UP
from proxy.telemetry.exposition import to_plain
from proxy.telemetry.family import add

ANSWER_S = 1.0
"""For all workers to answer."""

METRICS = {"ask": "metrics"}

_Got = dict[Member, Answer]
"""By who answered: a number may be another worker's by the time that all have."""


class Panel:
    """See the module. `members` are the workers of the moment, by their numbers."""

    def __init__(self, workers: int, call_later: CallLater, settings: Answer) -> None:
        """Begin without workers; `settings` is the answer to the question for them."""
        self.members: dict[int, Member] = {}
        self._call_later = call_later
        self._settings = settings
        self._commands = Commands()
        self._ledger = Ledger()
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
        self._ledger.retire(member)

    def ask(self, question: Question, done: Done) -> None:
        """Ask all that serve; see `proxy.control.members.Members`."""
        if question == {"ask": "settings"}:
            done([self._settings])
            return
        asked = [member for member in self.members.values() if member.serves]

        def end(got: _Got) -> None:
            if "do" in question:
                self._remember(question, asked, got)
                done(list(got.values()))
                return
            if self._all_serve:
                self._ledger.forget_gone(self.members.values())
            done(self._add_up(got) if question == METRICS else self._complete(got))

        _Inquiry(question, asked, self._call_later, end)

    @property
    def _all_serve(self) -> bool:
        serving = [one for one in self.members.values() if one.serves and one.numbers]
        return len(serving) == len(self._starts)

    def _add_up(self, got: _Got) -> list[Answer]:
        self._answered |= {one.number: one in got for one in self.members.values()}
        return [*self._ledger.families(self.members.values()), to_plain(self.collect())]

    def _complete(self, got: _Got) -> list[Answer]:
        """Return the answers of those that still run, and the numbers of all others."""
        members = self.members.values()
        answers = [answer for member, answer in got.items() if member in members]
        silent = [member for member in members if member not in got]
        return [*answers, {"numbers": self._ledger.unheard(silent)}]

    def _remember(self, command: Question, asked: Sequence[Member], got: _Got) -> None:
        """Take note of a command that was done, and tell those that were not there when it was."""
        done = [answer["backend"] for answer in got.values() if "backend" in answer]
        if done:
            self._commands.note(command, done[0]["server"])
            for member in self.members.values():
                if member not in asked:
                    member.ask(command, _ignore)

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
        done: Callable[[_Got], None],
    ) -> None:
        self._missing = set(asked)
        self._got: _Got = {}
        self._done = done
        self._is_over = False
        call_later(ANSWER_S, self._end)
        for member in asked:
            member.ask(question, self._taker(question, member))
        if not asked:
            self._end()

    def _taker(self, question: Question, member: Member) -> Callable[[Answer], None]:
        def take(answer: Answer) -> None:
            # At once: if it ends now, this is what it had counted.
            if question == METRICS:
                member.numbers = answer
            elif "numbers" in answer:
                member.counts = answer["numbers"]
            self._missing.discard(member)
            self._got[member] = answer
            if not self._missing:
                self._end()

        return take

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._done(dict(sorted(self._got.items(), key=lambda one: one[0].number)))
