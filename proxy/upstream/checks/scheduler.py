"""Which backend is due for its checks now. Decides only; time comes in, nothing waits here.

    waiting for its time ──due──► in line for a slot ──► running ──last one ends──► `plan`

All checks of a backend are one round: they begin together, as far as there are slots, and the
next round cannot begin before the last of them has ended, so none is ever doubled. Slots are given
in order of becoming due, to all backends alike.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from proxy.upstream.backend import Backend
from proxy.upstream.checks.probe import Check

MIN_GAP_S = 0.1
"""Between the begins of two rounds of a backend, whatever the settings say."""


class Job(NamedTuple):
    """One check that is to be made now. Has to be given back with `Scheduler.end`."""

    backend: Backend
    check: Check
    round: object
    """Whose round it belongs to, for the scheduler."""


@dataclass(slots=True, eq=False)
class _Round:
    """One backend's times; `left` checks of the running round have not ended."""

    checks: Sequence[Check]
    due: float
    began: float | None = None
    left: int = 0
    entry: int = 0  # the one in the heap that counts
    hurried: float | None = None  # hastened while it ran: the longest that `plan` may wait


class Scheduler:
    """See the module. At most `max_running` jobs are out at a time."""

    def __init__(self, max_running: int) -> None:
        self._free = max(1, max_running)
        self._rounds: dict[Backend, _Round] = {}
        self._heap: list[tuple[float, int, Backend]] = []
        self._entries = count(1)
        self._line: deque[tuple[Backend, _Round, Check]] = deque()

    def add(self, backend: Backend, checks: Sequence[Check], due: float) -> None:
        """Begin to check a backend, at the time `due`. There has to be a check."""
        entry = _Round(checks, due)
        self._rounds[backend] = entry
        self._push(backend, entry)

    def remove(self, backend: Backend) -> None:
        """Forget a backend. Jobs of it that are out still have to be given back."""
        self._rounds.pop(backend, None)

    def next_job(self, now: float) -> Job | None:
        """Return a check to make now; None when none is due or no slot is free."""
        self._open_rounds(now)
        while self._free and self._line:
            backend, entry, check = self._line.popleft()
            if self._rounds.get(backend) is entry:  # else it has been removed
                self._free -= 1
                return Job(backend, check, entry)
        return None

    def end(self, job: Job) -> bool:
        """Take a job back; true when it was the last of its round: `plan` the next one then."""
        self._free += 1
        entry = self._rounds.get(job.backend)
        if entry is None or entry is not job.round:
            return False
        entry.left -= 1
        return not entry.left

    def plan(self, backend: Backend, delay_s: float, now: float) -> None:
        """Set the next round to `delay_s` behind the begin of the last, or to now if that is past.

        A backend that was hastened meanwhile does not wait longer than that demanded.
        """
        entry = self._rounds[backend]
        assert entry.began is not None
        assert not entry.left
        if entry.hurried is not None:
            delay_s, entry.hurried = min(delay_s, entry.hurried), None
        entry.due = max(now, entry.began + max(MIN_GAP_S, delay_s))
        self._push(backend, entry)

    def hasten(self, backend: Backend, fast_s: float, now: float) -> None:
        """Let the next round begin at once, yet not sooner than `fast_s` behind the last begin."""
        entry = self._rounds.get(backend)
        if entry is None:
            return
        if entry.left:
            entry.hurried = fast_s
            return
        due = now if entry.began is None else max(now, entry.began + max(MIN_GAP_S, fast_s))
        if due < entry.due:
            entry.due = due
            self._push(backend, entry)

    def next_due(self) -> float | None:
        """Return when `next_job` may have something; None when only `end` can change that."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def _open_rounds(self, now: float) -> None:
        """Put all checks of the backends that are due in line."""
        while (due := self.next_due()) is not None and due <= now:
            _, _, backend = heapq.heappop(self._heap)
            entry = self._rounds[backend]
            entry.entry = 0
            entry.began = now
            entry.left = len(entry.checks)
            self._line.extend((backend, entry, check) for check in entry.checks)

    def _push(self, backend: Backend, entry: _Round) -> None:
        entry.entry = next(self._entries)
        heapq.heappush(self._heap, (entry.due, entry.entry, backend))

    def _drop_stale(self) -> None:
        while self._heap:
            _, number, backend = self._heap[0]
            entry = self._rounds.get(backend)
            if entry is not None and entry.entry == number:
                return
            heapq.heappop(self._heap)
