"""After 101: bytes both ways, until either side ends."""

from collections.abc import Callable

import pytest

from proxy import errors
from proxy.settings import ClientSettings, UpstreamSettings
from proxy.stream import MAX_UNREAD_BYTES, MAX_UNSENT_BYTES
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryChannel
from proxy.tunnel import MAX_PENDING_BYTES
from proxy.upstream.channel import RECEIVE_BYTES
from tests.wire import harness, request

UPGRADE = request(b"GET /ws HTTP/1.1", b"Upgrade: websocket", b"Connection: Upgrade")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def tunnel(
    *parts: object, early: bytes = b"", greeting: bytes = b""
) -> tuple[Harness, MemoryClient, MemoryChannel]:
    """Return a front end, a client and a backend that have switched protocols."""
    wire = harness(*parts)
    client = wire.client()
    client.send(UPGRADE + early)
    channel = wire.backend.channel
    channel.reply(SWITCH + greeting)
    return wire, client, channel


def heard(channel: MemoryChannel) -> bytes:
    """Return what the backend has heard behind the packet."""
    return channel.body


def test_the_head() -> None:
    wire, client, channel = tunnel()
    got = client.received()
    assert got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Connection: upgrade\r\n" in got
    assert b"Upgrade: websocket\r\n" in got
    assert b"Transfer-Encoding" not in got
    assert channel.variables["HTTP_UPGRADE"] == b"websocket"
    assert channel.variables["HTTP_CONNECTION"] == b"Upgrade"
    assert not wire.records


def test_bytes_go_both_ways_as_they_are() -> None:
    wire, client, channel = tunnel()
    client.received()
    client.send(b"\x81\x05hello")
    assert heard(channel) == b"\x81\x05hello"
    channel.reply(b"\x81\x02hi")
    assert client.received() == b"\x81\x02hi"
    client.send(b"x" * 1_000_000)
    assert len(heard(channel)) == 1_000_007
    channel.reply(b"y" * 1_000_000)
    assert len(client.received()) == 1_000_000
    assert not wire.records


def test_what_was_sent_early_is_not_lost() -> None:
    _, client, channel = tunnel(early=b"early", greeting=b"welcome")
    assert heard(channel) == b"early"
    assert client.received().endswith(b"\r\n\r\nwelcome")


def test_the_backend_may_end_it() -> None:
    wire, client, channel = tunnel()
    channel.end(b"bye")
    assert (client.received()[-3:], client.at_end) == (b"bye", True)
    assert channel.closed
    (record,) = wire.records
    assert (record.status, record.reason) == (101, None)
    assert (wire.in_flight, wire.connections) == (0, set())


@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
def test_the_client_may_end_it(leave: Callable[[MemoryClient], None]) -> None:
    wire, client, channel = tunnel()
    client.send(b"bye")
    leave(client)
    assert heard(channel) == b"bye"
    assert (channel.closed, client.closed) == (True, True)
    (record,) = wire.records
    assert (record.status, record.reason) == (101, None)


def test_a_backend_that_resets() -> None:
    wire, client, channel = tunnel()
    channel.reset()
    assert client.closed
    (record,) = wire.records
    assert (record.status, record.reason) == (101, errors.RESET_MID_BODY)


def test_what_a_backend_said_before_it_stopped_listening_arrives() -> None:
    wire, client, channel = tunnel()
    client.transport.pause_reading()
    client.send(b"nobody will hear this")
    client.transport.resume_reading()
    channel.end(b"last words")  # both at once: the client's words are tried first
    assert (client.received()[-10:], client.at_end) == (b"last words", True)
    assert wire.records[0].reason is None


def test_a_backend_that_does_not_listen_holds_the_client_up() -> None:
    _, client, channel = tunnel()
    channel.take(0)
    client.send(b"x" * 3_000_000)
    read = 3_000_000 - client.unread_bytes
    assert read <= MAX_PENDING_BYTES + 3 * RECEIVE_BYTES * 4 + MAX_UNREAD_BYTES
    channel.take()
    assert len(heard(channel)) == 3_000_000


def test_a_client_that_does_not_listen_holds_the_backend_up() -> None:
    _, client, channel = tunnel()
    client.take(0)
    channel.reply(b"x" * 3_000_000)
    assert 3_000_000 - channel.unread_bytes <= MAX_UNSENT_BYTES + 2 * RECEIVE_BYTES
    client.take()
    assert client.received().count(b"x") >= 3_000_000


def test_silence_of_the_backend_ends_it() -> None:
    wire, client, channel = tunnel(UpstreamSettings(read_timeout_s=20.0))
    for _ in range(3):
        wire.clock.advance(19.0)
        channel.reply(b".")
    wire.clock.advance(10.0)
    client.send(b"the client's words do not count")
    wire.clock.advance(10.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed
    (record,) = wire.records
    assert (record.status, record.reason) == (101, errors.READ_TIMEOUT_MID_BODY)


def test_it_may_outlive_every_limit_of_the_client() -> None:
    wire, client, channel = tunnel(
        ClientSettings(header_timeout_s=1.0, send_timeout_s=1.0, keepalive_time_s=1.0)
    )
    for _ in range(5):
        wire.clock.advance(50.0)
        channel.reply(b".")
    assert not client.closed


@pytest.mark.parametrize("how", ["drain", "cut"])
def test_when_the_server_stops(how: str) -> None:
    wire, client, channel = tunnel()
    wire.drain()
    assert not client.closed
    if how == "drain":
        channel.end()
    else:
        wire.cut()
    assert (client.closed, channel.closed, wire.in_flight) == (True, True, 0)
    (record,) = wire.records
    assert record.reason is (None if how == "drain" else errors.SHUTDOWN_CUT)


def test_http_1_0_may_switch_too() -> None:
    wire = harness()
    client = wire.client()
    client.send(request(b"GET / HTTP/1.0", b"Upgrade: x"))
    wire.backend.channel.reply(SWITCH)
    assert client.received().startswith(b"HTTP/1.1 101 ")
    client.send(b"ping")
    assert heard(wire.backend.channel) == b"ping"
