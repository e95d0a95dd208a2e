"""Latencies of many requests, as a histogram of bounded size and stated error.

HdrHistogram by its maintained Python library (extra `lab`): a value is kept to three digits, so a
percentile is wrong by at most 0.1 % or 1 us, whichever is more. Histograms of several rounds add
up, which percentiles do not, and a whole one fits in a report as a line of text.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

LONGEST_US: Final = 3_600_000_000
DIGITS: Final = 3
PERCENTS: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
CURVE: Final = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)
"""Percentages at which a plot draws the distribution."""

MISSING: Final = (
    "the lab needs the package hdrhistogram: pip install 'uwsgi-frontend[lab]', "
    "or pip install hdrhistogram"
)


class MissingPackage(Exception):
    """The optional package of the lab is not installed."""


class Latencies:
    """A histogram of microseconds."""

    def __init__(self, encoded: str = "") -> None:
        """Begin an empty one, or go on with one from `encode`.

        Raises:
            MissingPackage: hdrhistogram is not installed.
        """
        try:
            from hdrh.histogram import HdrHistogram
        except ImportError as error:
            raise MissingPackage(MISSING) from error
        made = HdrHistogram.decode(encoded) if encoded else HdrHistogram(1, LONGEST_US, DIGITS)
        self._histogram: Any = made

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """Return the histogram of latencies in seconds."""
        made = cls()
        record = made._histogram.record_value
        for each in seconds:
            record(min(max(round(each * 1e6), 1), LONGEST_US))
        return made

    @classmethod
    def sum(cls, encoded: Sequence[str]) -> Self:
        """Return the sum of several, as `encode` wrote them."""
        made = cls()
        for each in encoded:
            made._histogram.decode_and_add(each)
        return made

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def percentile_us(self, percent: float) -> float:
        """Return the value that `percent` of all are not above; 0 for none."""
        return float(self._histogram.get_value_at_percentile(percent)) if len(self) else 0.0

    def mean_us(self) -> float:
        """Return the mean; 0 for none."""
        return float(self._histogram.get_mean_value()) if len(self) else 0.0

    def max_us(self) -> float:
        """Return the largest; 0 for none."""
        return float(self._histogram.get_max_value()) if len(self) else 0.0

    def curve(self) -> list[tuple[float, float]]:
        """Return (percent, microseconds) along the distribution."""
        return [(percent, self.percentile_us(percent)) for percent in CURVE]

    def summary(self) -> dict[str, float]:
        """Return the usual percentiles, the mean and the maximum, in microseconds."""
        found = {f"p{percent:g}": self.percentile_us(percent) for percent in PERCENTS}
        return {**found, "mean": round(self.mean_us(), 1), "max": self.max_us()}

    def encode(self) -> str:
        """Return it as text, compressed; the standard form of HdrHistogram."""
        return str(self._histogram.encode().decode("ascii"))
