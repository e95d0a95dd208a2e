"""The waiting line of one upstream: who waits, in which order, and how many may.

Pure: it knows neither backends nor time. Lower classes come first, within a class whoever came
first; who had a turn in vain goes back to the old place. The order is HAProxy's priority class.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterator

from proxy.upstream.backend import Lease
from proxy.upstream.wanted import Wanted


def _does_nothing() -> bool:
    return False


class Waiter:
    """One request in line, or on its way there (`ticket` 0).

    When its turn has come, `lease` is set; `hopeless` is set instead when nothing is left that it
    could wait for, and `displaced` when one of a lower class has taken its place. Then `start` may
    do at once what needs no waiting: it runs inside of whoever has made room, so it raises nothing
    and resumes nobody. When it says that there is more to do, `wake` is called in the loop's next
    turn. `kind` is that of `wanted`.
    """

    __slots__ = (
        "displaced",
        "failure",
        "hopeless",
        "kind",
        "lease",
        "priority",
        "since",
        "start",
        "ticket",
        "wake",
        "wanted",
    )

    def __init__(
        self,
        priority: int,
        wanted: Wanted,
        wake: Callable[[], None],
        start: Callable[[], bool] = _does_nothing,
    ) -> None:
        self.priority = priority
        self.ticket = 0
        self.wanted = wanted
        self.wake = wake
        self.start = start
        """Returns whether all is done that can be done now."""
        self.lease: Lease | None = None
        self.hopeless = False
        self.displaced = False
        self.kind: Hashable = None
        self.since = 0.0
        """When its waiting began."""
        self.failure: Exception | None = None
        """What `start` has met with, for the coroutine that it has acted for."""

    def __lt__(self, other: "Waiter") -> bool:
        """Whether its turn comes first."""
        return (self.priority, self.ticket) < (other.priority, other.ticket)

    @property
    def answered(self) -> bool:
        """Whether its waiting is over."""
        return self.hopeless or self.displaced or self.lease is not None


class Line:
    """At most `max_waiting` waiters, in order."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self.longest = 0
        """The most that ever waited."""
        self.refused = 0
        """Requests that found it full."""
        self.waiters: list[Waiter] = []
        """All, in order; to be looked at only."""
        self._kinds: dict[Hashable, int] = {}
        """How many there are of each."""
        self._tickets = 0

    def __len__(self) -> int:
        return len(self.waiters)

    def __bool__(self) -> bool:  # or mypyc takes an empty one for true
        return len(self) > 0

    def __iter__(self) -> Iterator[Waiter]:
        """Go through a copy, in order: waiters may leave meanwhile."""
        return iter(self.waiters[:])

    @property
    def kinds(self) -> int:
        """How many kinds of wants there are in it."""
        return len(self._kinds)

    def make_room(self, newcomer: Waiter) -> Waiter | None:
        """Send the last one away if the line is full and it is of a higher class; return it.

        Or those that are to be served first would be the first that are refused in a rush.
        """
        waiters = self.waiters
        if len(waiters) < self.max_waiting or newcomer.ticket or not waiters:
            return None
        last = waiters[-1]
        if last.priority <= newcomer.priority:
            return None
        self.leave(last)
        self.refused += 1
        last.displaced = True
        self._tickets += 1
        newcomer.ticket = self._tickets  # which is let in, although the line may still be full
        return last

    def join(self, waiter: Waiter) -> bool:
        """Take a place, or one's old place again; False when the line is full for newcomers."""
        if len(self.waiters) >= self.max_waiting and not waiter.ticket:
            self.refused += 1
            return False
        if not waiter.ticket:
            self._tickets += 1
            waiter.ticket = self._tickets
        waiter.lease, waiter.hopeless, waiter.displaced = None, False, False
        waiter.kind = waiter.wanted.kind
        self._kinds[waiter.kind] = self._kinds.get(waiter.kind, 0) + 1
        waiters = self.waiters
        last = waiters[-1] if waiters else waiter
        if waiter.priority < last.priority or waiter.ticket < last.ticket:
            insort(waiters, waiter)
        else:  # mostly: one is the last to come
            waiters.append(waiter)
        self.longest = max(self.longest, len(waiters))
        return True

    def leave(self, waiter: Waiter) -> None:
        """Give up a place; somebody who is not in line has none."""
        is_first = bool(self.waiters) and self.waiters[0] is waiter  # mostly: it has its turn
        index = 0 if is_first else bisect_left(self.waiters, waiter)
        if index < len(self.waiters) and self.waiters[index] is waiter:
            del self.waiters[index]
            left = self._kinds.pop(waiter.kind) - 1
            if left:
                self._kinds[waiter.kind] = left
