"""Connections that wait for their next request: who is kept, who is used, and what ends a wait."""

import pytest

from proxy.settings import Address
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryChannel, MemoryNetwork
from proxy.upstream.idle import IdleChannels
from tests.wire import OK

ADDRESS = Address(path="/run/app.sock")


class Shelf:
    """Idle connections in memory."""

    def __init__(self, limit: int = 2) -> None:
        self.clock = FakeClock()
        self.network = MemoryNetwork(self.clock, [MemoryBackend(ADDRESS)])
        self.idle = IdleChannels(limit)
        self.woken: list[str] = []

    def connect(self, name: str = "first user") -> MemoryChannel:
        """Return a connection that is in use."""
        channel = self.network.open(ADDRESS, lambda: self.wake(name, channel))
        channel.want(read=True, write=False)
        return channel

    def wake(self, name: str, channel: MemoryChannel) -> None:
        """Note who was woken; he looks no further."""
        self.woken.append(name)
        channel.want(read=False, write=False)

    def put(self, count: int = 1) -> list[MemoryChannel]:
        """Keep so many new ones, and return them."""
        channels = [self.connect() for _ in range(count)]
        assert all(self.idle.put(channel) for channel in channels)
        return channels


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def nobody() -> None:
    raise AssertionError("nobody is to be woken")


def test_an_empty_one_has_nothing(shelf: Shelf) -> None:
    assert shelf.idle.take(nobody) is None
    assert (len(shelf.idle), shelf.idle.reused) == (0, 0)


def test_what_is_kept_is_given_out_once(shelf: Shelf) -> None:
    (channel,) = shelf.put()
    assert len(shelf.idle) == 1
    assert shelf.idle.take(nobody) is channel
    assert (len(shelf.idle), shelf.idle.reused) == (0, 1)
    assert shelf.idle.take(nobody) is None
    assert shelf.idle.reused == 1
    assert not channel.closed


def test_the_last_one_used_is_the_first_to_be_used_again(shelf: Shelf) -> None:
    first, second = shelf.put(2)
    assert shelf.idle.take(nobody) is second
    assert shelf.idle.put(second)
    assert shelf.idle.take(nobody) is second
    assert shelf.idle.take(nobody) is first


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_there_is_room_for_so_many(limit: int) -> None:
    shelf = Shelf(limit)
    kept = shelf.put(limit)
    one_more = shelf.connect()
    assert not shelf.idle.put(one_more)
    assert not one_more.closed, "that is for who has brought it"
    assert len(shelf.idle) == limit
    one_more.reply(OK)
    assert shelf.woken == ["first user"], "it is still theirs"
    assert not any(channel.closed for channel in kept)


def test_a_lower_limit_is_for_those_that_come(shelf: Shelf) -> None:
    shelf.put(2)
    shelf.idle.limit = 1
    channel = shelf.idle.take(nobody)
    assert channel is not None
    assert not shelf.idle.put(channel)
    channel.close()


@pytest.mark.parametrize("event", ["end", "reset", "bytes", "bytes and end"])
def test_whatever_comes_ends_the_wait(shelf: Shelf, event: str) -> None:
    first, second, third = (*shelf.put(2), shelf.connect())
    match event:
        case "end":
            first.end()
        case "reset":
            first.reset()
        case "bytes":
            first.reply(b"\n")
        case _:
            first.end(OK)
    assert (first.closed, second.closed, third.closed) == (True, False, False)
    assert shelf.woken == [], "nobody waits for it any more"
    assert shelf.idle.take(nobody) is second
    assert shelf.idle.take(nobody) is None


def test_an_end_that_came_while_it_was_used_is_found_in_the_wait(shelf: Shelf) -> None:
    channel = shelf.connect()
    channel.want(read=False, write=False)
    channel.end()
    shelf.idle.put(channel)
    shelf.clock.settle()
    assert channel.closed
    assert len(shelf.idle) == 0


def test_who_takes_one_hears_what_comes_on_it(shelf: Shelf) -> None:
    (channel,) = shelf.put()
    assert shelf.idle.take(lambda: shelf.wake("second user", channel)) is channel
    channel.reply(OK)
    assert shelf.woken == ["second user"]
    assert not channel.closed


def test_to_close_is_to_close_all_and_none_that_is_used(shelf: Shelf) -> None:
    first, second = shelf.put(2)
    assert shelf.idle.take(nobody) is second
    shelf.idle.close()
    assert (first.closed, second.closed, len(shelf.idle)) == (True, False, 0)
    shelf.idle.close()
    assert shelf.idle.put(second), "it may be opened again, as after a drain"


def test_those_that_have_rested_for_longest_make_room() -> None:
    shelf = Shelf(4)
    channels = shelf.put(4)
    shelf.idle.shrink(4)
    assert not any(channel.closed for channel in channels)
    shelf.idle.shrink(1)
    assert [channel.closed for channel in channels] == [True, True, True, False]
    shelf.idle.shrink(0)
    assert all(channel.closed for channel in channels)


def test_what_was_guessed_of_the_last_read_is_forgotten(shelf: Shelf) -> None:
    channel = shelf.connect()
    channel.readable = True
    shelf.idle.put(channel)
    assert shelf.idle.take(nobody) is channel
    assert not channel.readable
