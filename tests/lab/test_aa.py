"""A/A: equal topologies compare as equal. A comparison that finds what is not there is worthless.

An alarm is a difference that is both sure and matters: the whole interval is more than MARGIN away
from one. In an A/A comparison both sides of a pair are exchangeable, since every second round goes
the other way about (but for how warm the one before has left the machine, for which there is the
margin). So the interval misses one in at most 5 of 100 comparisons, however noisy the machine is,
and an alarm is rarer than that. A try looks at four comparisons, so there is one in less than 20 of
100 tries; one try of TRIES without an alarm is enough, so this fails without a cause in less than 2
of 1,000 runs. A bias in the method is in every try, so it is found all the same.
"""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from proxy.lab.comparison import Comparer
from proxy.lab.effort import Effort
from proxy.lab.report.statistics import Estimate, ratio
from proxy.lab.report.verdict import AGAIN
from tests.lab.needs import installed

MARGIN = 0.10
TRIES = 4
ROUNDS = 10


def alarms(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Return those that say surely that something differs, and by more than the margin."""
    return [
        each
        for each in estimates
        if each.sure and (each.low > 1 + MARGIN or each.high < 1 / (1 + MARGIN))
    ]


@pytest.mark.soak
@pytest.mark.parametrize("name", ["proxy-uwsgi", "uwsgi-direct"])
def test_equal_topologies_compare_as_equal(name: str, tmp_path: Path) -> None:
    """Two stands of the same topology, and one stand measured twice, with real servers."""
    effort = Effort(rounds=ROUNDS, others=ROUNDS, seconds=0.5)
    comparer = Comparer(effort=effort, installed=installed())
    found: list[list[Estimate]] = []
    for _ in range(TRIES):
        made = comparer.compare(name, name, "kept")
        assert sum(made.failed.values()) == 0
        estimates = [
            made.report.ratio("kept", made.a, other, value)
            for other in (made.b, AGAIN)
            for value in ("p50_us", "cpu_us")
        ]
        judged = [each for each in estimates if each is not None]
        assert [each.pairs for each in judged] == [ROUNDS] * 4
        found.append(alarms(judged))
        if not found[-1]:
            return
    pytest.fail(f"each of {TRIES} tries found differences between {name} and itself: {found}")


def made_up(bias: float, rng: random.Random) -> Estimate:
    """Compare two sides with a noise of 10 %, and with an outlier here and there."""

    def value() -> float:
        return float(rng.lognormvariate(0, 0.1) * (3.0 if rng.random() < 0.1 else 1.0))

    return ratio([value() for _ in range(ROUNDS)], [bias * value() for _ in range(ROUNDS)])


def test_false_alarms_are_as_rare_as_is_said_and_true_ones_come() -> None:
    rng = random.Random(1)
    count = 1000
    false = sum(bool(alarms([made_up(1.0, rng)])) for _ in range(count))
    sure = sum(made_up(1.0, rng).word(0.0) in ("more", "less") for _ in range(count))
    assert sure <= 0.05 * count + 3 * (0.05 * 0.95 * count) ** 0.5  # three standard deviations
    assert false < sure
    assert sum(bool(alarms([made_up(2.0, rng)])) for _ in range(100)) > 80
    assert sum(bool(alarms([made_up(0.5, rng)])) for _ in range(100)) > 80
