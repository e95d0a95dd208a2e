"""What operators have changed while it runs, so that a worker that is started later knows it, too.

Commands of `proxy.control.commands`, in the order in which they were done. What is undone by a
later one is forgotten, so that to drain and enable a backend every night does not add up, nor does
to add one and remove it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from proxy.control.members import Question

MAX_COMMANDS = 1000
"""Remembered; then the oldest are forgotten."""


class Commands:
    """See the module."""

    def __init__(self) -> None:
        self._done: dict[_About, Question] = {}

    def __iter__(self) -> Iterator[Question]:
        return iter(tuple(self._done.values()))

    def note(self, command: Question, backend: str) -> None:
        """A command was done; `backend` is the name of the one that it was about."""
        about = _About(command["do"], command["upstream"], backend)
        change = about._replace(do="change")
        if about.do == "change":
            command = {**self._done.pop(about, {}), **command}
        elif about.do == "remove":
            self._done.pop(change, None)
            if self._done.pop(about._replace(do="add"), None) is not None:
                return  # it was not there in the beginning
        self._done[about] = command
        while len(self._done) > MAX_COMMANDS:
            del self._done[next(iter(self._done))]


class _About(NamedTuple):
    """What a command is about; there is no sense in remembering two that are about the same."""

    do: str
    upstream: str
    backend: str
