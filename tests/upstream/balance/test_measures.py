"""Load, capacity, and who is lightest."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.balance.measures import capacity, lightest, load
from tests.upstream.balance.members import member, unhurried, weighted


def test_load_is_what_is_in_flight() -> None:
    backend = member()
    assert load(backend) == 0
    backend.in_flight = 3
    assert load(backend) == 3


def test_capacity_grows_with_slow_start() -> None:
    (backend,) = weighted(4)
    assert capacity(backend) == 4
    backend.ramp = 0.25
    assert capacity(backend) == 1


def test_the_lightest_are_returned_in_their_order() -> None:
    members = weighted(1, 2, 1, 4)
    loads = dict(zip(members, (1, 2, 2, 4), strict=True))
    assert [one.name for one in lightest(members, loads.__getitem__)] == ["A", "B", "D"]


def test_a_backend_in_slow_start_is_heavier() -> None:
    members = weighted(1, 1)
    for one in members:
        one.in_flight = 2
    members[0].ramp = 0.5
    assert [one.name for one in lightest(members, load)] == ["B"]


@unhurried
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 1000)), min_size=1, max_size=8))
def test_it_is_the_minimum_of_the_quotients(facts: list[tuple[int, int]]) -> None:
    members = weighted(*(weight for weight, _ in facts))
    for one, (_, in_flight) in zip(members, facts, strict=True):
        one.in_flight = in_flight
    quotients = [Fraction(one.in_flight, one.weight) for one in members]
    expected = [one for one, q in zip(members, quotients, strict=True) if q == min(quotients)]
    assert lightest(members, load) == expected


def test_requests_of_others_are_load_as_well() -> None:
    backend = member()
    backend.in_flight, backend.foreign = 3, 2
    assert load(backend) == 5
