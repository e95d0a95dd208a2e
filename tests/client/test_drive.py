import asyncio
import os
import threading

import pytest

from proxy.client.drive import drive, resolve, run_alone
from proxy.errors import READ_TIMEOUT, ClientGone, ProxyError
from proxy.settings import Address
from proxy.upstream.channel import Network
from proxy.waiting import Vigil
from tests.loops import both_loops, run


@both_loops
def test_the_result_of_the_work(loop: str) -> None:
    async def work(network: Network, vigil: Vigil) -> str:
        return "done"

    async def main() -> str:
        return await drive(work)

    assert run(loop, main()) == "done"


@both_loops
def test_a_deadline_is_noticed(loop: str) -> None:
    async def work(network: Network, vigil: Vigil) -> None:
        vigil.arm(0.01)
        await vigil.wake
        vigil.check(READ_TIMEOUT)

    async def main() -> None:
        await drive(work)

    with pytest.raises(ProxyError) as caught:
        run(loop, main())
    assert caught.value.reason is READ_TIMEOUT


@both_loops
def test_cancelling_ends_the_work(loop: str) -> None:
    ended: list[BaseException] = []

    async def work(network: Network, vigil: Vigil) -> None:
        try:
            await vigil.wake
            vigil.check(READ_TIMEOUT)
        except BaseException as error:
            ended.append(error)
            raise

    async def main() -> None:
        task = asyncio.ensure_future(drive(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())
    assert isinstance(ended[0], ClientGone)


def test_nothing_is_left_behind() -> None:
    async def work(network: Network, vigil: Vigil) -> int:
        return 1

    run_alone(drive(work))
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(50):
        run_alone(drive(work))
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_names_are_resolved() -> None:
    assert run_alone(resolve(Address(path="/s"))) == Address(path="/s")
    found = run_alone(resolve(Address(host="localhost", port=80)))
    assert found.is_literal
    assert found.port == 80
    with pytest.raises(ProxyError, match=r"connect_failed: no\.such\.host\.invalid:80: "):
        run_alone(resolve(Address(host="no.such.host.invalid", port=80)))


def test_alone_means_alone() -> None:
    async def main() -> None:
        async def work(network: Network, vigil: Vigil) -> None: ...

        run_alone(drive(work))

    with pytest.raises(RuntimeError, match=r"await uwsgi_request\(\.\.\.\) instead"):
        asyncio.run(main())
