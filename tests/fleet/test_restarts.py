"""When a worker is started again: a matter of events and times."""

from proxy.fleet.restarts import (
    FIRST_PAUSE_S,
    MAX_FAILED_STARTS,
    MAX_PAUSE_S,
    STEADY_S,
    Ended,
    GiveUp,
    Restart,
    Restarts,
    Serving,
)


def test_a_worker_that_dies_after_a_while_is_back_at_once() -> None:
    restarts = Restarts()
    for life in range(20):
        now = 1000.0 * life
        assert restarts.decide(Serving(0), now) is None
        assert restarts.decide(Ended(0), now + STEADY_S) == Restart(FIRST_PAUSE_S)


def test_one_that_dies_again_and_again_has_to_wait() -> None:
    restarts = Restarts()
    pauses = []
    for _ in range(12):
        restarts.decide(Serving(0), 0.0)
        action = restarts.decide(Ended(0), STEADY_S - 0.1)
        assert isinstance(action, Restart)
        pauses.append(action.after_s)
    assert pauses[:4] == [FIRST_PAUSE_S * factor for factor in (1, 2, 4, 8)]
    assert pauses[-2:] == [MAX_PAUSE_S, MAX_PAUSE_S]
    assert restarts.decide(Ended(1), 0.0) == Restart(FIRST_PAUSE_S)  # another has its own story


def test_when_nobody_can_start_there_is_no_sense_in_it() -> None:
    """Both have died, and their successors cannot start: for example, a file has gone."""
    restarts = Restarts()
    for number in range(2):
        restarts.decide(Serving(number), 0.0)
        restarts.decide(Ended(number), 100.0)
    for _ in range(MAX_FAILED_STARTS - 1):
        assert isinstance(restarts.decide(Ended(0), 101.0), Restart)
    assert restarts.decide(Ended(0), 101.0) == GiveUp(MAX_FAILED_STARTS)


def test_as_long_as_another_serves_it_is_tried_again_and_again() -> None:
    """To end it all would take away what still works."""
    restarts = Restarts()
    restarts.decide(Serving(1), 0.0)
    for _ in range(3 * MAX_FAILED_STARTS):
        assert isinstance(restarts.decide(Ended(0), 1.0), Restart)
    restarts.decide(Ended(1), 2.0)
    assert isinstance(restarts.decide(Ended(0), 3.0), GiveUp)


def test_a_start_that_succeeds_is_a_new_beginning() -> None:
    restarts = Restarts()
    for _ in range(3 * MAX_FAILED_STARTS):
        assert isinstance(restarts.decide(Ended(0), 0.0), Restart)
        restarts.decide(Serving(0), 0.0)
        assert isinstance(restarts.decide(Ended(0), 0.0), Restart)
