"""What became of many requests: outcomes counted by kind, latencies of the good ones kept.

Pure: no sockets, no clock. A kind is `2xx`, a status that is none (`502`), or a word for requests
without an answer (see `proxy.lab.load.engine`). Latencies are kept in full, 8 bytes
each, so percentiles are exact; the generator bounds how many requests it makes.
"""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

GOOD = "2xx"
PERCENTS = (50, 95, 99)


def kind_of(status: int) -> str:
    """Return the kind of an answer by its status."""
    return GOOD if 200 <= status < 300 else str(status)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all are not above (nearest rank); 0 for none.

    Args:
        ordered: in ascending order.
        percent: above 0, up to 100.
    """
    if not ordered:
        return 0.0
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def distribution_us(latencies_s: Sequence[float]) -> dict[str, float]:
    """Return the percentiles and the maximum of latencies in seconds, as microseconds."""
    ordered = sorted(latencies_s)
    found = {f"p{percent}": percentile(ordered, percent) for percent in PERCENTS}
    found["max"] = ordered[-1] if ordered else 0.0
    return {name: round(value * 1e6, 1) for name, value in found.items()}


class Tally:
    """Counts of one run."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.in_time = 0
        """Good answers that came before the end of the measured time."""
        self.latencies_s = array("d")
        """Of all good answers."""
        self.quick_latencies_s = array("d")
        """Of those among them that asked for little."""
        self.late_s = array("d")
        """By how much later than intended the requests were sent (open loop)."""

    def add(self, kind: str, latency_s: float, *, in_time: bool, quick: bool) -> None:
        """Count one request that has ended."""
        self.outcomes[kind] += 1
        if kind == GOOD:
            self.in_time += in_time
            self.latencies_s.append(latency_s)
            if quick:
                self.quick_latencies_s.append(latency_s)

    def report(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; times in microseconds."""
        return {
            "in_time": self.in_time,
            "outcomes": dict(sorted(self.outcomes.items())),
            "latency_us": distribution_us(self.latencies_s),
            "quick_us": distribution_us(self.quick_latencies_s),
            "late_us": distribution_us(self.late_s),
        }
