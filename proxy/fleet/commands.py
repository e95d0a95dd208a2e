"""What operators have changed while it runs, so that a worker that is started later knows it, too.

Commands of `proxy.control.commands`, in the order in which they were done. What is undone by a
later one is forgotten, so that to drain and enable a backend every night does not add up.
"""

from collections.abc import Iterator

from proxy.control.members import Question

MAX_COMMANDS = 1000
"""Remembered; then the oldest are forgotten."""


class Commands:
    """See the module."""

    def __init__(self) -> None:
        self._done: list[Question] = []

    def __iter__(self) -> Iterator[Question]:
        return iter(tuple(self._done))

    def note(self, command: Question) -> None:
        """A command was done."""
        if command["do"] == "change":
            earlier = self._take_change(command)
            command = {**earlier, **command}
        elif command["do"] == "remove":
            self._take_change(command)
        self._done = [*self._done, command][-MAX_COMMANDS:]

    def _take_change(self, command: Question) -> Question:
        """Take out what was changed at the same backend before, if anything was."""
        for earlier in self._done:
            if earlier["do"] == "change" and _place(earlier) == _place(command):
                self._done.remove(earlier)
                return earlier
        return {}


def _place(command: Question) -> tuple[str, str]:
    return command["upstream"], command["backend"]
