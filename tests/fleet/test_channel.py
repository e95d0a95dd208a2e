"""Messages between processes: whole, in order, however the bytes arrive."""

import asyncio
import socket

import pytest

from proxy.fleet.channel import Message, connect, encode, take
from tests.loops import Happened, both_loops, run

MESSAGES: list[Message] = [{"serving": True}, {"drain": 1.5}, {"numbers": ["ü" * 1000, {}]}, {}]


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_messages_arrive_whole_and_in_order(size: int) -> None:
    data = b"".join(map(encode, MESSAGES))
    received, got = bytearray(), []
    for start in range(0, len(data), size):
        received += data[start : start + size]
        got += take(received)
    assert got == MESSAGES
    assert not received


def test_half_a_message_is_none() -> None:
    received = bytearray(encode({"drain": 1})[:-1])
    assert take(received) == []
    assert received


@both_loops
def test_both_ends(loop: str) -> None:
    """What was sent before the end is read before the end."""

    async def main() -> None:
        here, there = socket.socketpair()
        got, ended, other_ended = Happened(), Happened(), Happened()
        one = await connect(here, got, ended)
        other = await connect(there, got, other_ended)
        assert one.unsent_bytes == 0
        for message in MESSAGES:
            one.send(message)
        one.send({"last": "x" * 1_000_000})
        one.close()
        await asyncio.gather(ended.wait(), other_ended.wait())
        assert got.calls[: len(MESSAGES)] == MESSAGES
        assert len(got.calls[-1]["last"]) == 1_000_000
        for late in (one, other):
            late.send({"too": "late"})
            late.close()
        assert one.unsent_bytes == 0

    run(loop, main())


@both_loops
def test_what_the_other_end_does_not_take_is_known(loop: str) -> None:
    async def main() -> None:
        here, there = socket.socketpair()
        ended = Happened()
        with there:
            one = await connect(here, lambda message: None, ended)
            one.send({"much": "x" * 10_000_000})
            assert one.unsent_bytes > 1_000_000
        await ended.wait()

    run(loop, main())
