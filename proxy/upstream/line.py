"""The waiting line of one upstream: who waits, in which order, and how many may.

Pure: it knows neither backends nor time. Lower classes come first, within a class whoever came
first; who had a turn in vain goes back to the old place. The order is HAProxy's priority class.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from proxy.upstream.backend import Lease
from proxy.upstream.wanted import Wanted


@dataclass(slots=True, order=True)
class Waiter:
    """One request in line, or on its way there (`ticket` 0).

    When its turn has come, `lease` is set and `wake` is called; `hopeless` is set instead when
    nothing is left that it could wait for. `kind` is that of `wanted`, which does not change while
    it is in line.
    """

    priority: int
    ticket: int
    wanted: Wanted = field(compare=False)
    wake: Callable[[], None] = field(compare=False)
    lease: Lease | None = field(compare=False, default=None)
    hopeless: bool = field(compare=False, default=False)
    kind: Hashable = field(compare=False, default=None)

    @property
    def answered(self) -> bool:
        """Whether its waiting is over."""
        return self.hopeless or self.lease is not None


class Line:
    """At most `max_waiting` waiters, in order."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self.longest = 0
        """The most that ever waited."""
        self.refused = 0
        """Requests that found it full."""
        self._waiters: list[Waiter] = []
        self._kinds: Counter[Hashable] = Counter()
        self._tickets = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        """Go through a copy, in order: waiters may leave meanwhile."""
        return iter(self._waiters[:])

    @property
    def kinds(self) -> int:
        """How many kinds of wants there are in it."""
        return len(self._kinds)

    def join(self, waiter: Waiter) -> bool:
        """Take a place, or one's old place again; False when the line is full for newcomers."""
        if len(self._waiters) >= self.max_waiting and not waiter.ticket:
            self.refused += 1
            return False
        if not waiter.ticket:
            self._tickets += 1
            waiter.ticket = self._tickets
        waiter.lease, waiter.hopeless = None, False
        waiter.kind = waiter.wanted.kind
        self._kinds[waiter.kind] += 1
        if self._waiters and waiter < self._waiters[-1]:
            insort(self._waiters, waiter)
        else:  # mostly: one is the last to come
            self._waiters.append(waiter)
        self.longest = max(self.longest, len(self._waiters))
        return True

    def leave(self, waiter: Waiter) -> None:
        """Give up a place; somebody who is not in line has none."""
        is_first = bool(self._waiters) and self._waiters[0] is waiter  # mostly: it has its turn
        index = 0 if is_first else bisect_left(self._waiters, waiter)
        if index < len(self._waiters) and self._waiters[index] is waiter:
            del self._waiters[index]
            self._kinds[waiter.kind] -= 1
            if not self._kinds[waiter.kind]:
                del self._kinds[waiter.kind]
