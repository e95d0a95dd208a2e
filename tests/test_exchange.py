"""One request's life: the order of its phases, what each failure becomes, and who may leave when.

Connecting and its retries are in tests/upstream/test_connector.py, bodies of replies in
test_relay.py, framing in test_downstream.py.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.settings import (
    BufferSettings,
    ClientSettings,
    PacketSettings,
    RetrySettings,
    ServerSettings,
    UpstreamSettings,
)
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from tests.wire import ENDLESS, GET, OK, chunked, harness, read_responses, reply, request

STREAMED = BufferSettings(request_buffering=False)
POST = request(b"POST / HTTP/1.1", b"Content-Length: 5")


def fates(wire: Harness) -> list[tuple[int, str]]:
    """Return status and reason of each record."""
    return [(one.status, one.reason.word if one.reason else "-") for one in wire.records]


def asked(wire: Harness, data: bytes = GET) -> MemoryClient:
    """Return a client that has sent `data`."""
    client = wire.client()
    client.send(data)
    return client


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest) -> ServerSettings:
    return ServerSettings(http_parser=request.param)


# -- the order of things --------------------------------------------------------------------------


def test_the_life_of_a_request(parser: ServerSettings) -> None:
    wire = harness(parser)
    client = wire.client()
    wire.clock.advance(5.0)
    client.send(GET[:10])
    wire.clock.advance(1.0)
    assert wire.backend.tries == 0
    client.send(GET[10:])
    channel = wire.backend.channel
    assert channel.complete
    wire.clock.advance(2.0)
    channel.reply(reply(b"hello")[:40])
    wire.clock.advance(1.0)
    channel.reply(reply(b"hello")[40:])
    assert channel.closed
    assert client.received().endswith(b"\r\n\r\nhello")
    (record,) = wire.records
    (attempt,) = record.attempts
    assert (record.started, record.ended, record.seconds) == (1005.0, 1009.0, 4.0)
    assert (attempt.started, attempt.connected) == (1006.0, 1006.0)
    assert (attempt.first_byte, attempt.ended) == (1008.0, 1009.0)
    assert (attempt.status, attempt.bytes_received) == (200, len(reply(b"hello")))
    assert (attempt.backend, attempt.reason) == ("unix:/run/0.sock", None)
    assert (record.remote_addr, record.request_bytes, record.body_bytes) == (
        b"192.0.2.1",
        len(GET),
        0,
    )
    assert record.request is not None
    assert record.request.line == b"GET / HTTP/1.1"


def test_a_reply_may_come_byte_by_byte(parser: ServerSettings) -> None:
    wire = harness(parser)
    client = asked(wire)
    for byte in reply(b"hello"):
        wire.backend.channel.reply(bytes([byte]))
    (response,) = read_responses(client.received())
    assert (response.body, response.whole) == (b"hello", True)


def test_the_variables_are_those_of_the_request() -> None:
    wire = harness(PacketSettings(params=(("SCRIPT_NAME", "/app"),), server_name="front"))
    asked(wire, request(b"GET /a%20b?c=d HTTP/1.1", b"X-Foo: 1"))
    variables = wire.backend.channel.variables
    assert variables["PATH_INFO"] == b"/a b"
    assert variables["QUERY_STRING"] == b"c=d"
    assert variables["HTTP_X_FOO"] == b"1"
    assert variables["SCRIPT_NAME"] == b"/app"
    assert variables["SERVER_NAME"] == b"front"


@pytest.mark.parametrize("pause_s", [0.0, 2.0])  # what is remembered is forgotten after a while
@pytest.mark.parametrize(
    "again",
    [
        GET,
        request(b"POST / HTTP/1.1", body=b"hello"),
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + chunked(b"hello"),
    ],
)
def test_a_repeated_request_is_the_same_request(again: bytes, pause_s: float) -> None:
    wire = harness()
    client = wire.client()
    for _ in range(4):
        client.send(again)
        wire.backend.channel.reply(OK)
        wire.clock.advance(pause_s)
    client.send(request(b"GET /other HTTP/1.1"))
    client.send(again)
    wire.backend.channel.reply(OK)
    *same, other, last = [bytes(channel.sent) for channel in wire.backend.channels]
    assert set(same) == {last}
    assert b"/other" in other
    assert [one.request_bytes for one in wire.records[:4]] == [wire.records[0].request_bytes] * 4


# -- request bodies -------------------------------------------------------------------------------


def test_a_body_is_read_whole_before_a_worker_is_taken(parser: ServerSettings) -> None:
    wire = harness(parser)
    client = asked(wire, POST + b"hel")
    assert wire.backend.tries == 0
    client.send(b"lo")
    assert wire.backend.channel.body == b"hello"
    assert wire.backend.channel.variables["CONTENT_LENGTH"] == b"5"
    wire.backend.channel.reply(OK)
    assert wire.records[0].body_bytes == 5


@pytest.mark.parametrize("buffering", [True, False])
def test_a_chunked_body_is_always_read_whole_and_gets_a_length(
    parser: ServerSettings, buffering: bool
) -> None:
    wire = harness(parser, BufferSettings(request_buffering=buffering))
    head = request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
    client = asked(wire, head + chunked(b"hel", b"lo")[:-2])
    assert wire.backend.tries == 0
    client.send(b"\r\n")
    channel = wire.backend.channel
    assert (channel.body, channel.variables["CONTENT_LENGTH"]) == (b"hello", b"5")
    channel.reply(OK)
    client.send(head + chunked())
    channel = wire.backend.channel
    assert (channel.body, channel.variables["CONTENT_LENGTH"]) == (b"", b"0")


def test_a_large_body_rests_in_a_file_and_arrives_whole(tmp_path: Path) -> None:
    body = os.urandom(500_000)
    wire = harness(BufferSettings(request_memory_bytes=1000, spool_dir=str(tmp_path)))
    wire.backend.window = 100_000
    asked(wire, request(b"POST / HTTP/1.1", body=body))
    channel = wire.backend.channel
    while len(channel.body) < len(body):
        channel.take(100_000)
    assert channel.body == body
    channel.reply(OK)
    assert fates(wire) == [(200, "-")]


def test_a_body_that_cannot_be_kept(tmp_path: Path) -> None:
    wire = harness(BufferSettings(request_memory_bytes=0, spool_dir=str(tmp_path / "missing")))
    client = asked(wire, POST + b"hello")
    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert fates(wire) == [(500, "spool_failed")]
    assert wire.backend.tries == 0


@pytest.mark.parametrize("how", ["declared", "chunked"])
def test_a_body_over_the_limit(how: str) -> None:
    wire = harness(ClientSettings(max_body_bytes=5))
    fits = request(b"POST / HTTP/1.1", body=b"12345")
    over = request(b"POST / HTTP/1.1", body=b"123456")
    if how == "chunked":
        head = request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
        fits, over = head + chunked(b"123", b"45"), head + chunked(b"123", b"456")
    client = asked(wire, fits)
    wire.backend.channel.reply(OK)
    client.received()
    client.send(over)
    assert client.received().startswith(b"HTTP/1.1 413 ")
    assert client.at_end
    assert fates(wire) == [(200, "-"), (413, "body_too_large")]
    assert wire.backend.tries == 1


def test_there_may_be_no_limit() -> None:
    wire = harness(ClientSettings(max_body_bytes=0))
    body = b"x" * 3_000_000
    asked(wire, request(b"POST / HTTP/1.1", body=body))
    assert wire.backend.channel.body == body
    wire.backend.channel.reply(OK)
    assert fates(wire) == [(200, "-")]


def test_a_malformed_chunked_body() -> None:
    wire = harness()
    client = asked(wire, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + b"x\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert fates(wire) == [(400, "bad_chunk")]
    assert wire.backend.tries == 0


# -- streamed uploads -----------------------------------------------------------------------------


def test_a_streamed_body_goes_on_as_it_comes() -> None:
    wire = harness(STREAMED)
    client = asked(wire, POST)
    channel = wire.backend.channel
    assert channel.body == b""
    for expected in (b"h", b"he", b"hel", b"hell", b"hello"):
        client.send(expected[-1:])
        assert channel.body == expected
    channel.reply(OK)
    assert b"Connection: keep-alive" in client.received()
    assert fates(wire) == [(200, "-")]


def test_a_streamed_body_goes_at_the_worker_s_speed() -> None:
    wire = harness(STREAMED, ClientSettings(max_body_bytes=0))
    wire.backend.window = 10_000
    body = b"x" * 2_000_000
    client = asked(wire, request(b"POST / HTTP/1.1", body=body))
    channel = wire.backend.channel
    assert client.unread_bytes > 1_000_000
    while len(channel.body) < len(body):
        channel.take(100_000)
    assert channel.body == body
    channel.reply(OK)
    assert fates(wire) == [(200, "-")]


def test_an_early_reply_stops_the_upload_and_ends_the_connection() -> None:
    wire = harness(STREAMED)
    client = asked(wire, POST + b"he")
    wire.backend.channel.reply(OK)
    client.send(b"llo")
    assert wire.backend.channel.body == b"he"
    got = client.received()
    assert b"Connection: close" in got
    assert got.endswith(b"ok")
    assert client.at_end
    assert fates(wire) == [(200, "-")]


@pytest.mark.parametrize("settings", [STREAMED, BufferSettings()])
def test_an_interim_reply_does_not_stop_the_upload(settings: BufferSettings) -> None:
    wire = harness(settings)
    wire.backend.window = 900
    client = asked(wire, request(b"POST / HTTP/1.1", body=b"x" * 3000))
    channel = wire.backend.channel
    assert 0 < len(channel.body) < 900
    channel.reply(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert client.received() == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    channel.take()
    assert len(channel.body) == 3000
    channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_who_waits_for_continue_gets_it_before_anything_else() -> None:
    wire = harness(STREAMED)
    client = asked(wire, request(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"))
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hi")
    assert wire.backend.channel.body == b"hi"
    wire.backend.channel.reply(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert client.received().startswith(b"HTTP/1.1 200 OK")


def test_who_waits_for_continue_is_refused_at_once_if_the_head_is_too_large() -> None:
    wire = harness(PacketSettings(backend_max_vars=5))
    client = asked(wire, request(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"))
    assert client.received().startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("ignore_abort", [False, True])
@pytest.mark.parametrize("settings", [STREAMED, BufferSettings()])
@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
def test_a_client_that_leaves_in_its_body(
    leave: Callable[[MemoryClient], None], settings: BufferSettings, ignore_abort: bool
) -> None:
    """Also where an application may finish without its client: this body will never be whole."""
    wire = harness(settings, ClientSettings(ignore_client_abort=ignore_abort))
    client = asked(wire, POST + b"he")
    leave(client)
    assert (client.received(), client.closed) == (b"", True)
    assert fates(wire) == [(499, "client_gone")]
    assert wire.in_flight == 0
    assert all(channel.closed for channel in wire.backend.channels)


@pytest.mark.parametrize("settings", [STREAMED, BufferSettings()])
def test_a_client_that_is_too_slow_with_its_body(settings: BufferSettings) -> None:
    wire = harness(settings, ClientSettings(body_timeout_s=10.0))
    client = asked(wire, POST)
    for _ in range(4):
        client.send(b"x")
        wire.clock.advance(10.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert (client.received(), client.closed) == (b"", True)
    assert fates(wire) == [(408, "client_body_timeout")]
    assert wire.in_flight == 0
    assert all(channel.closed for channel in wire.backend.channels)
    assert all(backend.failures == 0 for backend in wire.pool.backends)


# -- sending --------------------------------------------------------------------------------------


def test_a_worker_that_does_not_read_its_request() -> None:
    wire = harness(UpstreamSettings(send_timeout_s=20.0))
    wire.backend.window = 100
    client = asked(wire)
    channel = wire.backend.channel
    wire.clock.advance(19.0)
    channel.take(10)  # progress
    wire.clock.advance(20.0)
    assert not wire.records
    wire.clock.advance(LATE_S)
    assert fates(wire) == [(504, "send_timeout")]
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert not client.closed
    assert channel.closed
    assert len(wire.records[0].attempts) == 1


@pytest.mark.parametrize("body", [b"", b"x" * 5000])
def test_after_a_failed_write_the_reply_is_still_read(body: bytes) -> None:
    wire = harness()
    wire.backend.window = 1000 if body else 100
    client = asked(wire, request(b"POST / HTTP/1.1", body=body))
    channel = wire.backend.channel
    channel.end(OK)
    assert client.received().endswith(b"ok")
    assert fates(wire) == [(200, "-")]


def test_after_a_failed_write_without_a_reply_it_was_a_reset() -> None:
    wire = harness()
    wire.backend.window = 100
    client = asked(wire)
    channel = wire.backend.channel
    channel.reset()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fates(wire) == [(502, "reset_before_headers")]


# -- replies that fail ----------------------------------------------------------------------------

FAILED_REPLIES: dict[str, tuple[bytes, bool, int, Reason]] = {
    # what is said, whether a reset follows, status, reason
    "nothing": (b"", False, 502, errors.EOF_BEFORE_HEADERS),
    "a reset": (b"", True, 502, errors.RESET_BEFORE_HEADERS),
    "half a head": (b"HTTP/1.1 200 O", False, 502, errors.EOF_MID_HEADERS),
    "half a head and a reset": (b"HTTP/1.1 200 O", True, 502, errors.EOF_MID_HEADERS),
    "an interim head alone": (b"HTTP/1.1 102 X\r\n\r\n", False, 502, errors.EOF_BEFORE_HEADERS),
    "nonsense": (b"\x00\x01nonsense\r\n\r\n", False, 502, errors.BAD_REPLY_HEAD),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        False,
        502,
        errors.BAD_REPLY_HEAD,
    ),
    "a large head": (
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000,
        False,
        502,
        errors.REPLY_HEAD_TOO_LARGE,
    ),
    "101 out of the blue": (
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        False,
        502,
        errors.BAD_REPLY_HEAD,
    ),
    "bad chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        False,
        502,
        errors.BAD_REPLY_BODY,
    ),
}


NEVER_AGAIN = UpstreamSettings(retry=RetrySettings(conditions=(), try_duration_s=0.0))
"""uwsgi_next_upstream off."""


@pytest.mark.parametrize("case", FAILED_REPLIES)
def test_a_reply_that_fails(case: str, parser: ServerSettings) -> None:
    said, reset, status, reason = FAILED_REPLIES[case]
    wire = harness(parser, NEVER_AGAIN, backends=2)
    client = asked(wire)
    wire.clock.advance(1.5)
    channel = wire.backend.channel
    channel.reply(said)
    if not channel.closed:
        if reset:
            channel.reset()
        else:
            channel.end()
    got = client.received()
    assert got.rpartition(b"HTTP/1.1 ")[2].startswith(b"%d " % status)
    assert not client.closed
    assert fates(wire) == [(status, reason.word)]
    record = wire.records[0]
    assert [attempt.reason for attempt in record.attempts] == [reason]
    assert wire.backends[1].tries == 0
    # Whose head was good has not failed: nginx rule 6.11.
    is_late = case in ("bad chunks", "101 out of the blue")
    assert (wire.in_flight, wire.pool.backends[0].failures) == (0, 0 if is_late else 1)
    assert channel.closed
    if reason in (errors.EOF_BEFORE_HEADERS, errors.RESET_BEFORE_HEADERS):
        assert "after 1.500 s, packet of" in record.detail


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_head_that_does_not_come_in_time(part: bytes) -> None:
    wire = harness(replace(NEVER_AGAIN, read_timeout_s=20.0), backends=2)
    client = asked(wire)
    wire.clock.advance(10.0)
    wire.backend.channel.reply(part)  # the time is for the whole head: rule 5.10
    client.send(b"G")
    wire.clock.advance(10.0)
    assert not wire.records
    wire.clock.advance(LATE_S)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert fates(wire) == [(504, "read_timeout")]
    assert wire.backends[1].tries == 0


@pytest.mark.parametrize(
    ("head", "length", "status", "reason"),
    [
        (8000, 65535, 500, errors.PACKET_TOO_LARGE),
        (5000, 4096, 431, errors.PACKET_OVER_WORKER_LIMIT),
    ],
)
def test_a_request_that_no_packet_can_hold(
    head: int, length: int, status: int, reason: Reason
) -> None:
    wire = harness(
        PacketSettings(backend_buffer_bytes=length),
        ClientSettings(max_header_buffers=20),
    )
    lines = [b"X-%d: " % number + b"x" * head for number in range(9 if head == 8000 else 1)]
    client = asked(wire, request(b"GET / HTTP/1.1", *lines))
    assert client.received().startswith(b"HTTP/1.1 %d " % status)
    assert client.at_end
    assert fates(wire) == [(status, reason.word)]
    assert wire.backend.tries == 0


# -- clients that leave ---------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
@pytest.mark.parametrize("phase", ["connecting", "busy", "sending", "waiting", "half a head"])
def test_a_client_that_leaves_frees_everything_at_once(
    leave: Callable[[MemoryClient], None], phase: str
) -> None:
    wire = harness(backends=2)
    if phase == "connecting":
        wire.backend.outcome = "connecting"
    elif phase == "busy":
        wire.backends[0].outcome = wire.backends[1].outcome = "busy"
    elif phase == "sending":
        wire.backend.window = 10
    client = asked(wire)
    if phase == "half a head":
        wire.backend.channel.reply(b"HTTP/1.1 20")
    leave(client)
    assert (client.received(), client.closed) == (b"", True)
    assert fates(wire) == [(499, "client_gone")]
    assert (wire.in_flight, wire.connections) == (0, set())
    assert all(channel.closed for one in wire.backends for channel in one.channels)
    assert wire.backends[1].channels == []
    assert all(backend.failures == 0 for backend in wire.pool.backends)
    wire.clock.advance(5.0)  # a timer that is still set finds nobody


def test_a_half_closed_client_gets_no_answer_to_what_it_has_pipelined() -> None:
    wire = harness()
    client = wire.client()
    client.transport.pause_reading()
    client.send(GET + GET)
    client.end()
    client.transport.resume_reading()
    wire.clock.settle()
    assert (client.received(), client.closed) == (b"", True)
    assert fates(wire) == [(499, "client_gone")]
    assert wire.backend.tries == 1


@pytest.mark.parametrize("half", [True, False])
def test_an_application_may_finish_without_its_client(half: bool) -> None:
    wire = harness(ClientSettings(ignore_client_abort=True))
    client = asked(wire)
    if half:
        client.end()
    else:
        client.reset()
    assert not wire.records
    wire.backend.channel.reply(OK)
    assert fates(wire) == [(200, "-")]
    assert client.received().endswith(b"ok") is half
    assert client.closed


def test_no_backend_is_configured() -> None:
    wire = harness(backends=0)
    client = asked(wire, GET + GET)
    assert client.received().count(b"HTTP/1.1 502 ") == 2
    assert fates(wire) == [(502, "no_backend")] * 2


# -- X-Accel-Redirect -----------------------------------------------------------------------------


def test_a_request_goes_where_the_application_sends_it() -> None:
    wire = harness()
    client = asked(wire, request(b"POST /a HTTP/1.1", body=b"hello"))
    first = wire.backend.channel
    first.reply(
        b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /b%20c?d=e\r\nSet-Cookie: k=v\r\n"
        b"Content-Length: 100\r\n\r\ndropped"
    )
    assert first.closed
    second = wire.backend.channel
    assert second is not first
    assert second.variables["REQUEST_METHOD"] == b"GET"
    assert second.variables["PATH_INFO"] == b"/b c"
    assert second.variables["QUERY_STRING"] == b"d=e"
    assert second.variables["REQUEST_URI"] == b"/a"
    assert second.body == b""
    second.reply(reply(b"there", b"404 Not Found"))
    got = client.received()
    assert got.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"Set-Cookie: k=v\r\n" in got
    assert got.endswith(b"\r\n\r\nthere")
    assert fates(wire) == [(404, "-")]
    assert [attempt.status for attempt in wire.records[0].attempts] == [200, 404]


def test_redirects_have_an_end() -> None:
    wire = harness()
    client = asked(wire)
    while not wire.records:
        wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert wire.records[0].reason is errors.REDIRECT_CYCLE
    assert wire.in_flight == 0


def test_an_unsafe_redirect() -> None:
    wire = harness()
    client = asked(wire)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /../etc\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 404 ")
    assert wire.records[0].reason is errors.UNSAFE_REDIRECT


def test_a_redirect_to_a_backend_that_has_gone() -> None:
    wire = harness()
    client = asked(wire)
    wire.backend.outcome = errors.CONNECT_REFUSED
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /b\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")
    reasons = [attempt.reason for attempt in wire.records[0].attempts]
    assert reasons == [None, errors.CONNECT_REFUSED]


ACCEL = b"HTTP/1.1 %s\r\nX-Accel-Redirect: /b\r\nContent-Length: 0\r\n\r\n"


def test_a_redirect_is_another_request_to_all_backends() -> None:
    """Neither what was tried for the first one counts, nor that it could not be repeated."""
    retry = RetrySettings(tries=2, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=2)
    client = asked(wire, request(b"POST /a HTTP/1.1", body=b"hello"))
    wire.backends[0].channel.reply(ACCEL % b"200 OK")
    wire.clock.advance(1.0)
    wire.backends[1].channel.end()
    wire.backends[0].channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert fates(wire) == [(200, "-")]
    assert [one.reason for one in wire.records[0].attempts] == [
        None,
        errors.EOF_BEFORE_HEADERS,
        None,
    ]


def test_a_redirect_with_a_status_that_would_be_retried() -> None:
    retry = RetrySettings(conditions=("error", "http_404"), try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry))
    client = asked(wire)
    wire.backend.channel.reply(ACCEL % b"404 Not Found")
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


# -- everything at once ---------------------------------------------------------------------------


def test_many_clients_at_once_do_not_mix() -> None:
    wire = harness(backends=3)
    clients = [wire.client() for _ in range(30)]
    for number, client in enumerate(clients):
        client.send(request(b"GET /%d HTTP/1.1" % number))
    assert [backend.tries for backend in wire.backends] == [10, 10, 10]
    assert wire.in_flight == 30
    for backend in wire.backends:
        for channel in reversed(backend.channels):
            channel.end(ENDLESS + channel.variables["PATH_INFO"])
    for number, client in enumerate(clients):
        (response,) = read_responses(client.received())
        assert response.body == b"/%d" % number
    assert wire.in_flight == 0
