"""What happened so far, in a few numbers, taken from the metrics that are counted anyway.

A request costs nothing more for being shown here. Numbers are plain dictionaries: they cross the
border of a process, are added up over all of them, and are compared with those of a second ago.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.tally import BackendTally

Buckets = Mapping[str, float]
"""A histogram: how many took at most so long, by the bound as Prometheus writes it."""

Numbers = dict[str, Any]


def of_backend(tally: BackendTally) -> Numbers:
    """Return the numbers of one backend."""
    failures = sum(tally.failures.values())
    return {
        "attempts": tally.good + failures,
        "failures": failures,
        "first_byte": dict(tally.first_bytes.cumulative()),
    }


def empty() -> Numbers:
    """Return the numbers of a process that has done nothing."""
    return {
        "requests": 0,
        "codes": {},
        "errors": {},
        "received_bytes": 0,
        "sent_bytes": 0,
        "duration": {},
        "backends": {},
    }


def add_up(several: Iterable[Numbers]) -> Numbers:
    """Return the numbers of several processes together."""
    return sum_trees([empty(), *several])


def sum_trees(several: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one tree with the sums of the numbers that are in the same place in others."""
    total: dict[str, Any] = {}
    for one in several:
        _add(total, one)
    return total


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value


# -- what has happened in between -----------------------------------------------------------------


def grown(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each count has grown; a process that began anew counts from nothing."""
    return {key: max(0.0, value - before.get(key, 0)) for key, value in after.items()}


def percentile(buckets: Buckets, share: float) -> float | None:
    """Return the time within which this share of the events was over; None if there were none.

    Within a bucket they are taken to be spread evenly, as Prometheus does. What lies behind the
    last bound counts as long as that.
    """
    rows = sorted((float(bound), count) for bound, count in buckets.items())
    total = rows[-1][1] if rows else 0.0
    if total <= 0:
        return None
    wanted = share * total
    lower, below = 0.0, 0.0
    for bound, count in rows:
        if count >= wanted and count > below:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = (bound if bound != float("inf") else lower), count
    return lower
