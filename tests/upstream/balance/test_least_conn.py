"""Least connections."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.balance.least_conn import LeastConn
from tests.upstream.balance.members import NOW, choose, picks, unhurried, weighted
from tests.upstream.balance.nginx_group import Group, Rotation, Server


def test_the_least_busy_one_is_next() -> None:
    members = weighted(1, 1, 1)
    for one, in_flight in zip(members, (2, 1, 3), strict=True):
        one.in_flight = in_flight
    assert picks(LeastConn(), members, 3) == "BBB"


def test_a_weight_makes_room() -> None:
    members = weighted(1, 4)
    names = ""
    for _ in range(10):
        one = choose(LeastConn(), members)
        one.in_flight += 1
        names += one.name
    assert [one.in_flight for one in members] == [2, 8]
    assert names == "BABBBBABBB"


def test_equals_take_turns() -> None:
    members = weighted(5, 1, 1)
    assert picks(LeastConn(), members, 7) == "AABACAA"


def test_slow_start_makes_a_backend_look_busier() -> None:
    members = weighted(1, 1)
    members[0].ramp = 0.25
    members[0].in_flight, members[1].in_flight = 1, 3
    assert picks(LeastConn(), members, 2) == "BB"
    members[1].in_flight = 5
    assert picks(LeastConn(), members, 2) == "AA"


@unhurried
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_nobody_else_has_more_room(facts: list[tuple[int, int]]) -> None:
    members = weighted(*(weight for weight, _ in facts))
    for one, (_, in_flight) in zip(members, facts, strict=True):
        one.in_flight = in_flight
    chosen = choose(LeastConn(), members)
    quotient = chosen.in_flight / chosen.weight
    assert all(quotient <= one.in_flight / one.weight for one in members)


@pytest.mark.nginx
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "servers",
    [
        [Server(), Server(), Server(kind="unix")],
        [Server(3), Server(1, "unix"), Server(2), Server(9, down=True)],
    ],
    ids=["equal", "weights"],
)
def test_it_chooses_as_nginx_does(tmp_path: Path, servers: list[Server], seed: int) -> None:
    rng = random.Random(seed)
    with Group(tmp_path, "least_conn;", servers) as group:
        ours = Rotation("least-conn", group, rng)
        held: list[tuple[bytes, int]] = []
        for number in range(60):
            if held and rng.random() < len(held) / 12:
                name, server = held.pop(rng.randrange(len(held)))
                group.release(name)
                ours.backends[server].in_flight -= 1
            name = b"%d" % number
            theirs = group.hold(name)
            chosen = ours.choose(NOW)
            assert chosen.name == str(theirs)
            chosen.in_flight += 1
            held.append((name, theirs))
