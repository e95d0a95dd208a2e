"""The body of a reply on its way: never a stalled worker within bounds, never a lost byte."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from proxy import errors
from proxy.relay import MAX_READS
from proxy.settings import BufferSettings, ClientSettings, UpstreamSettings
from proxy.stream import MAX_UNSENT_BYTES
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryChannel
from proxy.upstream.channel import RECEIVE_BYTES
from tests.wire import ENDLESS, GET, harness, read_responses, reply, request

BODY = bytes(range(256)) * 8192
"""2 MiB in which each byte has its place."""

UNBUFFERED = BufferSettings(reply_buffering=False)


def begin(wire: Harness, *, takes: bool = True) -> tuple[MemoryClient, MemoryChannel]:
    """Return a client that waits for its reply, and the backend's end."""
    client = wire.client()
    if not takes:
        client.take(0)
    client.send(GET)
    return client, wire.backend.channel


def body_of(client: MemoryClient) -> bytes:
    (response,) = read_responses(client.everything)
    return response.body


# -- buffered -------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0, 1000, 10_000_000])
@pytest.mark.parametrize("framing", ["length", "end"])
def test_a_worker_is_released_however_slow_the_client_is(
    memory: int, framing: str, tmp_path: Path
) -> None:
    wire = harness(BufferSettings(reply_memory_bytes=memory, spool_dir=str(tmp_path)))
    client, channel = begin(wire, takes=False)
    if framing == "length":
        channel.reply(reply(BODY))
    else:
        channel.end(ENDLESS + BODY)
    assert channel.closed
    assert (channel.unread_bytes, wire.in_flight) == (0, 0)
    assert not wire.records
    while not wire.records:
        client.take(100_000)
    client.take()
    assert body_of(client) == BODY
    assert wire.records[0].reason is None
    assert os.listdir(tmp_path) == []


def test_no_file_is_made_while_memory_is_enough(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    wire = harness(BufferSettings(reply_memory_bytes=len(BODY), spool_dir=missing))
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    client.take()
    assert body_of(client) == BODY


@pytest.mark.parametrize(("memory", "file_bytes"), [(100_000, 0), (100_000, 500_000), (0, 300_000)])
def test_over_the_bounds_the_worker_has_to_wait(memory: int, file_bytes: int) -> None:
    wire = harness(BufferSettings(reply_memory_bytes=memory, max_temp_file_bytes=file_bytes))
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    read = len(BODY) - channel.unread_bytes
    least = memory + file_bytes + MAX_UNSENT_BYTES
    assert least <= read + RECEIVE_BYTES
    assert read <= least + 3 * RECEIVE_BYTES
    assert not channel.closed
    client.take()
    assert channel.closed
    assert body_of(client) == BODY


def test_a_waiting_worker_goes_on_when_there_is_room_again() -> None:
    wire = harness(BufferSettings(reply_memory_bytes=300_000, max_temp_file_bytes=0))
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    unread = [channel.unread_bytes]
    while unread[-1]:
        client.take(400_000)
        unread.append(channel.unread_bytes)
    assert len(unread) > 3
    assert unread == sorted(unread, reverse=True)
    client.take()
    assert body_of(client) == BODY


def test_a_client_in_time_gets_each_piece_at_once_and_the_head_with_the_first() -> None:
    wire = harness()
    client, channel = begin(wire)
    channel.reply(ENDLESS)
    assert client.received() == b""
    channel.reply(b"one")
    assert client.received().endswith(b"\r\n\r\n3\r\none\r\n")
    channel.reply(b"two")
    assert client.received() == b"3\r\ntwo\r\n"
    channel.end()
    assert client.received() == b"0\r\n\r\n"


def test_a_spool_that_fails_breaks_the_response_off(tmp_path: Path) -> None:
    spool_dir = str(tmp_path / "missing")
    wire = harness(BufferSettings(reply_memory_bytes=0, spool_dir=spool_dir))
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    assert channel.closed
    client.take()
    (response,) = read_responses(client.everything, ended=client.at_end)
    assert not response.whole
    assert BODY.startswith(response.body)
    record = wire.records[0]
    assert (record.status, record.reason) == (200, errors.SPOOL_FAILED)
    assert wire.pool.backends[0].failures == 0


# -- unbuffered -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["setting", "header"])
def test_unbuffered_a_head_and_each_event_arrive_at_once(how: str) -> None:
    wire = harness(UNBUFFERED) if how == "setting" else harness()
    accel = b"" if how == "setting" else b"X-Accel-Buffering: no\r\n"
    client, channel = begin(wire)
    channel.reply(b"HTTP/1.1 200 OK\r\n" + accel + b"Content-Type: text/event-stream\r\n\r\n")
    head = client.received()
    assert head.endswith(b"\r\n\r\n")
    assert b"X-Accel" not in head
    for number in range(3):
        channel.reply(b"data: %d\n\n" % number)
        assert client.received() == b"9\r\ndata: %d\n\n\r\n" % number
    channel.end()
    assert client.received() == b"0\r\n\r\n"


def test_an_application_can_ask_for_buffering() -> None:
    wire = harness(UNBUFFERED)
    client, channel = begin(wire, takes=False)
    channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Buffering: yes\r\n\r\n")
    channel.end(BODY)
    assert channel.closed
    client.take()
    assert body_of(client) == BODY


def test_unbuffered_the_worker_goes_at_the_client_s_speed() -> None:
    wire = harness(UNBUFFERED)
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    read = len(BODY) - channel.unread_bytes
    assert read <= MAX_UNSENT_BYTES + 2 * RECEIVE_BYTES
    client.take()
    assert body_of(client) == BODY


# -- taking turns ---------------------------------------------------------------------------------


def test_a_fast_backend_with_a_fast_client_lets_others_have_their_turn() -> None:
    wire = harness()
    _, channel = begin(wire)
    turns: list[int] = []

    def look() -> bool:
        turns.append(channel.unread_bytes)
        return False

    wire.clock.sources.append(look)
    channel.reply(ENDLESS + BODY * 4)
    largest = max(before - after for before, after in pairwise(turns))
    assert 0 < largest <= MAX_READS * RECEIVE_BYTES
    assert channel.unread_bytes == 0


# -- deadlines ------------------------------------------------------------------------------------


def test_the_backend_s_time_is_between_two_reads() -> None:
    wire = harness(UpstreamSettings(read_timeout_s=20.0))
    client, channel = begin(wire)
    channel.reply(reply(b"x" * 10)[:-10])
    for _ in range(5):
        wire.clock.advance(19.0)
        channel.reply(b"x")
    assert not client.closed
    wire.clock.advance(20.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed
    record = wire.records[0]
    assert (record.status, record.reason) == (200, errors.READ_TIMEOUT_MID_BODY)
    assert channel.closed
    assert wire.pool.backends[0].failures == 0  # its head was good: nginx rule 6.11


def test_a_client_that_talks_does_not_give_the_backend_more_time() -> None:
    wire = harness(UpstreamSettings(read_timeout_s=20.0))
    client, channel = begin(wire)
    channel.reply(ENDLESS + b"x")
    for _ in range(4):
        wire.clock.advance(5.0)
        client.send(b"G")
    wire.clock.advance(LATE_S)
    assert client.closed
    assert wire.records[0].reason is errors.READ_TIMEOUT_MID_BODY


def stuck(wire: Harness) -> tuple[MemoryClient, MemoryChannel]:
    """Return a client that takes nothing of a reply that is in the spool."""
    client, channel = begin(wire, takes=False)
    channel.reply(reply(BODY))
    assert channel.closed
    return client, channel


def test_a_client_that_takes_nothing_is_let_go() -> None:
    wire = harness(ClientSettings(send_timeout_s=30.0))
    client, _ = stuck(wire)
    wire.clock.advance(30.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed
    record = wire.records[0]
    assert (record.status, record.reason) == (200, errors.CLIENT_SEND_TIMEOUT)
    assert record.attempts[0].reason is None  # the backend has done all it should
    assert wire.pool.backends[0].failures == 0


def test_a_client_that_takes_little_has_its_time() -> None:
    wire = harness(ClientSettings(send_timeout_s=30.0))
    client, _ = stuck(wire)
    for _ in range(20):
        wire.clock.advance(25.0)
        client.take(1)
    assert not client.closed
    wire.clock.advance(60.0 + 2 * LATE_S)
    assert client.closed


def test_a_client_that_takes_much_at_once_has_its_whole_time_again() -> None:
    """More is written then, so that there is as much to take as before."""
    wire = harness(ClientSettings(send_timeout_s=30.0))
    client, _ = stuck(wire)
    wire.clock.advance(25.0)
    client.take(MAX_UNSENT_BYTES + 2 * RECEIVE_BYTES)
    client.take(0)
    wire.clock.advance(29.0)
    assert not client.closed
    wire.clock.advance(1.0 + 2 * LATE_S)
    assert client.closed


def test_a_backend_that_talks_does_not_give_the_client_more_time() -> None:
    wire = harness(ClientSettings(send_timeout_s=30.0))
    client, channel = begin(wire, takes=False)
    channel.reply(ENDLESS + BODY)
    for _ in range(6):
        wire.clock.advance(5.0)
        channel.reply(b"more")
    wire.clock.advance(LATE_S)
    assert client.closed
    assert wire.records[0].reason is errors.CLIENT_SEND_TIMEOUT
    assert channel.closed


def test_while_the_client_is_behind_the_backend_may_be_silent() -> None:
    wire = harness(ClientSettings(send_timeout_s=100.0), UpstreamSettings(read_timeout_s=10.0))
    client, channel = begin(wire, takes=False)
    channel.reply(ENDLESS + BODY)
    wire.clock.advance(90.0)
    assert not channel.closed
    client.take()
    wire.clock.advance(9.0)
    channel.end(b"!")
    assert body_of(client) == BODY + b"!"


def test_a_client_without_a_length_that_is_let_go_sees_a_reset() -> None:
    wire = harness()
    client = wire.client()
    client.take(0)
    client.send(request(b"GET / HTTP/1.0"))
    wire.backend.channel.end(ENDLESS + BODY)
    wire.clock.advance(60.0 + LATE_S)
    assert (client.closed, client.was_reset) == (True, True)


# -- clients that leave ---------------------------------------------------------------------------


@pytest.mark.parametrize("half", [True, False])
def test_a_client_that_leaves_in_the_middle(half: bool) -> None:
    wire = harness()
    client, channel = begin(wire)
    channel.reply(ENDLESS + b"x")
    if half:
        client.end()
    else:
        client.reset()
    assert client.closed
    assert channel.closed
    record = wire.records[0]
    assert (record.status, record.reason) == (200, errors.CLIENT_GONE)
    assert record.attempts[0].reason is errors.CLIENT_GONE
    assert wire.pool.backends[0].failures == 0


def test_a_client_that_leaves_while_the_spool_drains() -> None:
    wire = harness()
    client, _ = stuck(wire)
    client.reset()
    record = wire.records[0]
    assert (record.status, record.reason) == (200, errors.CLIENT_GONE)
    assert record.attempts[0].reason is None


@pytest.mark.parametrize("half", [True, False])
def test_an_application_may_finish_without_its_client(half: bool) -> None:
    wire = harness(ClientSettings(ignore_client_abort=True))
    client, channel = begin(wire)
    channel.reply(ENDLESS + b"x")
    if half:
        client.end()
    else:
        client.reset()
    channel.reply(BODY)
    assert not channel.closed
    channel.end(b"!")
    assert channel.closed
    record = wire.records[0]
    assert (record.status, record.reason) == (200, None)
    assert client.everything.endswith(b"0\r\n\r\n") is half
    assert client.closed


# -- the application's own pace -------------------------------------------------------------------


@pytest.mark.parametrize("buffered", [b"yes", b"no"])
def test_the_application_can_slow_its_reply_down(buffered: bytes) -> None:
    wire = harness()
    client, channel = begin(wire)
    channel.reply(
        b"HTTP/1.1 200 OK\r\nX-Accel-Limit-Rate: 100000\r\nX-Accel-Buffering: %s\r\n"
        b"Content-Length: %d\r\n\r\n" % (buffered, len(BODY))
    )
    channel.reply(BODY)
    assert channel.closed is (buffered == b"yes")
    if buffered == b"no":
        assert channel.unread_bytes >= len(BODY) - 3 * RECEIVE_BYTES
    for second in range(1, 5):
        wire.clock.advance(1.0)
        got = len(client.everything)
        assert (second + 1) * 100_000 - 5000 <= got <= (second + 1) * 100_000 + 5000
    wire.clock.advance(20.0)
    assert body_of(client) == BODY
    assert wire.records[0].reason is None
    assert not client.closed


def test_a_paced_reply_keeps_to_the_bounds_of_the_spool() -> None:
    wire = harness(BufferSettings(reply_memory_bytes=100_000, max_temp_file_bytes=0))
    client, channel = begin(wire)
    channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Limit-Rate: 100000\r\n\r\n")
    channel.end(BODY)
    assert channel.unread_bytes >= len(BODY) - 100_000 - 3 * RECEIVE_BYTES
    wire.clock.advance(30.0)
    assert body_of(client) == BODY
