"""The processes that serve together, as the admin endpoints see them: ask all, get all answers.

Whatever the admin address shows or does goes through here, so that it is about all processes and
never about one of them at random. A question is a small value that JSON can carry:

    {"ask": "metrics"}       the metric families of a process (`proxy.telemetry`)
    {"ask": "overview"}      everything else that there is to see (`proxy.control.answers`)
    {"ask": "numbers"}       what has happened so far: a small part of it
    {"ask": "settings"}      in effect, without secrets
    {"ask": "readiness"}     what /readyz wants to know
    {"do": "drain", ...}     a command (`proxy.control.commands`)

So is each answer. What answers are about is known to whoever gives them and to whoever merges them,
not to who carries them. With one process there is nothing to carry: that is `Local`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from proxy.errors import ProxyError, Reason
from proxy.waiting import Vigil

Question = dict[str, Any]
"""Has either `ask` or `do`, and what belongs to it."""

Answer = Any
"""What JSON can carry."""

Done = Callable[[list[Answer]], None]
"""Gets the answers, one for each process that gave one."""

AnswerQuestion = Callable[[Question], Answer]
"""Answers for one process, at once; raises nothing. See `proxy.control.answers`."""


class Members(Protocol):
    """All processes that serve."""

    def ask(self, question: Question, done: Done) -> None:
        """Put a question to each process; call `done` once, with all answers that came in time.

        `done` may be called before this returns, or later from an I/O callback or a timer.
        """


class Local:
    """The only process: this one."""

    def __init__(self, answer: AnswerQuestion) -> None:
        self._answer = answer

    def ask(self, question: Question, done: Done) -> None:
        """Answer at once; see `Members`."""
        done([self._answer(question)])


async def answers_to(
    question: Question, members: Members, vigil: Vigil, timeout_s: float, late: Reason
) -> list[Answer]:
    """Ask all processes from within a connection's coroutine, and wait for their answers.

    Raises:
        ProxyError: with the reason `late`, when they took too long.
        ClientGone
    """
    got: list[list[Answer]] = []
    given_up = False

    def done(answers: list[Answer]) -> None:
        got.append(answers)
        if not given_up:
            vigil.wake()

    members.ask(question, done)
    if not got:
        vigil.arm(timeout_s)
    try:
        while not got:
            await vigil.wake
            if not got:
                vigil.check(late)
    except ProxyError:
        given_up = True
        raise
    finally:
        vigil.disarm()
    return got[0]
