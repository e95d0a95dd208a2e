"""What repeats is said a few times, then counted: a fault must not fill a disk.

Of each kind of line the first `burst` in a window of `WINDOW_S` pass; the others are counted, and
the count is told when the window is over.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)

WINDOW_S = 10.0
"""How long a window lasts; it begins with the first line of its kind."""

MAX_KINDS = 1024
"""Windows that are open at a time; when there are more kinds, the new ones share one."""


class _Window:
    __slots__ = ("end", "seen")

    def __init__(self, end: float) -> None:
        self.end = end
        self.seen = 0


class Repeats(Generic[Kind]):
    """The windows. `burst` is how many lines of a kind pass; 0 for all of them."""

    def __init__(self, burst: int) -> None:
        self._burst = burst
        # In the order of their ends: all windows last equally long.
        self._windows: dict[Kind | None, _Window] = {}

    def admit(self, kind: Kind, now: float) -> bool:
        """Whether a line of this kind is to be written."""
        if not self._burst:
            return True
        windows = self._windows
        key = kind if kind in windows or len(windows) < MAX_KINDS else None
        window = windows.get(key)
        if window is None:
            window = windows[key] = _Window(now + WINDOW_S)
        window.seen += 1
        return window.seen <= self._burst

    def due(self, now: float) -> list[tuple[Kind | None, int]]:
        """Close the windows that are over; return what was held back in them.

        A kind of None stands for all those that there was no room for.
        """
        held_back = []
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if window.end > now:
                break
            del self._windows[kind]
            if window.seen > self._burst:
                held_back.append((kind, window.seen - self._burst))
        return held_back
