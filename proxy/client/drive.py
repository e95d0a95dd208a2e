"""Runs, for somebody who awaits it, what waits on a `Wake`: one conversation with one backend."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from proxy.clock import TICK_S, Deadlines
from proxy.errors import CONNECT_FAILED, ProxyError
from proxy.settings import Address
from proxy.upstream.channel import Network, SocketNetwork
from proxy.upstream.readiness import choose_readiness
from proxy.waiting import Vigil

T = TypeVar("T")

Work = Callable[[Network, Vigil], Awaitable[T]]
"""A conversation; its deadlines are those of the vigil."""


async def drive(work: Work[T]) -> T:
    """Do `work` in the running event loop; when this is cancelled, so is the work."""
    loop = asyncio.get_running_loop()
    readiness = choose_readiness(loop)
    deadlines = Deadlines(time.monotonic())
    vigil = Vigil(deadlines, time.monotonic)
    done: asyncio.Future[T] = loop.create_future()

    async def finish() -> None:
        result = await work(SocketNetwork(readiness), vigil)
        if not done.done():
            done.set_result(result)

    def on_end(error: BaseException | None) -> None:
        if error is not None and not done.done():
            done.set_exception(error)

    def tick() -> None:
        deadlines.expire(time.monotonic())
        timers[0] = loop.call_later(TICK_S, tick)

    timers = [loop.call_later(TICK_S, tick)]
    try:
        vigil.wake.start(finish(), on_end)
        return await done
    finally:
        timers[0].cancel()
        if done.cancelled():  # the work is still waiting: it is told that nobody wants its result
            vigil.client_gone = True
            vigil.wake()
        readiness.close()


async def resolve(address: Address) -> Address:
    """Return the address with its host's name replaced by the first of its addresses.

    Raises:
        ProxyError: nobody knows the name.
    """
    if address.is_literal:
        return address
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, proto=6)
    except OSError as error:
        detail = f"{address}: {error.strerror or error}"
        raise ProxyError(CONNECT_FAILED, detail, nothing_sent=True) from error
    return Address(host=str(found[0][4][0]), port=address.port)


def run_alone(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end for somebody who has no event loop.

    On a loop of its own: no signal handler, no event loop policy and nobody else's loop is touched.

    Raises:
        RuntimeError: an event loop runs in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError("an event loop runs in this thread: await uwsgi_request(...) instead")
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
