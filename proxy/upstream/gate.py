"""How many requests a full listen queue leaves room for, learned by being turned away.

A unix socket whose listen queue is full says EAGAIN at once. That is not a failure: as many
requests as are in flight then fit in, and one more only when one of them has ended. So the gate
narrows to that number, and widens again by trials: one request more after a short random pause,
then two, then four, until nobody is turned away any longer and it is open.
"""

from math import inf
from random import Random

MIN_PAUSE_S = 0.005
MAX_PAUSE_S = 0.05
"""Between two trials: random between these, so that several front ends do not march in step."""

WIDEST_STEP = 512
"""A gate that has widened by this much at once, and still nobody was turned away, is open."""


CALM_S = 1.0
"""After so long without a trial being needed, what was learned is forgotten."""


class Gate:
    """One backend's. `limit` is the number of requests at a time; infinite while it is open."""

    __slots__ = ("_random", "_step", "limit", "retry_at")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._step = 1
        self.limit: float = inf
        self.retry_at: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it holds nobody back."""
        return self.limit == inf

    def narrow(self, in_flight: int, now: float) -> None:
        """Somebody was turned away, beside `in_flight` others that had got in."""
        self.limit = float(in_flight)
        self._step = 1
        self.retry_at = now + self._random.uniform(MIN_PAUSE_S, MAX_PAUSE_S)

    def admits(self, in_flight: int, now: float) -> bool:
        """Whether one more may try, beside `in_flight` others."""
        if in_flight < self.limit:
            return True
        if now < self.retry_at:
            return False
        self._widen(in_flight, now)
        return True

    def forget(self, in_flight: int, now: float) -> None:
        """Open if it has long held nobody back: what narrowed it may be over.

        To be called now and then; without it, a gate would stay narrow until the next rush.
        """
        # With nothing in flight nobody is held back by a limit of 0: nobody was there to ask.
        if (in_flight < self.limit or not in_flight) and now - self.retry_at > CALM_S:
            self.limit = inf

    def _widen(self, in_flight: int, now: float) -> None:
        if self._step > WIDEST_STEP:
            self.limit = inf
            return
        self.limit = float(in_flight + self._step)
        self._step *= 2
        self.retry_at = now + self._random.uniform(MIN_PAUSE_S, MAX_PAUSE_S)
