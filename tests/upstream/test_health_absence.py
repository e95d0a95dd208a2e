"""A backend that nobody listens at: refused, or its socket is missing."""

from math import inf

import pytest

from proxy.upstream.health import MIN_RAMP, Outcome, State
from tests.upstream.test_health import ABSENT, BAD, BUSY, GOOD, NEUTRAL, make, request


def test_an_absent_backend_is_tried_again_soon_and_then_more_seldom() -> None:
    health = make(try_duration_s=10)
    now, delays = 100.0, []
    assert not request(health, ABSENT, now)
    for _ in range(6):
        assert health.state(now) is State.ABSENT
        assert not health.usable(now)
        delays.append(health.usable_at(now) - now)
        now += delays[-1]
        assert health.usable(now)
        request(health, ABSENT, now)
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1])
    assert health.absent_since == 100
    assert health.fails == 0


def test_one_trial_at_a_time() -> None:
    health = make(try_duration_s=10)
    request(health, ABSENT, 0)
    health.selected(1)
    assert not health.usable(60)
    assert health.usable_at(60) == inf
    health.observe(NEUTRAL, 60)
    assert health.usable(60)


def test_many_that_are_refused_at_once_are_one_absence() -> None:
    health = make(try_duration_s=10)
    for _ in range(50):
        health.selected(0)
    for _ in range(50):
        health.observe(ABSENT, 0)
    assert health.usable_at(0) == pytest.approx(0.1)


@pytest.mark.parametrize("outcome", [GOOD, BUSY])
def test_an_absence_ends_with_the_first_sign_of_life(outcome: Outcome) -> None:
    health = make(try_duration_s=10)
    request(health, ABSENT, 0)
    request(health, outcome, 1)
    assert health.absent_since is None
    assert health.state(1) is State.UP
    assert health.usable(1)
    request(health, ABSENT, 2)  # and the next one starts anew
    assert health.absent_since == 2
    assert health.usable_at(2) == pytest.approx(2.1)


def test_a_trial_that_fails_otherwise_is_nginxs_business() -> None:
    health = make(try_duration_s=10)
    request(health, ABSENT, 0)
    assert request(health, BAD, 1)
    assert health.absent_since is None
    assert health.state(1) is State.PAUSED
    assert health.usable_at(1) == 11


@pytest.mark.parametrize("outcome", [GOOD, BAD])
def test_what_was_begun_before_an_absence_says_nothing(outcome: Outcome) -> None:
    """A stopping instance refuses connections while its workers end, or drop, their requests."""
    health = make(try_duration_s=10)
    health.selected(0)
    request(health, ABSENT, 1)
    assert not health.observe(outcome, 1.01)
    assert health.absent_since == 1
    assert health.fails == 0


def test_absence_after_a_pause_takes_its_place() -> None:
    health = make(try_duration_s=10)
    request(health, BAD, 0)
    request(health, ABSENT, 11)
    assert health.state(11) is State.ABSENT
    assert health.usable(11.2)
    request(health, GOOD, 11.2)
    assert health.state(11.2) is State.UP


def test_an_absence_ends_a_slow_start() -> None:
    health = make(slow_start_s=20, try_duration_s=10)
    request(health, ABSENT, 0)
    request(health, GOOD, 1)
    request(health, ABSENT, 2)
    assert health.ramp(2) == 1
    request(health, GOOD, 50)
    assert health.ramp(50) == MIN_RAMP
