"""The stated error of a percentile is kept; histograms add up and survive the way through text."""

import builtins
import random
from typing import Any

import pytest

from proxy.lab.load.latency import PERCENTS, Latencies, MissingPackage


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_exact_within_the_stated_error(seed: int) -> None:
    rng = random.Random(seed)
    values = sorted(rng.lognormvariate(-8, 2) for _ in range(3000))
    found = Latencies.of(values)
    for percent in PERCENTS:
        true_us = values[max(-(-len(values) * percent // 100), 1).__int__() - 1] * 1e6
        assert found.percentile_us(percent) == pytest.approx(true_us, rel=0.001, abs=1.0)
    assert found.mean_us() == pytest.approx(sum(values) / len(values) * 1e6, rel=0.001, abs=1.0)
    assert found.max_us() == pytest.approx(values[-1] * 1e6, rel=0.001)


def test_nothing_measured() -> None:
    empty = Latencies()
    assert len(empty) == 0
    assert set(empty.summary().values()) == {0.0}


def test_sum() -> None:
    one, other = Latencies.of([0.001] * 30), Latencies.of([0.1] * 10)
    both = Latencies.sum([one.encode(), other.encode()])
    assert len(both) == 40
    assert both.percentile_us(75) == pytest.approx(1000, rel=0.001)
    assert both.percentile_us(80) == pytest.approx(100_000, rel=0.001)
    assert Latencies(one.encode()).summary() == one.summary()


def test_extremes_are_kept_within_the_range() -> None:
    found = Latencies.of([0.0, 1e9])
    assert len(found) == 2
    assert found.percentile_us(50) == 1


def test_a_curve_rises() -> None:
    curve = Latencies.of(number / 1000 for number in range(1, 500)).curve()
    assert [us for _, us in curve] == sorted(us for _, us in curve)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("hdrh"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackage, match=r"pip install 'uwsgi-frontend\[lab\]'"):
        Latencies()
