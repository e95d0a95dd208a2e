"""How many checks in a row decide: HAProxy's health counter, and when the next check is due.

One integer from 0 to rise + fall - 1; the backend is up from `rise` on. A good check adds one, and
arriving at `rise` it jumps to the top; a bad one takes one away, and falling below `rise` it drops
to 0. So `fall` bad ones in a row take a backend down that was firmly up, `rise` good ones in a row
bring it back, and in between one of the other kind starts the count anew.

Decides only: who checks, and what a good check is, is not known here.
"""

from random import Random

from proxy.settings import CheckSettings


class RiseFall:
    """One backend's counter. `up` is what is assumed of it before its first check.

    That first check decides at once, as in HAProxy: an assumption does not have to be outweighed.
    """

    __slots__ = ("_is_checked", "_rise", "_score", "_top")

    def __init__(self, rise: int, fall: int, up: bool) -> None:
        self._rise = max(1, rise)
        self._top = self._rise + max(1, fall) - 1
        self._score = self._rise if up else self._rise - 1
        self._is_checked = False

    @property
    def up(self) -> bool:
        """Whether requests may go there."""
        return self._score >= self._rise

    @property
    def settled(self) -> bool:
        """Whether it has been checked, and the last checks agree: no change is under way."""
        return self._is_checked and self._score in (0, self._top)

    def feed(self, good: bool) -> bool | None:
        """Count one check; return the new verdict if it has changed (true: up), else None."""
        before = self.up
        self._is_checked = True
        if good:
            self._score += 1
            if self._score >= self._rise:
                self._score = self._top
        else:
            self._score -= 1
            if self._score < self._rise:
                self._score = 0
        return self.up if self.up is not before else None

    def next_interval(self, settings: CheckSettings, rng: Random) -> float:
        """Return how long to wait for the next check, in seconds, with jitter to both sides."""
        if not self.settled:
            interval_s = settings.fast_interval_s
        elif self.up:
            interval_s = settings.interval_s
        else:
            interval_s = settings.down_interval_s
        spread = min(100, max(0, settings.jitter_percent)) / 100
        return interval_s * (1 + rng.uniform(-spread, spread))
