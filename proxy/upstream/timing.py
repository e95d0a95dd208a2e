"""The parts of an event loop that pools need, so that a test can play the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from proxy.clock import CallLater


@dataclass(slots=True)
class Timing:
    """The parts of an event loop that a pool needs; times in seconds, `now` monotonic."""

    now: Callable[[], float]
    call_soon: Callable[[Callable[[], None]], object]
    call_later: CallLater
    random: Random
