"""Every algorithm that settings can name."""

import random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import Algorithm, BalanceSettings
from proxy.upstream.balance import Query, make_balance
from proxy.upstream.balance.least_time import LeastTime, header_time, last_byte_time
from tests.upstream.balance.members import NOW, picks, unhurried, weighted

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

KINDS = {
    "round-robin": "RoundRobin",
    "least-conn": "LeastConn",
    "least-time": "LeastTime",
    "least-time-last-byte": "LeastTime",
    "random": "WeightedRandom",
    "random-two": "RandomTwo",
    "ip-hash": "IpHash",
    "hash": "KeyHash",
    "consistent-hash": "ConsistentHash",
    "first": "First",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_has_its_own(algorithm: Algorithm) -> None:
    balance = make_balance(BalanceSettings(algorithm), random.Random(1))
    assert type(balance).__name__ == KINDS[algorithm]
    if isinstance(balance, LeastTime):
        slow_head, slow_end = weighted(1, 1)
        slow_head.header_ms, slow_end.last_byte_ms = 500, 500
        slow_head.timed_at = slow_end.timed_at = NOW.now
        expected = {"least-time": "B", "least-time-last-byte": "A"}[algorithm]
        assert picks(balance, (slow_head, slow_end), 1) == expected
    assert header_time is not last_byte_time


@pytest.mark.parametrize("algorithm", ["random", "random-two"])
def test_chance_is_the_caller_s(algorithm: Algorithm) -> None:
    sequences = {
        picks(make_balance(BalanceSettings(algorithm), random.Random(seed)), weighted(1, 1, 1), 40)
        for seed in (1, 1, 2)
    }
    assert len(sequences) == 2


@unhurried
@given(
    st.sampled_from(ALGORITHMS),
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 30), st.floats(0.01, 1.0), st.floats(0, 9000)),
        min_size=1,
        max_size=7,
    ),
    st.builds(Query, st.floats(0, 1e7), st.text(max_size=15), st.binary(max_size=9)),
    st.data(),
)
def test_any_of_them_returns_a_usable_member_and_changes_no_other_fact(
    algorithm: Algorithm,
    facts: list[tuple[int, int, float, float]],
    query: Query,
    data: st.DataObject,
) -> None:
    members = weighted(*(weight for weight, _, _, _ in facts))
    for one, (_, in_flight, ramp, average_ms) in zip(members, facts, strict=True):
        one.in_flight, one.ramp = in_flight, ramp
        one.header_ms = one.last_byte_ms = average_ms
    balance = make_balance(BalanceSettings(algorithm), random.Random(5))
    for _ in range(3):
        usable = [one for one in members if data.draw(st.booleans())] or list(members)
        assert balance.choose(members, usable, query) in usable
    for one, (weight, in_flight, ramp, average_ms) in zip(members, facts, strict=True):
        assert (one.weight, one.in_flight, one.ramp) == (weight, in_flight, ramp)
        assert (one.header_ms, one.last_byte_ms) == (average_ms, average_ms)
        assert one.effective_weight == weight
