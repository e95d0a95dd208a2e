"""Intervals hold what they promise; equal things are not told apart, unequal ones are."""

import random

import pytest

from proxy.lab.report import statistics
from proxy.lab.report.statistics import Estimate, difference, median, ratio


def test_known_values() -> None:
    found = difference([0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6])
    assert found.value == pytest.approx(3.5)
    # Six pairs: the whole range, with 1 - 2/64.
    assert (found.low, found.high) == (1, 6)
    assert found.confidence == pytest.approx(0.96875)
    assert found.word(0.1) == "more"
    assert difference([1, 2, 3, 4, 5, 6], [0] * 6).word(0.1) == "less"


def test_ratios() -> None:
    found = ratio([10.0] * 8, [20.0] * 8)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
    assert found.word() == "more"
    assert ratio([10.0] * 8, [10.2] * 8).word() == "alike"
    with pytest.raises(ValueError, match="math domain"):
        ratio([1.0], [0.0])


def test_too_few_pairs_say_nothing() -> None:
    found = ratio([10.0] * 5, [20.0] * 5)
    assert not found.sure
    assert found.word() == "unclear"
    assert ratio([10.0] * 5, [10.0] * 5).word() == "unclear"


def test_beyond_the_margin_is_all_of_it_and_surely() -> None:
    steady = [10.0, 10.1, 9.9, 10.2, 9.8, 10.0]
    assert ratio(steady, [2 * each for each in steady]).beyond() == "more"
    assert ratio(steady, [each / 2 for each in steady]).beyond() == "less"
    assert ratio(steady, [1.03 * each for each in steady]).beyond() == ""
    assert ratio(steady, [1.03 * each for each in steady]).beyond(0.01) == "more"
    assert difference(steady, [each + 1 for each in steady]).beyond() == "more"
    assert ratio(steady[:5], [2 * each for each in steady[:5]]).beyond() == ""


def test_noise_is_unclear_not_alike() -> None:
    rng = random.Random(1)
    a = [rng.lognormvariate(0, 0.5) for _ in range(8)]
    b = [rng.lognormvariate(0, 0.5) for _ in range(8)]
    assert ratio(a, b).word() == "unclear"


def test_nothing_and_not_paired() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        difference([], [])
    with pytest.raises(ValueError, match="shorter"):
        difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize("pairs", [6, 10, 15])
def test_the_interval_holds_the_truth_as_often_as_it_says(pairs: int) -> None:
    """Also for an A/A comparison (no effect), which is then told apart in 5 % at most."""
    rng = random.Random(pairs)
    held = 0
    for _ in range(1000):
        drift = [rng.uniform(50, 150) for _ in range(pairs)]  # the machine, for both alike
        a = [each + rng.gauss(0, 5) for each in drift]
        b = [each + rng.gauss(0, 5) for each in drift]
        found = difference(a, b)
        held += found.low <= 0 <= found.high
    assert held >= 1000 * (found.confidence - 0.025)


def test_drift_does_not_hide_a_paired_difference() -> None:
    rng = random.Random(3)
    drift = [rng.uniform(50, 500) for _ in range(10)]
    b = [each + 20 + rng.gauss(0, 2) for each in drift]
    found = difference(drift, b)
    assert found.word(1.0) == "more"
    assert found.low < 20 < found.high
    assert found.high - found.low < 8


def test_ranks_are_those_of_the_tables() -> None:
    # Critical values of the signed-rank test, two-sided 5 %.
    for pairs, critical in ((6, 0), (7, 2), (8, 3), (10, 8), (15, 25), (20, 52)):
        assert statistics._rank(pairs)[0] == critical


def test_median() -> None:
    assert (median([]), median([3, 1, 2]), median([4, 1, 2, 3])) == (0.0, 2, 2.5)


def test_there_and_back() -> None:
    found = Estimate(1.0, 0.5, 2.0, 0.97, 6, 1.0)
    assert Estimate.from_json(found.to_json(), 1.0) == found
