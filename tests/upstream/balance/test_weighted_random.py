"""Chance: its odds, and that a busy one is left alone."""

import random
from collections import Counter
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.balance.weighted_random import RandomTwo, WeightedRandom, draw
from tests.upstream.balance.members import NOW, choose, picks, unhurried, weighted
from tests.upstream.balance.nginx_group import Group, Rotation, Server

COUNT = 1200


def is_near(hits: int, count: int, share: float) -> bool:
    """Whether so many of `count` are no surprise, at six standard deviations."""
    return abs(hits - count * share) < 6 * sqrt(count * share * (1 - share))


@pytest.mark.parametrize("algorithm", [WeightedRandom, RandomTwo])
def test_an_idle_group_is_used_by_weight(
    algorithm: type[WeightedRandom] | type[RandomTwo],
) -> None:
    counts = Counter(picks(algorithm(random.Random(7)), weighted(3, 1, 4), COUNT))
    assert is_near(counts["A"], COUNT, 3 / 8)
    assert is_near(counts["B"], COUNT, 1 / 8)


@pytest.mark.parametrize("algorithm", [WeightedRandom, RandomTwo])
def test_only_usable_ones_are_drawn(algorithm: type[WeightedRandom] | type[RandomTwo]) -> None:
    members = weighted(1, 5, 1)
    balance = algorithm(random.Random(7))
    assert set(picks(balance, members, 100, usable=members[::2])) == {"A", "C"}
    assert set(picks(balance, members, 10, usable=members[1:2])) == {"B"}


def test_slow_start_makes_a_backend_unlikely() -> None:
    members = weighted(1, 1)
    members[0].ramp = 0.25
    counts = Counter(picks(WeightedRandom(random.Random(7)), members, COUNT))
    assert is_near(counts["A"], COUNT, 0.2)


def test_the_less_busy_of_two() -> None:
    members = weighted(1, 1, 1)
    members[1].in_flight = 1
    counts = Counter(picks(RandomTwo(random.Random(7)), members, COUNT))
    assert "B" not in counts
    assert is_near(counts["A"], COUNT, 1 / 2)
    members[0].weight, members[0].in_flight = 4, 3  # 3/4 are less than 1
    members[2].in_flight = 2
    counts = Counter(picks(RandomTwo(random.Random(7)), members, COUNT))
    # C never; B only if A is not drawn: B and C in either order
    assert "C" not in counts
    assert is_near(counts["B"], COUNT, 1 / 6 * 1 / 5 * 2)


class Maximum(random.Random):
    """The largest numbers that there are."""

    def random(self) -> float:
        return 1 - 2**-53


def test_rounding_leads_to_nobody_else() -> None:
    members = weighted(*[1] * 10)
    for one in members:
        one.ramp = 0.1
    assert draw(members, Maximum()) is members[-1]
    assert draw(members[:1], Maximum()) is members[0]
    for one in members:
        one.weight = 0
    assert draw(members, Maximum()) in members


@unhurried
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(), st.data())
def test_of_two_no_choice_is_the_worst_of_all(
    given_weights: list[int], seed: int, data: st.DataObject
) -> None:
    members = weighted(*given_weights)
    for one in members:
        one.in_flight = data.draw(st.integers(0, 50))
    quotients = sorted(one.in_flight / one.weight for one in members)
    chosen = choose(RandomTwo(random.Random(seed)), members)
    assert chosen.in_flight / chosen.weight < quotients[-1] or quotients[-1] == quotients[-2]


@pytest.mark.nginx
def test_nginx_has_the_same_odds(tmp_path: Path) -> None:
    servers = [Server(3), Server(9, down=True), Server(1), Server(4, "unix")]
    with Group(tmp_path, "random;", servers) as group:
        theirs = Counter(group.ask()[0] for _ in range(COUNT))
        rotation = Rotation("random", group, random.Random(7))
        ours = Counter(rotation.ask(NOW)[0] for _ in range(COUNT))
    for counts in (ours, theirs):
        assert counts[1] == 0
        assert is_near(counts[0], COUNT, 3 / 8)
        assert is_near(counts[2], COUNT, 1 / 8)


@pytest.mark.nginx
def test_of_two_equals_nginx_takes_the_second(tmp_path: Path) -> None:
    """An intended difference: there, the heavier of two gets the smaller share."""
    with Group(tmp_path, "random two;", [Server(3), Server(1)]) as group:
        theirs = Counter(group.ask()[0] for _ in range(COUNT))
        rotation = Rotation("random-two", group, random.Random(7))
        ours = Counter(rotation.ask(NOW)[0] for _ in range(COUNT))
    assert is_near(theirs[0], COUNT, 1 / 4)
    assert is_near(ours[0], COUNT, 3 / 4)


@pytest.mark.nginx
def test_of_two_nginx_spares_the_busy_one_as_well(tmp_path: Path) -> None:
    """With two servers both are drawn: the second request of a pair goes to the idle one."""
    with Group(tmp_path, "random two;", [Server(), Server(kind="unix")]) as group:
        rotation = Rotation("random-two", group, random.Random(7))
        for number in range(20):
            busy = group.hold(b"%d" % number)
            rotation.backends[busy].in_flight = 1
            idle = group.ask()[0]
            assert idle != busy
            assert rotation.choose(NOW).name == str(idle)
            group.release(b"%d" % number)
            rotation.backends[busy].in_flight = 0
