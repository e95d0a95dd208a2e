"""The clock that tests move: order, exact times, and a sign when there is no end."""

from itertools import count

import pytest

from proxy.testing.fake_clock import LATE_S, MAX_ROUNDS, FakeClock
from tests.sleeper import Sleeper


def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(start_s=5.0)
    clock.settle()
    assert clock() == 5.0
    clock.advance(0.25)
    assert clock() == 5.25


def test_a_timer_fires_at_its_exact_time_and_in_order() -> None:
    clock = FakeClock(0.0)
    seen: list[tuple[str, float]] = []
    clock.call_later(2.0, lambda: seen.append(("b", clock())))
    clock.call_later(1.0, lambda: seen.append(("a", clock())))
    clock.call_later(2.0, lambda: seen.append(("c", clock())))
    clock.advance(1.999)
    assert seen == [("a", 1.0)]
    clock.advance(0.001)
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 2.0)]


def test_a_timer_may_set_another_that_fires_in_the_same_advance() -> None:
    clock = FakeClock(0.0)
    seen: list[float] = []

    def again() -> None:
        seen.append(clock())
        if len(seen) < 4:
            clock.call_later(0.5, again)

    clock.call_later(0.0, again)
    clock.advance(10.0)
    assert seen == [0.0, 0.5, 1.0, 1.5]


def test_call_soon_runs_with_the_next_settle_and_what_it_adds_too() -> None:
    clock = FakeClock()
    seen: list[str] = []
    clock.call_soon(lambda: clock.call_soon(lambda: seen.append("second")))
    clock.call_soon(lambda: seen.append("first"))
    assert not seen
    clock.settle()
    assert seen == ["first", "second"]


def test_a_deadline_fires_never_early_and_soon_after() -> None:
    clock = FakeClock()
    fired: list[float] = []
    sleeper = Sleeper(clock.deadlines, lambda: fired.append(clock()))
    clock.advance(0.03)
    sleeper.arm(60.0)
    clock.advance(60.0)
    assert not fired
    clock.advance(LATE_S)
    assert len(fired) == 1
    assert 1060.03 <= fired[0] <= 1060.03 + LATE_S


def test_sources_are_asked_until_they_have_nothing_left() -> None:
    clock = FakeClock()
    events = [1, 2, 3]
    clock.sources.append(lambda: bool(events and events.pop()))
    clock.settle()
    assert not events


def test_a_source_that_never_ends_is_told_of() -> None:
    clock = FakeClock()
    rounds = count()
    clock.sources.append(lambda: next(rounds) >= 0)
    with pytest.raises(AssertionError, match="busy without end"):
        clock.settle()
    assert next(rounds) == MAX_ROUNDS
