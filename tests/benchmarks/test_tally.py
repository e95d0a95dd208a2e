"""Percentiles by nearest rank, and outcomes by kind."""

import json

import pytest

from benchmarks.tally import GOOD, Tally, distribution_us, kind_of, percentile


def test_percentiles_are_values_that_occurred() -> None:
    hundred = [float(value) for value in range(1, 101)]
    assert [percentile(hundred, each) for each in (1, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([1.0, 2.0], 50) == 1.0
    assert percentile([1.0, 2.0], 51) == 2.0
    assert percentile([7.0], 0.1) == 7.0
    assert percentile([], 99) == 0.0


def test_distribution_sorts_and_converts() -> None:
    assert distribution_us([0.003, 0.001, 0.002]) == {
        "p50": 2000.0, "p95": 3000.0, "p99": 3000.0, "max": 3000.0,
    }  # fmt: skip
    assert set(distribution_us([]).values()) == {0.0}


@pytest.mark.parametrize(
    ("status", "kind"), [(200, GOOD), (204, GOOD), (299, GOOD), (304, "304"), (503, "503")]
)
def test_kinds_of_answers(status: int, kind: str) -> None:
    assert kind_of(status) == kind


def test_only_good_answers_have_a_latency() -> None:
    tally = Tally()
    tally.add(GOOD, 0.010, in_time=True, quick=True)
    tally.add(GOOD, 0.400, in_time=False, quick=False)
    tally.add("502", 0.001, in_time=True, quick=True)
    tally.add("502", 0.001, in_time=True, quick=True)
    tally.add("timeout", 20.0, in_time=False, quick=True)
    found = tally.report()
    assert found["in_time"] == 1
    assert found["outcomes"] == {GOOD: 2, "502": 2, "timeout": 1}
    assert (found["latency_us"]["p50"], found["latency_us"]["max"]) == (10_000, 400_000)
    assert found["quick_us"]["max"] == 10_000
    json.dumps(found)


def test_lateness_of_the_generator_is_kept() -> None:
    tally = Tally()
    tally.late_s.extend([0.001, 0.002])
    assert tally.report()["late_us"]["max"] == 2000
