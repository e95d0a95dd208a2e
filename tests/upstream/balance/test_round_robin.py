"""Round robin: nginx's sequence, exact shares, and what failures and slow start do to them."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.balance.round_robin import RoundRobin, settle, take_turn
from tests.upstream.balance.members import NOW, picks, unhurried, weighted
from tests.upstream.balance.nginx_group import Group, Rotation, Server

weights = st.lists(st.integers(1, 20), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("given_weights", "sequence"),
    [((5, 1, 1), "AABACAA"), ((1, 1, 1), "ABC"), ((3, 1), "AABA"), ((7,), "A")],
)
def test_the_sequence(given_weights: tuple[int, ...], sequence: str) -> None:
    assert picks(RoundRobin(), weighted(*given_weights), 3 * len(sequence)) == 3 * sequence


def test_only_usable_ones_take_part() -> None:
    members = weighted(5, 1, 1)
    assert picks(RoundRobin(), members, 6, usable=members[1:]) == "BCBCBC"
    assert picks(RoundRobin(), members, 7) == "AABACAA"


def test_a_lowered_weight_grows_back_with_each_round() -> None:
    members = weighted(5, 1, 1)
    members[0].effective_weight = 0
    # Before each payment: 0 1 1, 1 0 2, 3 1 0, 2 2 1, 1 3 2, 6 -2 3.
    assert picks(RoundRobin(), members, 6) == "BCAABA"
    assert members[0].effective_weight == 5
    assert Counter(picks(RoundRobin(), members, 70)) == {"A": 50, "B": 10, "C": 10}


def test_slow_start_takes_from_the_share() -> None:
    members = weighted(4, 4)
    members[0].ramp = 0.25
    assert Counter(picks(RoundRobin(), members, 50)) == {"A": 10, "B": 40}
    assert members[0].effective_weight == 4


def test_nobody_waits_for_ever_at_the_begin_of_a_slow_start() -> None:
    members = weighted(1, 100)
    members[0].ramp = 0.1
    assert "A" in picks(RoundRobin(), members, 1002)


def test_a_single_one_needs_no_turn() -> None:
    members = weighted(3, 3)
    members[0].effective_weight = 1
    assert settle(members[:1]) is members[0]
    assert (members[0].effective_weight, members[0].current_weight) == (1, 0)
    assert settle(members) is members[1]


@unhurried
@given(weights, st.integers(1, 3))
def test_shares_are_exactly_the_weights(given_weights: list[int], rounds: int) -> None:
    members = weighted(*given_weights)
    counts = Counter(picks(RoundRobin(), members, rounds * sum(given_weights)))
    assert counts == {one.name: rounds * one.weight for one in members}
    assert [one.current_weight for one in members] == [0] * len(members)


@unhurried
@given(weights)
def test_it_is_smooth(given_weights: list[int]) -> None:
    """Nobody waits much longer for its next turn than its share says."""
    members = weighted(*given_weights)
    total = sum(given_weights)
    sequence = picks(RoundRobin(), members, 2 * total)
    for one in members:
        turns = [place for place, name in enumerate(sequence) if name == one.name]
        longest = max((after - before for before, after in pairwise(turns)), default=0)
        assert longest <= 2 * total / one.weight + 1


@unhurried
@given(weights, st.data())
def test_the_choice_is_usable(given_weights: list[int], data: st.DataObject) -> None:
    members = weighted(*given_weights)
    for one in members:
        one.effective_weight = data.draw(st.integers(0, one.weight))
        one.ramp = data.draw(st.floats(0.01, 1))
    for _ in range(10):
        usable = [one for one in members if data.draw(st.booleans())] or list(members)
        assert take_turn(usable) in usable


GROUPS = {
    "weights": [Server(5), Server(1), Server(1)],
    "more weights": [Server(2), Server(7), Server(4, "unix"), Server(2)],
    "equal": [Server(), Server(), Server(kind="unix")],
    "one down": [Server(2), Server(9, down=True), Server(3)],
    "dead ones": [Server(3, "refusing"), Server(5), Server(2, "missing"), Server(1)],
}


@pytest.mark.nginx
@pytest.mark.parametrize("servers", GROUPS.values(), ids=GROUPS.keys())
def test_it_is_nginx_s_sequence(tmp_path: Path, servers: list[Server]) -> None:
    with Group(tmp_path, "", servers) as group:
        ours = Rotation("round-robin", group, random.Random(1))
        for _ in range(60):
            assert ours.ask(NOW) == group.ask()


@pytest.mark.nginx
def test_failures_lower_a_weight_as_in_nginx(tmp_path: Path) -> None:
    servers = [Server(12, max_fails=4), Server(2), Server(3)]
    with Group(tmp_path, "", servers) as group:
        ours = Rotation("round-robin", group, random.Random(1))
        seen = []
        for number in range(90):
            failing = 0 if number in (3, 30, 31) else None
            theirs = group.ask(b"/fail/0" if failing == 0 else b"/")
            assert ours.ask(NOW, failing) == theirs
            seen.append(theirs)
        assert sum(len(tried) > 1 for tried in seen) >= 2  # or nothing was lowered
