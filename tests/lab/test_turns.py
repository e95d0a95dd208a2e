"""Each is measured behind each other equally often, and a steady drift has no part in the means."""

from collections import Counter
from itertools import pairwise

import pytest

from proxy.lab.turns import turn

SIZES = pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 9])


def names(count: int) -> list[str]:
    return [chr(ord("A") + number) for number in range(count)]


def cycle(count: int) -> list[list[str]]:
    """Return the rounds after which it begins again."""
    return [turn(names(count), at) for at in range(2 * count)]


def test_three() -> None:
    assert ["".join(each) for each in cycle(3)] == ["ABC", "CBA", "BCA", "ACB", "CAB", "BAC"]
    assert turn(names(3), 6) == turn(names(3), 0)


def test_two_take_turns_and_one_is_alone() -> None:
    assert ["".join(each) for each in cycle(2)] == ["AB", "BA", "BA", "AB"]
    assert [turn(["A"], at) for at in (0, 1, 2)] == [["A"]] * 3
    assert turn([], 1) == []


@SIZES
def test_everybody_is_in_every_round(count: int) -> None:
    assert all(sorted(each) == names(count) for each in cycle(count))


@SIZES
def test_each_comes_behind_each_other_equally_often(count: int) -> None:
    followers = Counter(pair for each in cycle(count) for pair in pairwise(each))
    assert len(followers) == count * (count - 1)
    assert set(followers.values()) == {2}


@SIZES
def test_a_steady_drift_is_the_same_for_all_after_two_rounds(count: int) -> None:
    for at in range(0, 2 * count, 2):
        first, second = turn(names(count), at), turn(names(count), at + 1)
        times = {name: first.index(name) + count + second.index(name) for name in first}
        assert len(set(times.values())) == 1
