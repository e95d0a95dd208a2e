"""Something with a deadline, for tests: a `Vigil` whose coroutine notes that it has passed.

Not a class of its own beneath `Expirable`: the compiled build lets nobody inherit from it.
"""

from collections.abc import Callable

from proxy.clock import Deadlines
from proxy.waiting import Vigil


def _nothing() -> None: ...


class Sleeper:
    """Counts how often its deadline has fired, and calls `on_deadline` each time."""

    def __init__(self, deadlines: Deadlines, on_deadline: Callable[[], None] = _nothing) -> None:
        self.vigil = Vigil(deadlines, lambda: 0.0)
        self.fired = 0
        self.on_deadline = on_deadline
        self.arm, self.disarm = self.vigil.arm, self.vigil.disarm
        self.vigil.wake.start(self._sleep(), self._end)

    async def _sleep(self) -> None:
        while True:
            await self.vigil.wake
            assert self.vigil.expired
            self.fired += 1
            self.on_deadline()

    @staticmethod
    def _end(error: BaseException | None) -> None:
        assert error is not None
        raise error
