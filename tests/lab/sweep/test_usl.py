"""The law is found again from points that it made, noise or not, and never has nonsense in it."""

import math
import random

import pytest

from proxy.lab.sweep.usl import Usl, fit

NUMBERS = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("contention", "coherence"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.002), (0.1, 0.001), (0.9, 0.0)]
)
def test_a_known_law_is_found_again(contention: float, coherence: float) -> None:
    law = Usl(120.0, contention, coherence, 0.0)
    found = fit([(n, law.at(n)) for n in NUMBERS])
    assert found is not None
    assert found.rate == pytest.approx(120, rel=1e-6)
    assert found.contention == pytest.approx(contention, abs=1e-6)
    assert found.coherence == pytest.approx(coherence, abs=1e-6)
    assert found.error < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_it_little(seed: int) -> None:
    rng = random.Random(seed)
    law = Usl(100.0, 0.08, 0.001, 0.0)
    found = fit([(n, law.at(n) * rng.uniform(0.97, 1.03)) for n in NUMBERS])
    assert found is not None
    assert found.error < 0.04
    assert found.at(16) == pytest.approx(law.at(16), rel=0.05)
    assert found.contention >= 0 <= found.coherence


def test_more_than_linear_is_taken_for_linear() -> None:
    found = fit([(1, 100.0), (2, 220.0), (4, 480.0)])
    assert found is not None
    assert (found.contention, found.coherence) == (0.0, 0.0)


def test_peaks_and_ceilings() -> None:
    assert Usl(100, 0.1, 0.0, 0).peak == math.inf
    assert Usl(100, 0.1, 0.0, 0).ceiling == pytest.approx(1000)
    assert Usl(100, 0.0, 0.0, 0).ceiling == math.inf
    law = Usl(100, 0.04, 0.01, 0)
    assert law.peak == pytest.approx(math.sqrt(96))
    assert law.ceiling == pytest.approx(law.at(law.peak))
    assert law.at(law.peak) > max(law.at(law.peak - 1), law.at(law.peak + 1))


def test_too_few_points() -> None:
    assert fit([(1, 10.0), (2, 20.0), (2, 21.0)]) is None
