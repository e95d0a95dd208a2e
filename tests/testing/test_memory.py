"""The transport and the client in memory; and that asyncio's own transport behaves the same."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import pytest

from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory import RECEIVE_BYTES, MemoryClient


class Recorder(asyncio.Protocol):
    """Writes down what a transport tells."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.data = b""
        self.keep_open = True
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self.keep_open

    def connection_lost(self, error: Exception | None) -> None:
        self.events.append("lost" if error is None else f"lost: {type(error).__name__}")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


def connect() -> tuple[MemoryClient, Recorder, FakeClock]:
    clock = FakeClock()
    protocol = Recorder()
    return MemoryClient(clock, lambda: protocol), protocol, clock


def test_bytes_go_both_ways() -> None:
    client, protocol, _ = connect()
    client.send(b"ping")
    assert protocol.data == b"ping"
    protocol.transport.write(b"po")
    protocol.transport.writelines([b"n", b"g"])
    assert client.received() == b"pong"
    assert client.received() == b""
    assert client.everything == b"pong"


def test_long_data_comes_in_pieces() -> None:
    client, protocol, _ = connect()
    sizes: list[int] = []
    protocol.data_received = lambda data: sizes.append(len(data))  # type: ignore[method-assign]
    client.send(b"x" * (RECEIVE_BYTES + 1))
    assert sizes == [RECEIVE_BYTES, 1]


def test_while_the_server_does_not_read_bytes_and_end_wait() -> None:
    client, protocol, clock = connect()
    protocol.transport.pause_reading()
    client.send(b"data")
    client.end()
    assert (protocol.data, protocol.events) == (b"", ["made"])
    assert client.unread_bytes == 4
    protocol.transport.resume_reading()
    clock.settle()
    assert (protocol.data, protocol.events) == (b"data", ["made", "eof"])


def test_a_client_that_does_not_take_bytes_makes_the_server_pause() -> None:
    client, protocol, _ = connect()
    protocol.transport.set_write_buffer_limits(high=10, low=2)
    client.take(3)
    protocol.transport.write(b"x" * 13)
    assert protocol.events == ["made"]
    assert protocol.transport.get_write_buffer_size() == 10
    protocol.transport.write(b"x")
    assert protocol.events == ["made", "pause"]
    client.take(8)
    assert protocol.events == ["made", "pause"]
    client.take(1)
    assert protocol.events == ["made", "pause", "resume"]
    assert len(client.received()) == 12
    client.take()
    assert len(client.received()) == 2


def test_the_default_limits_are_those_of_asyncio() -> None:
    _, protocol, _ = connect()
    protocol.transport.set_write_buffer_limits()
    assert protocol.transport.get_write_buffer_limits() == (16384, 65536)


def test_close_waits_for_what_is_not_taken_yet() -> None:
    client, protocol, clock = connect()
    client.take(1)
    protocol.transport.write(b"abc")
    protocol.transport.close()
    client.send(b"too late")
    clock.settle()
    assert (client.closed, client.at_end, protocol.data) == (False, False, b"")
    client.take()
    assert (client.closed, client.at_end, client.was_reset) == (True, True, False)
    assert client.received() == b"abc"
    assert protocol.events == ["made", "lost"]


def test_abort_drops_what_is_not_taken_yet() -> None:
    client, protocol, clock = connect()
    client.take(1)
    protocol.transport.write(b"abc")
    protocol.transport.abort()
    assert protocol.events == ["made"]
    clock.settle()
    assert protocol.events == ["made", "lost"]
    assert (client.closed, client.at_end, client.received()) == (True, True, b"a")


def test_an_abort_without_lingering_is_a_reset() -> None:
    client, protocol, clock = connect()
    sock = protocol.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    protocol.transport.abort()
    clock.settle()
    assert (client.closed, client.at_end, client.was_reset) == (True, False, True)


def test_a_client_can_reset() -> None:
    client, protocol, _ = connect()
    client.reset()
    client.reset()
    assert protocol.events == ["made", "lost: ConnectionResetError"]
    protocol.transport.write(b"void")
    assert client.received() == b""


def test_the_end_of_the_server_s_bytes_alone() -> None:
    client, protocol, _ = connect()
    client.take(0)
    protocol.transport.write(b"abc")
    protocol.transport.write_eof()
    assert not client.at_end
    client.take()
    assert (client.at_end, client.closed) == (True, False)
    client.send(b"still read")
    assert protocol.data == b"still read"


def test_who_is_at_the_other_end() -> None:
    clock = FakeClock()
    unix = MemoryClient(clock, Recorder, peername="", sockname="/run/http.sock")
    assert unix.transport.get_extra_info("sockname") == "/run/http.sock"
    assert unix.transport.get_extra_info("socket").family == socket.AF_UNIX
    tcp = MemoryClient(clock, Recorder)
    assert tcp.transport.get_extra_info("peername") == ("192.0.2.1", 40000)
    assert tcp.transport.get_extra_info("socket").family == socket.AF_INET


# -- the same against asyncio itself --------------------------------------------------------------

Play = Callable[[Recorder, Callable[[], None], Callable[[], None]], None]
"""A scenario: a protocol, what lets the peer end its bytes, what lets everything happen."""


def in_memory(play: Play) -> list[str]:
    client, protocol, clock = connect()
    play(protocol, client.end, clock.settle)
    return protocol.events


def on_asyncio(play: Play) -> list[str]:
    loop = asyncio.new_event_loop()
    ours, theirs = socket.socketpair()
    protocol = Recorder()

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    with contextlib.closing(loop), theirs:
        loop.run_until_complete(loop.create_connection(lambda: protocol, sock=ours))
        play(
            protocol,
            lambda: theirs.shutdown(socket.SHUT_WR),
            lambda: loop.run_until_complete(turns()),
        )
        protocol.transport.abort()
        loop.run_until_complete(turns())
    return protocol.events


def close(protocol: Recorder, end: Callable[[], None], settle: Callable[[], None]) -> None:
    protocol.transport.write(b"x")
    protocol.transport.close()
    assert protocol.transport.is_closing()
    protocol.events.append("close() has returned")
    settle()
    protocol.transport.write(b"void")
    protocol.transport.close()
    settle()


def abort(protocol: Recorder, end: Callable[[], None], settle: Callable[[], None]) -> None:
    protocol.transport.abort()
    protocol.events.append("abort() has returned")
    settle()
    protocol.transport.abort()
    settle()


def end_of_file(protocol: Recorder, end: Callable[[], None], settle: Callable[[], None]) -> None:
    end()
    settle()
    protocol.transport.write(b"x")
    settle()
    protocol.events.append("written")
    protocol.transport.close()
    settle()


def refused_end(protocol: Recorder, end: Callable[[], None], settle: Callable[[], None]) -> None:
    protocol.keep_open = False
    end()
    settle()
    protocol.events.append("settled")


def write_after_eof(
    protocol: Recorder, end: Callable[[], None], settle: Callable[[], None]
) -> None:
    protocol.transport.write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        protocol.transport.write(b"x")
    settle()
    protocol.transport.close()
    settle()


@pytest.mark.parametrize("play", [close, abort, end_of_file, refused_end, write_after_eof])
def test_asyncio_tells_the_same(play: Play) -> None:
    assert on_asyncio(play) == in_memory(play)
