"""Channels in memory: level-triggered readiness, partial sends, ends and failures."""

import errno

import pytest

from protocol.uwsgi import encode_packet, encode_vars
from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import Address
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryChannel, MemoryNetwork
from proxy.upstream.channel import RECEIVE_BYTES, Channel, Network

ADDRESS = Address(path="/run/app.sock")


class Bench:
    """A network with one backend, and how often it has woken its user."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.backend = MemoryBackend(ADDRESS)
        self.network: Network = MemoryNetwork(self.clock, [self.backend])
        self.wakes = 0

    def wake(self) -> None:
        """Deal with what is there, as a connection would."""
        self.wakes += 1
        self.channel.want(read=False, write=False)

    def open(self) -> Channel:
        self.channel: Channel = self.network.open(ADDRESS, self.wake)
        return self.channel


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_request_can_be_looked_at(bench: Bench) -> None:
    channel = bench.open()
    assert channel.connected()
    packet = encode_packet(encode_vars([(b"A", b"1"), (b"A", b"2")]), 5, 7)
    at = bench.backend.channel
    complete = [at.complete]
    assert channel.send(packet[:6]) == 6
    complete.append(at.complete)
    assert channel.send(memoryview(packet)[6:]) == len(packet) - 6
    complete.append(at.complete)
    assert complete == [False, False, True]
    assert channel.send(b"body") == 4
    assert at.pairs == [(b"A", b"1"), (b"A", b"2")]
    assert at.variables == {"A": b"2"}
    assert at.body == b"body"
    assert (at.sent[0], at.sent[3]) == (5, 7)


def test_the_kernel_takes_as_much_as_the_test_says(bench: Bench) -> None:
    bench.backend.window = 3
    channel = bench.open()
    assert channel.send(b"abcde") == 3
    assert channel.send(b"de") == 0
    channel.want(read=False, write=True)
    bench.clock.settle()
    assert bench.wakes == 0
    bench.backend.channel.take(1)
    assert (bench.wakes, channel.send(b"de")) == (1, 1)
    bench.backend.channel.take()
    assert channel.send(b"e") == 1


def test_bytes_wake_only_who_wants_them_and_stay_until_they_are_received(bench: Bench) -> None:
    channel = bench.open()
    bench.backend.channel.reply(b"x" * (RECEIVE_BYTES + 1))
    assert (bench.wakes, channel.readable) == (0, False)
    channel.want(read=True, write=False)
    bench.clock.settle()
    assert (bench.wakes, channel.readable) == (1, True)
    assert (channel.receive(), channel.readable) == (b"x" * RECEIVE_BYTES, True)
    assert bench.backend.channel.unread_bytes == 1
    assert (channel.receive(), channel.readable) == (b"x", False)
    assert channel.receive() is None


def test_a_ready_channel_that_nobody_serves_is_told_of(bench: Bench) -> None:
    bench.open().want(read=True, write=False)
    bench.wake = lambda: None  # type: ignore[method-assign]
    channel = bench.network.open(ADDRESS, lambda: None)
    channel.want(read=True, write=False)
    with pytest.raises(AssertionError, match="busy without end"):
        bench.backend.channel.reply(b"x")


def test_the_end(bench: Bench) -> None:
    channel = bench.open()
    bench.backend.channel.end(b"last")
    assert channel.receive() == b"last"
    assert channel.receive() == b""
    assert channel.receive() == b""
    with pytest.raises(BrokenPipeError):
        channel.send(b"x")


def test_a_reset_comes_behind_what_was_sent_before(bench: Bench) -> None:
    channel = bench.open()
    bench.backend.channel.reply(b"first")
    bench.backend.channel.reset()
    with pytest.raises(BrokenPipeError):
        channel.send(b"x")
    assert channel.receive() == b"first"
    with pytest.raises(ConnectionResetError) as caught:
        channel.receive()
    assert caught.value.errno == errno.ECONNRESET
    assert channel.receive() == b""


def test_connecting_takes_until_the_test_says(bench: Bench) -> None:
    bench.backend.outcome = "connecting"
    channel = bench.open()
    assert not channel.connected()
    channel.want(read=False, write=True)
    bench.clock.settle()
    assert bench.wakes == 0
    bench.backend.channel.accept()
    assert bench.wakes == 1
    assert channel.connected()


def test_that_a_connection_is_made_is_told_although_nothing_can_be_sent(bench: Bench) -> None:
    bench.backend.outcome, bench.backend.window = "connecting", 0
    channel = bench.open()
    channel.want(read=False, write=True)
    bench.backend.channel.accept()
    assert bench.wakes == 1
    assert channel.connected()
    channel.want(read=False, write=True)
    bench.clock.settle()
    assert bench.wakes == 1


def test_a_connect_can_fail_later(bench: Bench) -> None:
    bench.backend.outcome = "connecting"
    channel = bench.open()
    channel.want(read=False, write=True)
    bench.backend.channel.refuse(errors.CONNECT_REFUSED)
    assert bench.wakes == 1
    with pytest.raises(ProxyError) as caught:
        channel.connected()
    assert caught.value.reason is errors.CONNECT_REFUSED
    assert caught.value.nothing_sent


def test_a_connect_can_fail_at_once(bench: Bench) -> None:
    bench.backend.outcome = errors.SOCKET_MISSING
    with pytest.raises(ProxyError) as caught:
        bench.open()
    assert (caught.value.reason, caught.value.nothing_sent) == (errors.SOCKET_MISSING, True)
    bench.backend.outcome = "busy"
    with pytest.raises(BackendBusy):
        bench.open()
    assert bench.backend.tries == 2
    assert not bench.backend.channels


def test_a_closed_channel_is_quiet_and_may_not_be_used(bench: Bench) -> None:
    channel = bench.open()
    channel.want(read=True, write=True)
    bench.clock.settle()
    woken = bench.wakes
    channel.close()
    channel.close()
    bench.backend.channel.reply(b"x")
    assert bench.wakes == woken
    assert isinstance(channel, MemoryChannel)
    assert channel.closed
    for use in (channel.receive, lambda: channel.send(b""), lambda: channel.want(True, True)):
        with pytest.raises(AssertionError):
            use()
