"""The words for numbers."""

import pytest

from proxy.lab.report.statistics import difference, ratio
from proxy.lab.report.verdict import (
    AGAIN,
    Verdict,
    duration,
    errors,
    fails,
    fared,
    first_of,
    lost_percent,
    microseconds,
    probed,
    rows_of,
    served,
    times,
)
from tests.lab.made import report, row


def test_estimates() -> None:
    assert microseconds(difference([1.0] * 6, [3.0] * 6)) == "+2 us (+2 to +2, 97%, 6 pairs)"
    assert times(ratio([1.0] * 6, [2.0] * 6)) == "2.000 times (2.000 to 2.000, 97%, 6 pairs)"


@pytest.mark.parametrize(
    ("us", "text"), [(12.0, "0.012 ms"), (1500.0, "1.5 ms"), (2_000_000.0, "2 s")]
)
def test_durations(us: float, text: str) -> None:
    assert duration(us) == text


def test_rows() -> None:
    good = row("a", {"per_s": [10.0], "p99_us": [2000.0], "generator_cores": [0.5]})
    bad = row("b", {}, {"ok": 1, "reset": 3})
    again = row(AGAIN, {"per_s": [1.0]})
    made = report(hop=[good, bad, again])
    assert errors(good) == "no errors"
    assert errors(bad) == "3 reset"
    assert lost_percent(bad) == 75
    assert served(good).startswith("10/s (10 to 10)")
    assert fared(good) == "100 of 100 answered, p99 2 ms, no errors"
    assert "no answer at all" in fared(bad)
    assert rows_of(made, "hop") == [good, bad]
    assert first_of(made, "hop", ("c", "b")) == "b"
    assert first_of(made, "x", ("c", "b")) is None


def test_what_is_more_than_chance() -> None:
    """One in a hundred, and more than a few."""
    lost = {"few": (997, 3), "many": (990, 10), "two": (50, 2), "three": (50, 3), "none": (0, 0)}
    rows = [row(name, {}, {"ok": ok, "reset": bad}) for name, (ok, bad) in lost.items()]
    assert [each.topology for each in rows if fails(each)] == ["many", "three"]


def test_json() -> None:
    verdict = Verdict("k", "q?", "w", "a.", [("x", "1")])
    assert verdict.to_json()["numbers"] == [["x", "1"]]


def test_single_requests_are_counted_over_all_rounds() -> None:
    made = row("uwsgi-direct", {"crash:asked": [3.0, 3.0], "crash:ok": [1.0, 2.0]})
    assert (probed(made, "crash", "ok"), probed(made, "crash", "asked")) == (3.0, 6.0)
    assert probed(made, "crash", "answered") == 0
