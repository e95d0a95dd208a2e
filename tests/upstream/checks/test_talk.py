"""A check's connection: steps that wait."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy import errors
from proxy.errors import ClientGone, ProxyError
from proxy.testing.fake_clock import LATE_S
from proxy.upstream.channel import RECEIVE_BYTES
from proxy.upstream.checks.talk import Talk
from proxy.waiting import Vigil
from tests.upstream.checks.bench import ADDRESS, STATS, Bench

Script = Callable[[Talk], Coroutine[Any, Any, None]]


class Run:
    """A script on a talk."""

    def __init__(self, bench: Bench, script: Script) -> None:
        self.vigil = Vigil(bench.clock.deadlines, bench.clock)
        self.talk = Talk(bench.network, self.vigil)
        self.ended = False
        self.error: BaseException | None = None
        self.vigil.arm(1.0)
        self.vigil.wake.start(self._play(script), self._on_end)
        bench.clock.settle()

    async def _play(self, script: Script) -> None:
        try:
            await script(self.talk)
        finally:
            self.talk.close()

    def _on_end(self, error: BaseException | None) -> None:
        self.ended, self.error = True, error

    @property
    def reason(self) -> str:
        assert isinstance(self.error, ProxyError)
        return self.error.reason.word


async def send_much(talk: Talk) -> None:
    await talk.connect(ADDRESS)
    await talk.send(b"x" * 1000)


def test_a_request_is_sent_in_the_moment_of_the_connection() -> None:
    bench = Bench()
    assert Run(bench, send_much).ended
    assert bench.channel.sent == b"x" * 1000


def test_what_the_kernel_does_not_take_is_sent_later() -> None:
    bench = Bench()
    bench.memory.window = 300
    run = Run(bench, send_much)
    assert not run.ended
    assert len(bench.channel.sent) == 300
    bench.channel.take(500)
    assert not run.ended
    bench.channel.take()
    assert run.ended
    assert bench.channel.sent == b"x" * 1000


def test_a_backend_that_takes_nothing() -> None:
    bench = Bench()
    bench.memory.window = 0
    run = Run(bench, send_much)
    bench.clock.advance(1.0 + LATE_S)
    assert run.reason == "send_timeout"


def test_a_backend_that_has_closed_may_have_answered() -> None:
    bench = Bench()
    bench.memory.outcome = "connecting"
    heard: list[bytes] = []

    async def script(talk: Talk) -> None:
        await send_much(talk)
        heard.append(await talk.receive())
        heard.append(await talk.receive())

    run = Run(bench, script)
    bench.channel.end(b"no")
    bench.channel.accept()
    assert run.ended
    assert run.error is None
    assert heard == [b"no", b""]
    assert not bench.channel.sent


def test_a_reset_has_the_reason_that_was_asked_for() -> None:
    bench = Bench()

    async def script(talk: Talk) -> None:
        await talk.connect(ADDRESS)
        await talk.receive(broken=errors.RESET_MID_BODY)

    run = Run(bench, script)
    bench.channel.reset()
    assert run.reason == "reset_mid_body"
    assert isinstance(run.error, ProxyError)
    assert run.error.detail == "Connection reset by peer"


def test_much_that_has_come_is_read_without_waiting() -> None:
    bench = Bench()
    sizes: list[int] = []

    async def script(talk: Talk) -> None:
        await talk.connect(ADDRESS)
        while data := await talk.receive():
            sizes.append(len(data))

    run = Run(bench, script)
    bench.channel.end(b"x" * (2 * RECEIVE_BYTES + 1))
    assert run.ended
    assert sizes == [RECEIVE_BYTES, RECEIVE_BYTES, 1]


@pytest.mark.parametrize("phase", ["connect", "receive"])
def test_it_can_be_called_off(phase: str) -> None:
    bench = Bench()
    bench.memory.outcome = "connecting" if phase == "connect" else "accept"

    async def script(talk: Talk) -> None:
        await talk.connect(ADDRESS)
        await talk.receive()

    run = Run(bench, script)
    assert not run.ended
    run.vigil.client_gone = True
    run.vigil.wake()
    assert isinstance(run.error, ClientGone)


def test_a_second_connection_ends_the_first() -> None:
    bench = Bench()

    async def script(talk: Talk) -> None:
        await talk.connect(ADDRESS)
        await talk.connect(STATS)
        assert bench.channel.closed
        assert not bench.stats.channel.closed
        assert talk.now() == bench.clock()
        talk.close()

    run = Run(bench, script)
    assert run.ended
    assert run.error is None
    assert bench.stats.channel.closed
