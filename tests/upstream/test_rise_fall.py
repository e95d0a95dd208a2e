"""The counter of checks, against plain statements about the last few; and when the next is due."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import CheckSettings
from proxy.upstream.rise_fall import RiseFall

counts = st.integers(1, 5)
results = st.lists(st.booleans(), max_size=40)


def history(counter: RiseFall, checks: str) -> str:
    """Feed `+` and `-`; return after each whether it is up (u, d), in capitals if it is settled."""
    out = ""
    for check in checks:
        before = counter.up
        verdict = counter.feed(check == "+")
        assert verdict is (counter.up if counter.up is not before else None)
        word = "u" if counter.up else "d"
        out += word.upper() if counter.settled else word
    return out


@pytest.mark.parametrize(
    ("rise", "fall", "up", "checks", "expected"),
    [
        (2, 3, True, "++", "UU"),
        (2, 3, True, "-", "D"),  # the first check decides
        (2, 3, False, "+", "U"),
        (2, 3, False, "-+-++", "DdDdU"),
        (2, 3, True, "+--+---", "UuuUuuD"),
        (2, 3, True, "+---+-+-", "UuuDdDdD"),
        (1, 1, True, "+-+-", "UDUD"),
        (1, 1, False, "-+", "DU"),
        (3, 1, True, "+-++-+++", "UDddDddU"),
        (0, 0, True, "+-+", "UDU"),  # as 1
    ],
)
def test_examples(rise: int, fall: int, up: bool, checks: str, expected: str) -> None:
    counter = RiseFall(rise, fall, up)
    assert counter.up is up
    assert not counter.settled
    assert history(counter, checks) == expected


@given(counts, counts, st.booleans(), results)
def test_so_many_in_a_row_decide(rise: int, fall: int, up: bool, checks: list[bool]) -> None:
    """After the first: up goes down when the last `fall` were bad, down up by `rise` good ones."""
    counter = RiseFall(rise, fall, up)
    expected, since = up, 0  # how many checks there were since the last change
    for number, good in enumerate(checks, 1):
        since += 1
        needed = fall if expected else rise
        last = checks[:number][-min(needed, since) :]
        contradicted = len(last) >= needed and not any(result is expected for result in last)
        if number == 1:
            contradicted = good is not expected
        verdict = counter.feed(good)
        assert verdict is ((not expected) if contradicted else None)
        if contradicted:
            expected, since = not expected, 0
        assert counter.up is expected
        assert counter.settled is (good is expected)


@given(counts, counts, st.booleans(), st.data())
def test_a_change_of_mind_starts_the_count_anew(
    rise: int, fall: int, up: bool, data: st.DataObject
) -> None:
    """However many there are of them, runs too short to decide change nothing."""
    counter = RiseFall(rise, fall, up)
    counter.feed(up)
    for _ in range(5):
        for _ in range(data.draw(st.integers(0, (fall if up else rise) - 1))):
            assert counter.feed(not up) is None
        assert counter.feed(up) is None
        assert counter.settled


def test_the_interval_depends_on_what_is_under_way() -> None:
    settings = CheckSettings(
        interval_s=5, fast_interval_s=1, down_interval_s=2, jitter_percent=0, rise=2, fall=3
    )
    counter, rng = RiseFall(2, 3, up=True), Random(1)
    intervals = [counter.next_interval(settings, rng)]
    for check in "+-+---+-":
        counter.feed(check == "+")
        intervals.append(counter.next_interval(settings, rng))
    assert intervals == [1, 5, 1, 5, 1, 1, 2, 1, 2]


@pytest.mark.parametrize(("percent", "spread"), [(10, 0.1), (100, 1), (1000, 1), (-5, 0)])
def test_jitter_goes_to_both_sides(percent: int, spread: float) -> None:
    counter, rng = RiseFall(2, 3, up=True), Random(7)
    settings = CheckSettings(fast_interval_s=10, jitter_percent=percent)
    intervals = [counter.next_interval(settings, rng) for _ in range(1000)]
    assert 10 * (1 - spread) <= min(intervals) <= 10 * (1 - 0.95 * spread)
    assert 10 * (1 + 0.95 * spread) <= max(intervals) <= 10 * (1 + spread)
    assert sum(intervals) / 1000 == pytest.approx(10, rel=0.05)
