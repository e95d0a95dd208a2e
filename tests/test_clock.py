"""Deadlines: never early, at most two ticks late, one for each, whatever is done to them."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from proxy.clock import TICK_S, Deadlines
from tests.sleeper import Sleeper


def test_a_deadline_fires_once() -> None:
    deadlines = Deadlines(0.0)
    sleeper = Sleeper(deadlines)
    sleeper.arm(1.0)
    assert len(deadlines) == 1
    assert deadlines.expire(1.0) == 0
    assert deadlines.expire(1.0 + TICK_S) == 1
    assert deadlines.expire(5.0) == 0
    assert (sleeper.fired, sleeper.vigil.expired, sleeper.vigil.armed) == (1, True, False)
    assert len(deadlines) == 0


def test_many_of_one_length_fire_in_the_order_they_were_set() -> None:
    deadlines, order = Deadlines(0.0), list[int]()
    sleepers = [Sleeper(deadlines, partial(order.append, number)) for number in range(5)]
    for tick, sleeper in enumerate(sleepers):
        sleeper.arm(1.0)
        deadlines.expire(tick * TICK_S)
    sleepers[0].arm(1.0)  # to the end of the queue
    assert deadlines.expire(10.0) == 5
    assert order == [1, 2, 3, 4, 0]


def test_disarm() -> None:
    deadlines = Deadlines(0.0)
    sleeper = Sleeper(deadlines)
    sleeper.disarm()
    sleeper.arm(1.0)
    sleeper.disarm()
    assert len(deadlines) == 0
    assert deadlines.expire(100.0) == 0


def test_a_deadline_that_another_sets_anew_in_time_does_not_fire() -> None:
    """Whoever fires first may give way to another who waits: then that one's next phase begins."""
    deadlines = Deadlines(0.0)
    second = Sleeper(deadlines)
    Sleeper(deadlines, lambda: second.arm(5.0)).arm(1.0)
    second.arm(1.0)
    deadlines.expire(2.0)
    assert (second.fired, len(deadlines)) == (0, 1)
    deadlines.expire(10.0)
    assert second.fired == 1


def test_a_deadline_may_be_set_again_from_within_its_own_call() -> None:
    deadlines = Deadlines(0.0)
    again = Sleeper(deadlines)
    again.on_deadline = lambda: again.arm(1.0)
    again.arm(1.0)
    for tick in range(1, 50):
        deadlines.expire(tick * TICK_S)
    assert again.fired == 4
    assert len(deadlines) == 1


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.integers(0, 2), st.sampled_from([0.0, 0.25, 1.0, 60.0])),
        st.tuples(st.just("disarm"), st.integers(0, 2), st.just(0.0)),
        st.tuples(st.just("pass"), st.just(0), st.floats(0.01, 5.0)),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_never_early_and_soon(actions: list[tuple[str, int, float]]) -> None:
    """Against a model that knows the exact times."""
    deadlines = Deadlines(0.0)
    sleepers = [Sleeper(deadlines) for _ in range(3)]
    due: dict[int, float] = {}
    ticks = 0
    now = 0.0
    for action, index, amount in actions:
        sleeper = sleepers[index]
        if action == "arm":
            sleeper.arm(amount)
            due[index] = now + amount
        elif action == "disarm":
            sleeper.disarm()
            due.pop(index, None)
        else:
            now += amount
            while (ticks + 1) * TICK_S <= now:
                ticks += 1
                before = [one.fired for one in sleepers]
                deadlines.expire(ticks * TICK_S)
                for number, one in enumerate(sleepers):
                    if one.fired > before[number]:
                        assert due.pop(number) <= ticks * TICK_S
            assert all(when > now - 2 * TICK_S - 1e-9 for when in due.values())
    assert len(deadlines) == len(due)
