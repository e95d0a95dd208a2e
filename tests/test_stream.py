"""The client's byte stream over a transport in memory."""

import pytest

from proxy.stream import MAX_UNREAD_BYTES, MAX_UNSENT_BYTES, Stream
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory import MemoryClient
from proxy.waiting import Vigil


class Line:
    """A client, a stream, and a coroutine that counts how often it was woken."""

    def __init__(self, peername: tuple[str, int] | str = ("192.0.2.1", 40000)) -> None:
        self.clock = FakeClock()
        self.vigil = Vigil(self.clock.deadlines, self.clock)
        self.wakes = 0
        self.connected: list[Stream] = []
        self.client = MemoryClient(
            self.clock, lambda: Stream(self.vigil, self.connected.append), peername
        )
        self.stream = self.connected[0]
        self.vigil.wake.start(self._count(), lambda error: None)

    async def _count(self) -> None:
        while True:
            await self.vigil.wake
            self.wakes += 1


@pytest.fixture
def line() -> Line:
    return Line()


def test_who_connects_is_told_once(line: Line) -> None:
    assert line.connected == [line.stream]
    assert (line.stream.writable, line.stream.lost, line.stream.has_data) == (True, False, False)


def test_what_is_received_gathers_until_it_is_taken(line: Line) -> None:
    line.client.send(b"one ")
    line.client.send(b"two")
    assert line.wakes == 2
    assert line.stream.has_data
    assert line.stream.take() == b"one two"
    assert not line.stream.has_data
    assert line.stream.take() == b""


def test_a_client_that_sends_too_much_is_not_read_any_more(line: Line) -> None:
    line.client.send(b"x" * MAX_UNREAD_BYTES)
    line.client.send(b"x")
    line.client.send(b"waits")
    assert line.client.unread_bytes == 5
    assert len(line.stream.take()) == MAX_UNREAD_BYTES + 1
    line.clock.settle()
    assert line.client.unread_bytes == 0
    assert line.stream.take() == b"waits"


def test_what_is_written_goes_out(line: Line) -> None:
    line.stream.write(b"a")
    line.stream.write_all([b"b", b"c"])
    assert line.client.received() == b"abc"
    assert (line.stream.unsent_bytes, line.stream.writable) == (0, True)


def test_a_client_that_takes_nothing_makes_the_stream_unwritable(line: Line) -> None:
    line.client.take(0)
    line.stream.write(b"x" * MAX_UNSENT_BYTES)
    assert line.stream.writable
    line.stream.write(b"x")
    assert not line.stream.writable
    assert line.stream.unsent_bytes == MAX_UNSENT_BYTES + 1
    line.client.take(MAX_UNSENT_BYTES)
    assert (line.stream.writable, line.wakes) == (False, 0)
    line.client.take()
    assert line.stream.writable
    assert line.wakes == 1


def test_a_half_close_means_that_the_client_has_gone(line: Line) -> None:
    line.client.send(b"data")
    line.client.end()
    assert line.vigil.client_gone
    assert (line.wakes, line.stream.take()) == (2, b"data")
    assert (line.stream.lost, line.client.closed) == (False, False)
    line.stream.write(b"still possible")
    assert line.client.received() == b"still possible"


def test_a_lost_connection_takes_everything_and_holds_nobody_up(line: Line) -> None:
    line.client.take(0)
    line.stream.write(b"x" * (MAX_UNSENT_BYTES + 1))
    line.client.reset()
    assert line.stream.lost
    assert line.vigil.client_gone
    assert line.wakes == 1
    assert (line.stream.writable, line.stream.unsent_bytes) == (True, 0)
    line.stream.write(b"void")
    line.stream.write_all([b"void"])
    line.stream.finish_writing()
    line.stream.close()
    line.stream.abort()
    line.stream.reset()
    line.clock.settle()
    assert line.client.everything == b""


def test_bytes_of_a_lost_connection_can_still_be_taken(line: Line) -> None:
    line.client.send(b"x" * (MAX_UNREAD_BYTES + 1))
    line.client.reset()
    assert len(line.stream.take()) == MAX_UNREAD_BYTES + 1


def test_close_sends_what_is_left(line: Line) -> None:
    line.client.take(0)
    line.stream.write(b"abc")
    line.stream.close()
    line.clock.settle()
    assert not line.stream.lost
    line.client.take()
    assert line.stream.lost
    assert (line.client.received(), line.client.at_end) == (b"abc", True)


def test_finish_writing_ends_one_direction(line: Line) -> None:
    line.stream.write(b"abc")
    line.stream.finish_writing()
    line.clock.settle()
    assert (line.client.received(), line.client.at_end, line.client.closed) == (b"abc", True, False)
    line.client.send(b"x")
    assert line.stream.take() == b"x"
    line.stream.close()
    line.stream.finish_writing()
    line.clock.settle()
    assert line.client.closed


def test_reset_is_seen_by_a_tcp_client(line: Line) -> None:
    line.stream.write(b"abc")
    line.stream.reset()
    line.clock.settle()
    assert (line.client.closed, line.client.was_reset, line.client.at_end) == (True, True, False)


def test_a_unix_client_cannot_be_reset() -> None:
    line = Line(peername="")
    line.stream.reset()
    line.clock.settle()
    assert (line.client.closed, line.client.was_reset) == (True, False)


def test_abort_is_an_end_at_once(line: Line) -> None:
    line.client.take(0)
    line.stream.write(b"abc")
    line.stream.abort()
    line.clock.settle()
    assert (line.client.closed, line.client.at_end, line.client.received()) == (True, True, b"")
