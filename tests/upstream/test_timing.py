"""Any loop can play the part."""

import asyncio
import time
from random import Random

from proxy.testing.fake_clock import FakeClock
from proxy.upstream.timing import Timing


def test_a_clock_of_ours_and_a_real_loop_fit() -> None:
    clock = FakeClock()
    seen: list[float] = []
    fake = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    fake.call_later(2.0, lambda: seen.append(fake.now()))
    clock.advance(3.0)
    assert seen == [1002.0]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        real = Timing(time.monotonic, loop.call_soon, loop.call_later, Random(1))
        real.call_soon(done.set)
        await asyncio.wait_for(done.wait(), 20)

    asyncio.run(main())
