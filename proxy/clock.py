"""Deadlines, cheap enough to set one for every phase of every request.

A deadline that is met costs two dictionary operations: no timer, no look at the clock. There is one
queue for each length of time: within a queue the deadlines are in order by themselves, so to find
the ones that have passed is to look at the front. Time comes in with `expire` (seconds, monotonic):
the caller owns the clock, and a test can own the caller.
"""

from collections.abc import Callable
from typing import Protocol

CallLater = Callable[[float, Callable[[], None]], object]
"""An event loop's `call_later`: a delay in seconds, and what to call then."""

TICK_S = 0.1
"""How often `Deadlines.expire` is to be called. A deadline fires up to two ticks late, never early:
it counts from the tick behind the moment it was set."""


class Expirable(Protocol):
    """Something that can have one deadline at a time."""

    queue: "dict[Expirable, float] | None"
    """Set by `Deadlines`; None while no deadline is set."""

    def on_deadline(self) -> None:
        """Called once when the deadline has passed."""


class Deadlines:
    """All deadlines of a server. `now` is the time of the first tick."""

    def __init__(self, now: float) -> None:
        self._queues: dict[float, dict[Expirable, float]] = {}
        self._next_tick = now + TICK_S

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def arm(self, who: Expirable, seconds: float) -> None:
        """Set the deadline of `who` to `seconds` from now, instead of any it had."""
        if who.queue is not None:
            del who.queue[who]
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = {}
        queue[who] = self._next_tick + seconds
        who.queue = queue

    @staticmethod
    def disarm(who: Expirable) -> None:
        """Forget the deadline of `who`, if it has one."""
        if who.queue is not None:
            del who.queue[who]
            who.queue = None

    def expire(self, now: float) -> int:
        """Call `on_deadline` of everything whose time has come; return how many they were."""
        self._next_tick = now + TICK_S
        due = []
        for queue in self._queues.values():
            for who, when in queue.items():
                if when > now:
                    break
                due.append(who)
        for who in due:
            self.disarm(who)
        for who in due:
            if who.queue is None:  # else another's end was the begin of its next phase
                who.on_deadline()
        return len(due)
