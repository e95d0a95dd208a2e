"""A limit in bytes per second: the first second's worth at once, then a steady beat."""

from proxy.pace import MIN_PAUSE_S, Pace
from proxy.testing.fake_clock import FakeClock
from proxy.waiting import Vigil


def make(rate: int) -> tuple[Pace, FakeClock, list[float]]:
    """Return a pace, its clock, and the times at which its connection was woken."""
    clock = FakeClock(0.0)
    vigil = Vigil(clock.deadlines, clock)
    wakes: list[float] = []

    async def note() -> None:
        while True:
            await vigil.wake
            wakes.append(clock())

    vigil.wake.start(note(), lambda error: None)
    return Pace(rate, vigil, clock.call_later), clock, wakes


def test_the_first_second_is_free() -> None:
    pace, clock, _ = make(1000)
    assert pace.room == 1000
    pace.wrote(700)
    assert pace.room == 300
    pace.wrote(300)
    assert pace.room == 0
    clock.advance(0.5)
    assert pace.room == 500


def test_more_than_allowed_is_waited_for() -> None:
    pace, clock, _ = make(1000)
    pace.wrote(5000)
    assert pace.room == 0
    clock.advance(3.9)
    assert pace.room == 0
    clock.advance(1.1)
    assert pace.room == 1000


def test_the_connection_is_woken_once_when_there_is_room_again() -> None:
    pace, clock, wakes = make(10)
    pace.wrote(30)
    pace.wake_when_due()
    pace.wake_when_due()
    clock.advance(10.0)
    assert len(wakes) == 1
    assert 2.0 <= wakes[0] <= 2.2
    assert pace.room > 0


def test_fast_paces_do_not_wake_for_every_byte() -> None:
    pace, clock, wakes = make(10_000_000)
    pace.wrote(10_000_000)
    pace.wake_when_due()
    clock.advance(1.0)
    assert wakes == [MIN_PAUSE_S]
