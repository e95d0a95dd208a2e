"""From paired measurements to "more", "less", "alike" or "unclear", with an interval.

Pure. Rounds are pairs: in each of them A and B were measured one after the other. The estimate is
the median of all averages of two differences (Hodges and Lehmann), its interval comes from the
exact distribution of the signed ranks (Wilcoxon): no assumption but that differences scatter evenly
around their middle, nothing drawn by chance, and good from six pairs on. Ratios are differences of
logarithms.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

CONFIDENCE = 0.95
ALIKE = 0.05
"""A ratio that is surely within 5 % of one is called alike."""

Word = Literal["more", "less", "alike", "unclear"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference or a ratio of paired measurements."""

    value: float
    low: float
    high: float
    confidence: float
    """Of the interval, reached exactly; below CONFIDENCE with fewer than six pairs."""
    pairs: int
    neutral: float = 0.0
    """Where there is no effect: 0 for differences, 1 for ratios."""

    @property
    def sure(self) -> bool:
        """Whether there were enough pairs to say anything."""
        return self.confidence >= CONFIDENCE

    def word(self, margin: float = ALIKE) -> Word:
        """Judge it. `margin` is what does not matter, on the scale of the estimate."""
        if abs(self.low - self.neutral) <= margin and abs(self.high - self.neutral) <= margin:
            return "alike" if self.sure else "unclear"
        if not self.sure or self.low <= self.neutral <= self.high:
            return "unclear"
        return "more" if self.low > self.neutral else "less"

    def beyond(self, margin: float = ALIKE) -> Literal["more", "less", ""]:
        """Return on which side surely all of it is outside of the margin; empty if it is not."""
        if self.sure and self.low > self.neutral + margin:
            return "more"
        return "less" if self.sure and self.high < self.neutral - margin else ""

    def to_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "value": self.value, "low": self.low, "high": self.high,
            "confidence": self.confidence, "pairs": self.pairs,
        }  # fmt: skip

    @classmethod
    def from_json(cls, said: dict[str, Any], neutral: float = 0.0) -> Self:
        """Read what `to_json` wrote."""
        return cls(**said, neutral=neutral)


def difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Estimate b - a from pairs.

    Raises:
        ValueError: there are none, or not as many of the one as of the other.
    """
    return _estimate([y - x for x, y in zip(a, b, strict=True)])


def ratio(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Estimate b / a from pairs of positive numbers.

    Raises:
        ValueError: there are none, not as many of the one as of the other, or one is not positive.
    """
    logs = _estimate([math.log(y) - math.log(x) for x, y in zip(a, b, strict=True)])
    value, low, high = (math.exp(each) for each in (logs.value, logs.low, logs.high))
    return Estimate(value, low, high, logs.confidence, logs.pairs, 1.0)


def median(values: Iterable[float]) -> float:
    """Return the middle; 0 for none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _estimate(differences: Sequence[float]) -> Estimate:
    if not differences:
        raise ValueError("nothing to compare")
    count = len(differences)
    averages = sorted(
        (differences[i] + differences[j]) / 2 for i in range(count) for j in range(i, count)
    )
    skip, confidence = _rank(count)
    return Estimate(median(averages), averages[skip], averages[-1 - skip], confidence, count)


@lru_cache
def _rank(pairs: int) -> tuple[int, float]:
    """Return how many averages to leave out at each end, and the confidence that this gives.

    The sum of the positive ranks is at most k with probability `tail`; as many averages are left
    out as keeps both tails together within 1 - CONFIDENCE.
    """
    ways = [1] + [0] * (pairs * (pairs + 1) // 2)
    for rank in range(1, pairs + 1):
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    everything = 2**pairs
    skip, tail = 0, ways[0]
    while 2 * (tail + ways[skip + 1]) <= (1 - CONFIDENCE) * everything:
        skip += 1
        tail += ways[skip]
    return skip, 1 - 2 * tail / everything
