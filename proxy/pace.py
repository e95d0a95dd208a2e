"""X-Accel-Limit-Rate: how fast the application wants its reply to go out (nginx rule 4.39)."""

from proxy.clock import CallLater
from proxy.waiting import Vigil

MIN_PAUSE_S = 0.01
"""Between two writes: a slower beat for many bytes, not a faster one for few."""


class Pace:
    """A limit in bytes per second for one response; the first second's worth is free."""

    def __init__(self, bytes_per_s: int, vigil: Vigil, call_later: CallLater) -> None:
        self._rate = bytes_per_s
        self._vigil = vigil
        self._call_later = call_later
        self._begin = vigil.now()
        self._written = 0
        self._waiting = False

    @property
    def room(self) -> int:
        """How many bytes may be written now."""
        seconds = self._vigil.now() - self._begin + 1
        return max(int(self._rate * seconds) - self._written, 0)

    def wrote(self, size: int) -> None:
        """Count bytes that have been written."""
        self._written += size

    def wake_when_due(self) -> None:
        """Have the connection woken when there is room again."""
        if not self._waiting:
            self._waiting = True
            due_s = (self._written + 1) / self._rate - (self._vigil.now() - self._begin + 1)
            self._call_later(max(due_s, MIN_PAUSE_S), self._on_due)

    def _on_due(self) -> None:
        self._waiting = False
        self._vigil.wake()
