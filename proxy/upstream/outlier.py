"""Which backends of a pool stand out by their failures, and are ejected for a while.

After Envoy's outlier detection, made fit for pools of two to eight sockets. Two things eject: so
many failures in a row, at once; and a share of failures within an interval, in the sweep at its
end. How long an ejection lasts, and what recovers from it, is `proxy.upstream.health`'s.

Unlike max_fails this looks at replies as well: an application that answers 500 to everything is
alive, but no good. Refuses to eject the last backend that works, and, after the first, more than
their permitted share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from proxy.settings import HealthSettings
from proxy.upstream.health import Health, Outcome

BAD_STATUSES = frozenset((500, 502, 503, 504))
"""Replies that count as failures."""


class Member(Protocol):
    """What is asked of a backend here. Members are told apart by identity."""

    @property
    def health(self) -> Health:
        """How it is doing."""

    @property
    def serves(self) -> bool:
        """Whether it is meant to get requests from anybody, however it is doing."""


def is_good(outcome: Outcome, status: int) -> bool | None:
    """Whether a request went well there; None if it says nothing. `status`: 0 without a reply."""
    if outcome is Outcome.BAD or outcome is Outcome.ABSENT:
        return False
    return status not in BAD_STATUSES if outcome is Outcome.GOOD else None


def panicking(usable: int, total: int, percent: int) -> bool:
    """Whether so few are usable that health is to be ignored: less than `percent` of them.

    1 means none at all (in pools of up to a hundred), 0 never.
    """
    return usable * 100 < percent * total


@dataclass(slots=True)
class _Tally:
    """What is known of one backend since the last sweep; `in_a_row` since its last success."""

    requests: int = 0
    failures: int = 0
    in_a_row: int = 0


class Outliers:
    """The comparison within one pool."""

    __slots__ = ("_rules", "_swept_at", "_tallies", "is_on")

    def __init__(self, rules: HealthSettings) -> None:
        self._rules = rules
        self._tallies: dict[Member, _Tally] = {}
        self._swept_at = -inf
        self.is_on = rules.outlier_failures > 0 or rules.outlier_percent > 0
        """Whether anything can eject at all; if not, nothing needs to be told here."""

    def observe(
        self, member: Member, good: bool | None, now: float, members: Sequence[Member]
    ) -> bool:
        """Count one request; return whether its backend, one of `members`, is ejected now.

        To be called after `Health.observe`: an absence that it treats in its own way is not counted
        here, and what is still in flight to an ejected backend says nothing new.
        """
        health = member.health
        if good is None or health.absent_since is not None or now < health.ejected_until:
            return False
        tally = self._tallies.get(member)
        if tally is None:
            tally = self._tallies[member] = _Tally()
        tally.requests += 1
        if good:
            tally.in_a_row = 0
            return False
        tally.failures += 1
        tally.in_a_row += 1
        limit = self._rules.outlier_failures
        return 0 < limit <= tally.in_a_row and self._eject(member, now, members)

    def sweep(self, members: Sequence[Member], now: float) -> list[Member]:
        """End an interval: eject by share, worst first; forgive the good. Return the ejected.

        May be called more often: before the end of an interval it does nothing.
        """
        rules, tallies = self._rules, self._tallies
        if now - self._swept_at < rules.outlier_interval_s:
            return []
        for gone in tallies.keys() - set(members):
            del tallies[gone]
        ejected = []
        if rules.outlier_percent > 0:
            for member in sorted(tallies, key=lambda m: -_share(tallies[m])):
                if self._stands_out(tallies[member]) and self._eject(member, now, members):
                    ejected.append(member)
        for member in members:
            health = member.health
            # A good interval is one that it spent in rotation, from the last sweep to this one.
            if health.ejected_until <= self._swept_at and health.state(now).is_healthy:
                health.forgive(now)
        for tally in tallies.values():
            tally.requests = tally.failures = 0
        self._swept_at = now
        return ejected

    def _stands_out(self, tally: _Tally) -> bool:
        rules = self._rules
        is_enough = tally.requests >= max(1, rules.outlier_min_requests)
        return is_enough and tally.failures * 100 >= rules.outlier_percent * tally.requests

    def _eject(self, member: Member, now: float, members: Iterable[Member]) -> bool:
        serving = [m for m in members if m.serves or m is member]
        ejected = sum(now < m.health.ejected_until for m in serving)
        limit_reached = (ejected + 1) * 100 > self._rules.max_ejected_percent * len(serving)
        if ejected and limit_reached:
            return False
        # One that is paused or absent may have a trial now; that is not what "works" means.
        if not any(m is not member and m.health.state(now).is_healthy for m in serving):
            return False
        member.health.eject(now)
        del self._tallies[member]  # a new life begins behind it
        return True


def _share(tally: _Tally) -> float:
    return tally.failures / tally.requests if tally.requests else 0.0
