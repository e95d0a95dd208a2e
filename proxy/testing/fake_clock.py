"""Time that stands still until a test moves it, and the small part of an event loop that needs it.

Nothing here sleeps or runs in the background: what `call_soon` and `call_later` were given runs
when the test calls `settle` or `advance`, in order, in the test's own thread.
"""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

from proxy.clock import TICK_S, Deadlines

Callback = Callable[[], None]

MAX_ROUNDS = 10_000
"""Turns of `settle` after which it gives up: something is busy without getting anywhere."""

LATE_S = 2.5 * TICK_S
"""When this much more time has passed, a deadline has fired for certain (`proxy.clock.TICK_S`)."""


class FakeClock:
    """A clock (call it for the time), an event loop's timers, and `Deadlines` that obey both."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self.deadlines = Deadlines(start_s)
        self.sources: list[Callable[[], bool]] = []
        """Asked by `settle` for events of their own; each delivers one round and says whether
        there was any."""
        self._start = self._now = start_s
        self._ticks = 0
        self._soon: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = count()

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._now

    def call_soon(self, callback: Callback) -> None:
        """Run `callback` in the next turn, never at once."""
        self._soon.append(callback)

    def call_later(self, delay_s: float, callback: Callback) -> None:
        """Run `callback` when this much time has passed."""
        heapq.heappush(self._timers, (self._now + delay_s, next(self._order), callback))

    def settle(self) -> None:
        """Run until nothing is left to do at this moment.

        Raises:
            AssertionError: there is no end to it: a real loop would be at 100 % CPU.
        """
        for _ in range(MAX_ROUNDS):
            for _ in range(len(self._soon)):
                self._soon.popleft()()
            delivered = [deliver() for deliver in list(self.sources)]
            if not self._soon and not any(delivered):
                return
        raise AssertionError("busy without end: something is ready and nobody deals with it")

    def advance(self, seconds: float) -> None:
        """Let time pass; timers and the ticks of the deadlines come on the way, each in time."""
        self.settle()
        until = self._now + seconds
        while True:
            tick = self._start + (self._ticks + 1) * TICK_S
            timer = self._timers[0][0] if self._timers else tick
            if min(tick, timer) > until:
                break
            self._now = max(self._now, min(tick, timer))
            if timer <= self._now and self._timers:
                heapq.heappop(self._timers)[2]()
                self.settle()
            if tick <= self._now:
                self._ticks += 1
                if self.deadlines.expire(self._now):
                    self.settle()
        self._now = until
