"""Least time: averages, scores and turns, against sequences worked out by hand (rule 6.24)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.backend import Backend
from proxy.upstream.balance import Query, observe_times
from proxy.upstream.balance.least_time import LeastTime, header_time, last_byte_time
from tests.upstream.balance.members import NOW, choose, picks, unhurried, weighted

SOON = NOW.now


def timed(*header_ms: float) -> tuple[Backend, ...]:
    """Return equal backends with these averages, just taken."""
    members = weighted(*(1 for _ in header_ms))
    for one, average_ms in zip(members, header_ms, strict=True):
        observe_times(one, average_ms, average_ms, SOON)
    return members


def test_averages() -> None:
    (one,) = weighted(1)
    observe_times(one, 100.0, 300.0, 7.0)
    assert (one.header_ms, one.last_byte_ms, one.timed_at) == (100.0, 300.0, 7.0)
    observe_times(one, 200.0, 100.0, 9.0)
    assert (one.header_ms, one.last_byte_ms) == pytest.approx((105.0, 290.0))
    assert one.timed_at == 9.0


def test_either_average_decides() -> None:
    members = weighted(1, 1)
    observe_times(members[0], 100.0, 300.0, SOON)
    observe_times(members[1], 200.0, 250.0, SOON)
    assert picks(LeastTime(header_time), members, 2) == "AA"
    assert picks(LeastTime(last_byte_time), members, 2) == "BB"


def test_who_has_not_been_timed_yet_is_tried() -> None:
    assert picks(LeastTime(header_time), timed(50, 0), 2) == "BB"
    assert picks(LeastTime(header_time), weighted(1, 1), 4) == "ABAB"
    assert picks(LeastTime(header_time), weighted(1, 2), 4) == "BBBB"  # 20/1 and 20/2


def test_times_in_one_step_take_turns() -> None:
    assert picks(LeastTime(header_time), timed(20, 39.9), 4) == "ABAB"
    assert picks(LeastTime(header_time), timed(19.9, 20), 4) == "AAAA"
    assert picks(LeastTime(header_time), timed(61, 40), 4) == "BBBB"


def test_what_is_in_flight_counts_in_full() -> None:
    """With averages in the steps of 20 and 60 ms, idle ones would not share."""
    members = timed(10, 50)
    names = ""
    for _ in range(8):
        one = choose(LeastTime(header_time), members)
        one.in_flight += 1
        names += one.name
    # 20:60 40:60 60:60 (A's turn) 80:60 80:120 100:120 120:120 (B's turn) 120:180
    assert names == "AAABAABA"


def test_a_weight_divides() -> None:
    members = weighted(1, 3)
    observe_times(members[0], 30.0, 0.0, SOON)
    observe_times(members[1], 110.0, 0.0, SOON)
    assert picks(LeastTime(header_time), members, 4) == "BABB"  # 40/1 and 120/3
    observe_times(members[1], 600.0, 0.0, SOON)  # 134.5 ms, 140/3
    assert picks(LeastTime(header_time), members, 2) == "AA"


def test_slow_start_divides_too() -> None:
    members = timed(10, 30)
    members[0].ramp = 0.25
    assert picks(LeastTime(header_time), members, 2) == "BB"


def test_beyond_five_seconds_only_what_is_in_flight_counts() -> None:
    members = timed(60_000, 5001)
    assert picks(LeastTime(header_time), members, 4) == "ABAB"
    members[1].in_flight = 1
    assert picks(LeastTime(header_time), members, 2) == "AA"


def test_a_silent_one_gets_another_chance() -> None:
    """fail_timeout is 10 s: after 11 s of silence its average counts half, after 22 a quarter."""
    members = timed(100, 300)

    def at(seconds: float) -> str:
        observe_times(members[0], 100, 100, SOON + seconds)
        return choose(LeastTime(header_time), members, Query(SOON + seconds)).name

    assert at(10.9) == "A"
    assert at(11.0) == "A"  # 300 / 2 = 150, in the step of 160; the other one's is 120
    assert at(21.9) == "A"
    assert at(22.0) == "B"  # 300 / 4 = 75: 80
    assert at(22.0) == "A"  # one request, until it has told how it was
    observe_times(members[1], 80.0, 80.0, SOON + 23)
    assert members[1].header_ms == pytest.approx(289.0)
    assert at(33.9) == "A"


def test_a_silence_without_end_is_no_accident() -> None:
    members = timed(100, 300)
    assert picks(LeastTime(header_time), timed(100, 300), 2) == "AA"
    assert choose(LeastTime(header_time), members, Query(1e12)).name == "A"
    assert choose(LeastTime(header_time), members, Query(1e12)).name == "B"
    assert choose(LeastTime(header_time), members, Query(SOON - 5)).name == "A"


@unhurried
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 9), st.floats(0, 1e5)), min_size=1, max_size=6
    ),
    st.floats(0, 1e6),
)
def test_nobody_else_would_be_done_sooner(facts: list[tuple[int, int, float]], now: float) -> None:
    members = weighted(*(weight for weight, _, _ in facts))
    for one, (_, in_flight, average_ms) in zip(members, facts, strict=True):
        one.in_flight = in_flight
        one.header_ms = average_ms
        one.timed_at = now

    def score(one: Backend) -> float:
        step = min((int(one.header_ms) // 20 + 1) * 20, 5020)
        step = 5000 if one.header_ms >= 5001 else step
        return step * (1 + one.in_flight) / one.weight

    chosen = choose(LeastTime(header_time), members, Query(now))
    assert score(chosen) <= min(map(score, members)) * 1.000001
