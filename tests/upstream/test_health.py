"""A backend's health: nginx's accounting, rule by rule, and what is added to it."""

from math import inf

import pytest

from proxy.settings import Address, BackendSettings, HealthSettings
from proxy.upstream.health import MIN_RAMP, Change, Health, Outcome, State

GOOD, BAD, ABSENT, BUSY, NEUTRAL = Outcome


def make(
    max_fails: int = 1,
    fail_timeout_s: float = 10,
    *,
    slow_start_s: float = 0,
    try_duration_s: float = 0,
) -> Health:
    backend = BackendSettings(
        Address(), max_fails=max_fails, fail_timeout_s=fail_timeout_s, slow_start_s=slow_start_s
    )
    return Health(backend, HealthSettings(), try_duration_s)


def request(health: Health, outcome: Outcome, begins: float, ends: float | None = None) -> bool:
    """One request there; return whether it counted as a failure."""
    health.selected(begins)
    return health.observe(outcome, begins if ends is None else ends)


# -- nginx's rules --------------------------------------------------------------------------------


def test_one_failure_pauses_for_more_than_fail_timeout() -> None:
    """6.10: max_fails is 1, fail_timeout 10 s."""
    health = make()
    assert health.usable(0)
    assert request(health, BAD, 0)
    assert not health.usable(0)
    assert not health.usable(10)
    assert health.usable(10.01)
    assert health.state(10.01) is State.PAUSED  # until a probe has said otherwise


def test_max_fails_0_never_pauses() -> None:
    """6.10; the failures are still counted as such."""
    health = make(max_fails=0)
    assert all(request(health, BAD, 0) for _ in range(100))
    assert health.usable(0)
    assert health.state(0) is State.UP


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [(GOOD, False), (BAD, True), (ABSENT, True), (BUSY, False), (NEUTRAL, False)],
)
def test_what_counts_as_a_failure(outcome: Outcome, counts: bool) -> None:
    """6.11; without a try_duration, absence is a failure as any."""
    health = make()
    assert request(health, outcome, 0) is counts
    assert health.usable(0) is not counts


def test_failures_and_successes_in_turn_still_pause() -> None:
    """6.12: it is not a sliding window."""
    health = make(max_fails=3)
    for second in range(5):
        assert health.usable(second)
        request(health, BAD if second % 2 == 0 else GOOD, second)
    assert not health.usable(5)


def test_failures_far_apart_never_pause() -> None:
    """6.12: the success between them was chosen after fail_timeout, and wipes the slate."""
    health = make(max_fails=2)
    for second in range(0, 300, 11):
        assert health.usable(second)
        request(health, BAD if second % 2 == 0 else GOOD, second)


def test_one_request_probes_and_the_others_stay_away() -> None:
    """6.13"""
    health = make()
    request(health, BAD, 0)
    health.selected(11)
    assert not health.usable(11)
    assert not health.usable(21)
    health.observe(GOOD, 21)
    assert health.usable(21)
    assert health.state(21) is State.UP
    assert health.fails == 0


def test_a_probe_that_fails_pauses_again() -> None:
    """6.13; also with more than one failure allowed."""
    health = make(max_fails=2)
    request(health, BAD, 0)
    request(health, BAD, 0)
    request(health, BAD, 11, 15)
    assert not health.usable(25)
    assert health.usable(25.5)


def test_an_old_request_does_not_end_a_pause() -> None:
    """It was begun before the failure (6.12)."""
    health = make()
    health.selected(0)
    request(health, BAD, 1)
    health.observe(GOOD, 2)
    assert not health.usable(2)


@pytest.mark.parametrize("outcome", [BUSY, NEUTRAL])
def test_a_probe_that_says_nothing_is_given_to_the_next(outcome: Outcome) -> None:
    health = make()
    request(health, BAD, 0)
    request(health, outcome, 11)
    assert health.usable(11)
    assert health.state(11) is State.PAUSED
    health.selected(11)
    assert not health.usable(11)


@pytest.mark.parametrize("outcome", [BUSY, NEUTRAL])
def test_what_says_nothing_does_not_shorten_a_pause(outcome: Outcome) -> None:
    health = make()
    health.selected(0)
    request(health, BAD, 0)
    health.observe(outcome, 5)
    assert not health.usable(10)


def test_what_says_nothing_leaves_a_success_its_effect() -> None:
    """6.12: both were chosen long after the failure; one of them went well."""
    health = make(max_fails=2)
    request(health, BAD, 0)
    health.selected(11)
    request(health, NEUTRAL, 11)
    health.observe(GOOD, 11)
    assert health.fails == 0


def test_the_only_one_is_never_paused() -> None:
    """6.14"""
    health = make()
    health.alone = True
    assert not request(health, BAD, 0)
    assert health.usable(0)
    health.alone = False
    assert health.usable(0)
    request(health, BAD, 0)
    assert not health.usable(0)
    health.alone = True
    assert health.usable(0)
    assert health.state(0) is State.UP


def test_there_is_no_pardon_when_all_are_out() -> None:
    """6.15: time alone brings them back."""
    pool = [make(), make()]
    for health in pool:
        request(health, BAD, 0)
    assert [health.usable_at(4) for health in pool] == [10, 10]


@pytest.mark.parametrize(("weight", "max_fails", "penalty"), [(5, 1, 5), (5, 2, 2), (1, 3, 0)])
def test_the_price_of_a_failure(weight: int, max_fails: int, penalty: int) -> None:
    """6.17"""
    assert make(max_fails).penalty(weight) == penalty
    assert make(0).penalty(weight) == 0


# -- slow start -----------------------------------------------------------------------------------


def recovering(slow_start_s: float = 20, max_fails: int = 1) -> Health:
    """Back since 100 s after a pause."""
    health = make(max_fails, slow_start_s=slow_start_s)
    for _ in range(max_fails):
        request(health, BAD, 0)
    request(health, GOOD, 100)
    return health


def test_a_recovery_is_slow() -> None:
    health = recovering()
    states = [(health.ramp(now), health.state(now)) for now in (100, 101, 104, 110, 119, 120, 900)]
    assert [ramp for ramp, _ in states] == pytest.approx([0.1, 0.1, 0.2, 0.5, 0.95, 1, 1])
    assert [state for _, state in states] == [State.RECOVERING] * 5 + [State.UP] * 2
    assert health.usable(100)


def test_without_slow_start_a_recovery_is_at_once() -> None:
    health = recovering(slow_start_s=0)
    assert health.ramp(100) == 1
    assert health.state(100) is State.UP


def test_who_recovered_slowly_may_be_told_to_do_so_no_more() -> None:
    """As a file of backends does that is edited. It was a division by zero, at each look."""
    for now in (110, 900):
        health = recovering()
        health.adopt(BackendSettings(Address(), slow_start_s=0))
        assert health.state(now) is State.UP
        assert health.ramp(now) == 1


def test_never_at_start() -> None:
    health = make(slow_start_s=20)
    assert health.ramp(0) == 1
    request(health, GOOD, 0)
    assert health.ramp(0) == 1


def test_one_failure_while_it_recovers_is_enough() -> None:
    health = recovering(max_fails=3)
    request(health, BAD, 101)
    assert health.state(101) is State.PAUSED
    assert health.ramp(101) == 1
    request(health, GOOD, 112)
    assert health.ramp(112) == MIN_RAMP


def test_with_max_fails_0_failures_leave_a_slow_start_alone() -> None:
    health = make(0, slow_start_s=20, try_duration_s=10)
    request(health, ABSENT, 0)
    request(health, GOOD, 1)
    request(health, BAD, 11)
    assert health.state(11) is State.RECOVERING
    assert health.ramp(11) == 0.5


def test_every_way_back_is_slow() -> None:
    absent = make(slow_start_s=20, try_duration_s=10)
    request(absent, ABSENT, 0)
    request(absent, GOOD, 1)
    ejected = make(slow_start_s=20)
    ejected.eject(-29)
    down = make(slow_start_s=20)
    down.checked(False, 0)
    down.checked(True, 1)
    for health in (absent, ejected, down):
        assert health.state(11) is State.RECOVERING
        assert health.ramp(11) == 0.5
        health.alone = True  # the only one has nobody to leave requests to
        assert health.ramp(11) == 1


def test_back_during_an_ejection_starts_at_its_end() -> None:
    health = make(slow_start_s=20, try_duration_s=10)
    request(health, ABSENT, 0)
    health.selected(1)
    health.eject(1)
    health.observe(GOOD, 2)
    assert health.state(2) is State.EJECTED
    assert health.ramp(41) == 0.5


# -- checks and ejections -------------------------------------------------------------------------


def test_down_and_up_again_by_checks() -> None:
    health = make()
    health.checked(False, 0)
    assert health.state(0) is State.DOWN
    assert not health.usable(10_000)
    assert health.usable_at(10_000) == inf
    request(health, GOOD, 1)  # one that was under way
    assert health.state(1) is State.DOWN
    health.checked(True, 2)
    assert health.state(2) is State.UP


def test_assumed_to_be_down_until_the_first_check_is_no_recovery() -> None:
    health = make(slow_start_s=20)
    health.checked(False, 0, is_new=True)
    health.checked(False, 1)
    health.checked(True, 2)
    assert health.ramp(2) == 1
    health.checked(False, 3)
    health.checked(True, 4)
    assert health.ramp(4) == MIN_RAMP


def test_a_good_check_ends_whatever_else_held() -> None:
    health = make(try_duration_s=10)
    request(health, BAD, 0)
    health.checked(True, 1)
    assert health.state(1) is State.UP
    health.eject(1)
    health.checked(True, 2)
    assert health.state(2) is State.UP
    request(health, ABSENT, 2)
    health.checked(True, 3)
    assert health.state(3) is State.UP


def test_a_good_check_of_a_healthy_one_leaves_its_failures() -> None:
    health = make(max_fails=3)
    request(health, BAD, 0)
    health.checked(True, 1)
    assert health.fails == 1


def test_ejections_in_a_row_last_longer() -> None:
    health, now, lengths = make(), 0.0, []
    for _ in range(12):
        health.eject(now)
        assert not health.usable(now)
        assert health.state(now) is State.EJECTED
        lengths.append(health.ejected_until - now)
        now = health.ejected_until
        assert health.usable(now)
    assert lengths == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]


def test_good_intervals_shorten_the_next_ejection() -> None:
    health = make()
    health.eject(0)
    health.eject(1)  # it is already
    assert (health.ejections, health.ejected_until) == (1, 30)
    health.forgive(29)
    assert health.ejections == 1
    health.forgive(30)
    health.forgive(40)
    assert health.ejections == 0


def test_the_worst_that_holds_is_the_state() -> None:
    health = make(slow_start_s=20, try_duration_s=10)
    request(health, BAD, 0)
    assert health.state(0) is State.PAUSED
    request(health, ABSENT, 11)
    assert health.state(11) is State.ABSENT
    health.eject(11)
    assert health.state(11) is State.EJECTED
    health.checked(False, 12)
    assert health.state(12) is State.DOWN
    health.checked(True, 13)
    assert health.state(13) is State.RECOVERING
    assert health.state(33) is State.UP
    assert [state for state in State if state.is_healthy] == [State.UP, State.RECOVERING]


def test_changes_are_told_once() -> None:
    health = make(slow_start_s=20)
    assert health.news(0) is None
    assert health.changed_at is None
    request(health, BAD, 1)
    assert health.news(1) == Change(State.UP, State.PAUSED, 0)
    assert health.news(2) is None
    request(health, GOOD, 12)
    assert health.news(12) == Change(State.PAUSED, State.RECOVERING, 11)
    assert health.news(33) == Change(State.RECOVERING, State.UP, 21)
    assert health.changes == 3
    assert health.changed_at == 33
