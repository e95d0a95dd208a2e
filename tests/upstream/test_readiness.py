"""Which sockets are ready: by an epoll instance within the loop, and by the loop itself."""

import asyncio
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from proxy.upstream.readiness import (
    READ,
    WRITE,
    EpollReadiness,
    LoopReadiness,
    Readiness,
    choose_readiness,
)
from tests.loops import Happened, both_loops, run

Make = Callable[[asyncio.AbstractEventLoop], Readiness]
KINDS: dict[str, Make] = {"epoll": EpollReadiness, "loop": LoopReadiness}
both_kinds = pytest.mark.parametrize("kind", KINDS)


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@contextmanager
def watching(kind: str) -> Iterator[Readiness]:
    readiness = KINDS[kind](asyncio.get_running_loop())
    try:
        yield readiness
    finally:
        readiness.close()


async def turns(readiness: Readiness) -> None:
    """Wait until events that were due have been dispatched: one of our own comes behind them."""
    happened = Happened()
    with pair() as (ours, theirs):
        readiness.watch(ours.fileno(), READ, happened)
        theirs.send(b"x")
        await happened.wait()
        readiness.forget(ours.fileno())


@both_loops
@both_kinds
def test_what_is_watched_for_is_told(loop: str, kind: str) -> None:
    async def main() -> None:
        happened = Happened()
        with watching(kind) as readiness, pair() as (ours, theirs):
            readiness.watch(ours.fileno(), READ, happened)
            await turns(readiness)
            assert not happened.calls
            theirs.send(b"x")
            assert await happened.wait() == READ
            readiness.change(ours.fileno(), WRITE)
            assert await happened.wait() == WRITE
            readiness.forget(ours.fileno())

    run(loop, main())


@both_loops
@both_kinds
def test_readiness_is_told_until_it_is_dealt_with(loop: str, kind: str) -> None:
    async def main() -> None:
        happened = Happened()
        with watching(kind) as readiness, pair() as (ours, theirs):
            theirs.send(b"x")
            readiness.watch(ours.fileno(), READ, happened)
            for _ in range(3):
                await happened.wait()
            ours.recv(1)
            await turns(readiness)
            seen = len(happened.calls)
            await turns(readiness)
            assert len(happened.calls) == seen
            readiness.forget(ours.fileno())

    run(loop, main())


@both_loops
@both_kinds
def test_nothing_is_told_to_who_watches_for_nothing(loop: str, kind: str) -> None:
    """Not even that the other end has gone: it would be told for ever."""

    async def main() -> None:
        happened = Happened()
        with watching(kind) as readiness, pair() as (ours, theirs):
            readiness.watch(ours.fileno(), READ, happened)
            readiness.change(ours.fileno(), 0)
            theirs.close()
            await turns(readiness)
            await turns(readiness)
            assert not happened.calls
            readiness.watch(ours.fileno(), READ, happened)
            assert await happened.wait() & READ
            readiness.forget(ours.fileno())

    run(loop, main())


@both_loops
@both_kinds
@pytest.mark.parametrize("events", [READ, WRITE, READ | WRITE])
def test_a_hang_up_is_told_to_whoever_waits(loop: str, kind: str, events: int) -> None:
    async def main() -> None:
        happened = Happened()
        with watching(kind) as readiness, pair() as (ours, theirs):
            while True:  # fill it, so that it could not be written to
                try:
                    ours.send(b"x" * 65536)
                except BlockingIOError:
                    break
            readiness.watch(ours.fileno(), events, happened)
            theirs.close()
            assert await happened.wait()
            readiness.forget(ours.fileno())

    run(loop, main())


@both_loops
@both_kinds
def test_a_number_may_be_used_again(loop: str, kind: str) -> None:
    async def main() -> None:
        first, second = Happened(), Happened()
        with watching(kind) as readiness:
            with pair() as (ours, theirs):
                number = ours.fileno()
                readiness.watch(number, READ, first)
                readiness.forget(number)
                readiness.forget(number)
            with pair() as (ours, theirs):
                assert ours.fileno() == number
                readiness.watch(number, READ, second)
                theirs.send(b"x")
                await second.wait()
                readiness.forget(number)
            assert not first.calls

    run(loop, main())


@both_loops
@both_kinds
def test_one_callback_may_end_another_s_watch(loop: str, kind: str) -> None:
    async def main() -> None:
        seen: list[int] = []
        done = Happened()
        with watching(kind) as readiness, pair() as (a, far_a), pair() as (b, far_b):
            socks = {a.fileno(): a, b.fileno(): b}

            def on_ready(number: int) -> Callable[[int], None]:
                def ready(events: int) -> None:
                    seen.append(number)
                    for fd, sock in socks.items():
                        readiness.forget(fd)
                        sock.close()
                    done()

                return ready

            for number in socks:
                readiness.watch(number, READ, on_ready(number))
            far_a.send(b"x")
            far_b.send(b"x")
            await done.wait()
            await turns(readiness)
            assert len(seen) == 1

    run(loop, main())


@both_loops
@both_kinds
def test_after_close_nothing_is_told(loop: str, kind: str) -> None:
    async def main() -> None:
        happened = Happened()
        with pair() as (ours, theirs):
            with watching(kind) as readiness:
                readiness.watch(ours.fileno(), READ, happened)
            theirs.send(b"x")
            with watching(kind) as other:
                await turns(other)
            assert not happened.calls

    run(loop, main())


@both_loops
def test_the_best_is_chosen(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> type:
        readiness = choose_readiness(asyncio.get_running_loop())
        readiness.close()
        return type(readiness)

    if hasattr(select, "epoll"):
        assert run(loop, main()) is EpollReadiness
        monkeypatch.delattr(select, "epoll")
    assert run(loop, main()) is LoopReadiness
