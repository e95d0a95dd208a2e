"""Wake and Vigil: no event is lost, however it falls between two waits."""

from collections.abc import Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import ClientGone, ProxyError
from proxy.testing.fake_clock import LATE_S, FakeClock
from proxy.waiting import Vigil, Wake


class Ends:
    """What `on_end` was called with."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []

    def __call__(self, error: BaseException | None) -> None:
        self.errors.append(error)


def start(wake: Wake, coroutine: Coroutine[object, None, None]) -> Ends:
    ends = Ends()
    wake.start(coroutine, ends)
    return ends


def test_a_coroutine_runs_to_its_first_wait_and_on_with_each_wake() -> None:
    wake, steps = Wake(), []

    async def count() -> None:
        for step in range(3):
            steps.append(step)
            await wake

    ends = start(wake, count())
    assert steps == [0]
    wake()
    wake()
    assert (steps, ends.errors) == ([0, 1, 2], [])
    wake()
    assert ends.errors == [None]
    wake()
    assert ends.errors == [None]


def test_a_coroutine_that_never_waits_ends_at_once() -> None:
    async def nothing() -> None:
        pass

    assert start(Wake(), nothing()).errors == [None]


def test_an_event_while_the_coroutine_runs_ends_its_next_wait() -> None:
    wake, seen = Wake(), []

    async def busy() -> None:
        wake()
        wake()  # two events, but one look at the world is enough
        await wake
        seen.append("first")
        await wake
        seen.append("second")

    ends = start(wake, busy())
    assert seen == ["first"]
    wake()
    assert (seen, ends.errors) == (["first", "second"], [None])


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_coroutine_not_the_caller(kind: type[BaseException]) -> None:
    wake = Wake()

    async def fail() -> None:
        await wake
        raise kind("why")

    ends = start(wake, fail())
    wake()
    assert [type(error) for error in ends.errors] == [kind]


def test_two_coroutines_do_not_disturb_each_other() -> None:
    first, second, seen = Wake(), Wake(), []

    async def wait(wake: Wake, name: str) -> None:
        await wake
        seen.append(name)

    start(first, wait(first, "first"))
    start(second, wait(second, "second"))
    second()
    assert seen == ["second"]
    first()
    assert seen == ["second", "first"]


@given(st.lists(st.sampled_from(["outside", "inside"]), max_size=30))
def test_whoever_looks_after_each_wait_sees_every_event(events: list[str]) -> None:
    """The pattern of the whole program: a loop that looks, acts and waits."""
    wake = Wake()
    world = list(events)
    seen: list[str] = []
    arrived: list[str] = []

    async def loop() -> None:
        while True:
            while arrived:
                seen.append(arrived.pop(0))
                if world and world[0] == "inside":  # it happens while we are busy
                    arrived.append(world.pop(0))
                    wake()
            await wake

    coroutine = loop()
    start(wake, coroutine)
    while world:
        arrived.append(world.pop(0))
        wake()
    assert seen == events
    coroutine.close()


# -- Vigil ----------------------------------------------------------------------------------------


class Watch:
    """A vigil and a coroutine that keeps it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.vigil = Vigil(self.clock.deadlines, self.clock)
        self.turns = 0
        self.ends = start(self.vigil.wake, self._keep())

    async def _keep(self) -> None:
        while True:
            await self.vigil.wake
            self.turns += 1
            self.vigil.check(errors.READ_TIMEOUT)

    @property
    def error(self) -> BaseException | None:
        return self.ends.errors[0] if self.ends.errors else None

    @property
    def reason(self) -> errors.Reason | None:
        assert self.error is None or isinstance(self.error, ProxyError)
        return self.error.reason if isinstance(self.error, ProxyError) else None


def test_a_deadline_ends_the_wait_with_its_reason() -> None:
    watch = Watch()
    watch.vigil.arm(60.0)
    watch.clock.advance(60.0)
    assert watch.turns == 0
    watch.clock.advance(LATE_S)
    assert (watch.turns, watch.reason) == (1, errors.READ_TIMEOUT)


def test_a_deadline_that_is_set_again_counts_from_then() -> None:
    watch = Watch()
    watch.vigil.arm(60.0)
    watch.clock.advance(59.0)
    watch.vigil.arm(60.0)
    watch.clock.advance(60.0)
    assert watch.turns == 0
    watch.clock.advance(LATE_S)
    assert watch.reason is errors.READ_TIMEOUT


def test_the_last_length_counts() -> None:
    watch = Watch()
    watch.vigil.arm(1.0)
    watch.vigil.arm(60.0)
    watch.clock.advance(30.0)
    watch.vigil.arm(2.0)
    watch.clock.advance(2.0 + LATE_S)
    assert watch.reason is errors.READ_TIMEOUT


def test_a_deadline_that_is_forgotten_never_fires() -> None:
    watch = Watch()
    watch.vigil.arm(1.0)
    watch.vigil.disarm()
    watch.vigil.disarm()
    watch.clock.advance(100.0)
    assert (watch.turns, len(watch.clock.deadlines)) == (0, 0)


def test_to_arm_or_disarm_forgets_that_the_last_deadline_has_passed() -> None:
    clock = FakeClock()
    vigil = Vigil(clock.deadlines, clock)
    vigil.arm(1.0)
    clock.advance(2.0)
    vigil.arm(60.0)
    assert not vigil.poll_expired()
    vigil.arm(1.0)
    clock.advance(2.0)
    vigil.disarm()
    assert not vigil.poll_expired()


def test_that_a_deadline_has_passed_is_told_once() -> None:
    clock = FakeClock()
    vigil = Vigil(clock.deadlines, clock)
    vigil.arm(1.0)
    clock.advance(2.0)
    assert vigil.poll_expired()
    assert not vigil.poll_expired()
    vigil.arm(1.0)
    clock.advance(2.0)
    with pytest.raises(ProxyError):
        vigil.check(errors.SEND_TIMEOUT)
    vigil.check(errors.SEND_TIMEOUT)


def test_a_client_that_leaves_ends_the_wait() -> None:
    watch = Watch()
    watch.vigil.client_gone = True
    watch.vigil.wake()
    assert isinstance(watch.error, ClientGone)


def test_a_client_that_may_leave_does_not() -> None:
    watch = Watch()
    watch.vigil.may_leave = watch.vigil.client_gone = True
    watch.vigil.wake()
    assert (watch.turns, watch.error) == (1, None)


@pytest.mark.parametrize("may_leave", [False, True])
def test_a_connection_that_the_server_cuts_has_a_reason_of_its_own(may_leave: bool) -> None:
    watch = Watch()
    watch.vigil.cut = watch.vigil.client_gone = True
    watch.vigil.may_leave = may_leave
    watch.vigil.wake()
    assert watch.reason is errors.SHUTDOWN_CUT


def test_now_is_the_clock_s() -> None:
    watch = Watch()
    before = watch.vigil.now()
    watch.clock.advance(2.5)
    assert watch.vigil.now() == before + 2.5
