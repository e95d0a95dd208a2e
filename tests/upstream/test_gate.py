"""What a full listen queue teaches: how many fit in, and how to find out when more do."""

from math import inf
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.gate import CALM_S, MAX_PAUSE_S, MIN_PAUSE_S, WIDEST_STEP, Gate


def test_it_is_open_until_somebody_is_turned_away() -> None:
    gate = Gate(Random(1))
    assert gate.is_open
    assert gate.admits(10**6, now=0.0)


def test_as_many_as_are_in_flight_fit_in() -> None:
    gate = Gate(Random(1))
    gate.narrow(5, now=10.0)
    assert not gate.is_open
    assert gate.admits(4, now=10.0)
    assert not gate.admits(5, now=10.0)
    assert 10.0 + MIN_PAUSE_S <= gate.retry_at <= 10.0 + MAX_PAUSE_S


def test_one_more_may_try_after_a_pause_and_only_one() -> None:
    gate = Gate(Random(1))
    gate.narrow(5, now=10.0)
    at = gate.retry_at
    assert gate.admits(5, at)
    assert not gate.admits(6, at)
    assert gate.retry_at >= at + MIN_PAUSE_S


def test_trials_that_go_well_grow_until_it_is_open() -> None:
    gate = Gate(Random(1))
    gate.narrow(0, now=0.0)
    in_flight, trials = 0, 0
    while not gate.is_open:
        assert gate.admits(in_flight, gate.retry_at)
        in_flight = int(gate.limit) if gate.limit != inf else in_flight
        trials += 1
    assert trials == WIDEST_STEP.bit_length() + 1
    assert in_flight == 2 * WIDEST_STEP - 1


def test_a_rush_that_is_over_is_forgotten() -> None:
    gate = Gate(Random(1))
    gate.narrow(5, now=10.0)
    calm = gate.retry_at + CALM_S
    gate.forget(4, calm)
    assert gate.limit == 5, "not yet"
    gate.forget(5, calm + 0.1)
    assert gate.limit == 5, "it is needed"
    gate.forget(4, calm + 0.1)
    assert gate.is_open


def test_what_was_learned_with_nothing_in_flight_is_forgotten_too() -> None:
    """Others had filled the listen queue. With its traffic gone it would stay narrow for ever."""
    gate = Gate(Random(1))
    gate.narrow(0, now=10.0)
    gate.forget(0, gate.retry_at + CALM_S)
    assert gate.limit == 0, "not yet"
    gate.forget(0, gate.retry_at + CALM_S + 0.1)
    assert gate.is_open


def test_a_trial_that_fails_begins_anew() -> None:
    gate = Gate(Random(1))
    gate.narrow(5, now=0.0)
    assert gate.admits(5, gate.retry_at)
    assert gate.admits(6, gate.retry_at)
    gate.narrow(5, gate.retry_at)
    assert gate.admits(5, gate.retry_at)
    assert not gate.admits(6, gate.retry_at - MIN_PAUSE_S / 2)


def test_the_pauses_differ() -> None:
    gate = Gate(Random(1))
    pauses = set()
    for _ in range(50):
        gate.narrow(1, now=0.0)
        pauses.add(gate.retry_at)
    assert len(pauses) == 50


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("narrow"), st.integers(0, 50)),
            st.tuples(st.just("ask"), st.integers(0, 50)),
            st.tuples(st.just("pass"), st.floats(0, 0.1)),
        )
    )
)
def test_below_the_limit_nobody_is_held_back(steps: list[tuple[str, float]]) -> None:
    gate, now = Gate(Random(1)), 0.0
    for what, value in steps:
        if what == "narrow":
            gate.narrow(int(value), now)
            assert not gate.admits(int(value), now)
        elif what == "pass":
            now += value
        else:
            limit, due = gate.limit, now >= gate.retry_at
            assert gate.admits(int(value), now) is (value < limit or due)
