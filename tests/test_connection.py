"""Client connections: keep-alive, pipelining, deadlines, lingering, the end in every phase."""

import logging

import pytest

from proxy import errors
from proxy.connection import WAKEFUL_S
from proxy.downstream import Downstream, page_for
from proxy.settings import ClientSettings
from proxy.stream import MAX_UNREAD_BYTES
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import RECEIVE_BYTES, MemoryClient
from tests.wire import GET, HOST, OK, harness, read_responses, reply, request

BIG = b"x" * 300_000
"""More than a stream keeps for a client before it is unwritable."""


def exchange(wire: Harness, client: MemoryClient, asked: bytes = GET, reply: bytes = OK) -> bytes:
    """Have a request answered and return what the client got."""
    client.send(asked)
    wire.backend.channel.reply(reply)
    return client.received()


def summary(wire: Harness) -> list[tuple[int, str]]:
    """Return status and reason of each record."""
    return [(r.status, r.reason.word if r.reason else "-") for r in wire.records]


# -- keep-alive -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: close", False),
        (b"HTTP/1.1", b"Connection: keep-alive", True),
        (b"HTTP/1.1", b"Connection: Keep-Alive, Close", False),
        (b"HTTP/1.1", b"Connection: notclose", True),
        (b"HTTP/1.2", b"", True),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: keep-alive", True),
        (b"HTTP/1.0", b"Connection: keep-alive, close", False),
    ],
)
def test_keep_alive(version: bytes, connection: bytes, kept: bool) -> None:
    wire = harness()
    client = wire.client()
    got = exchange(wire, client, request(b"GET / " + version, *filter(None, [connection])))
    assert (b"Connection: keep-alive\r\n" in got) is kept
    assert (b"Connection: close\r\n" in got) is not kept
    assert client.closed is not kept
    if kept:
        assert exchange(wire, client).endswith(b"ok")


def test_http_0_9_ends_with_its_body() -> None:
    wire = harness()
    client = wire.client()
    assert exchange(wire, client, b"GET /x\r\n") == b"ok"
    assert client.at_end
    assert wire.backend.channel.variables["SERVER_PROTOCOL"] == b""


def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    wire = harness()
    client = wire.client()
    client.send(b"".join(request(b"GET /%d HTTP/1.1" % number) for number in range(5)))
    for number in range(5):
        assert len(wire.backend.channels) == number + 1
        assert wire.backend.channel.variables["PATH_INFO"] == b"/%d" % number
        wire.backend.channel.reply(reply(b"answer %d" % number))
    bodies = [response.body for response in read_responses(client.received(), ["GET"] * 5)]
    assert bodies == [b"answer %d" % number for number in range(5)]
    assert summary(wire) == [(200, "-")] * 5
    assert not client.closed


def test_what_is_read_ahead_does_not_grow_with_each_answer() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET * (8 * RECEIVE_BYTES // len(GET)))
    (connection,) = wire.connections
    ahead, left = connection.unread_bytes, client.unread_bytes
    assert left
    for _ in range(20):
        wire.backend.channel.reply(OK)
        assert connection.unread_bytes <= ahead
    assert client.unread_bytes == left  # what is there already comes first


def test_line_ends_between_requests_are_no_request() -> None:
    wire = harness()
    client = wire.client()
    exchange(wire, client)
    client.send(b"\r\n\r\n")
    assert exchange(wire, client, b"\r\n" + GET).endswith(b"ok")
    assert summary(wire) == [(200, "-")] * 2


def test_a_head_may_come_byte_by_byte() -> None:
    wire = harness()
    client = wire.client()
    for position in range(len(GET)):
        assert not wire.backend.channels
        client.send(GET[position : position + 1])
        wire.clock.advance(0.01)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_the_last_request_of_a_connection_is_told_so() -> None:
    wire = harness(ClientSettings(keepalive_requests=3))
    client = wire.client()
    kept = [b"keep-alive" in exchange(wire, client) for _ in range(3)]
    assert (kept, client.closed) == ([True, True, False], True)


def test_requests_behind_the_last_one_get_no_answer_but_no_reset_either() -> None:
    wire = harness(ClientSettings(keepalive_requests=1))
    client = wire.client()
    client.send(GET + GET)
    wire.backend.channel.reply(OK)
    assert client.received().count(b"HTTP/1.1 200") == 1
    assert (client.at_end, client.closed) == (True, False)  # read away for a while: rule 3.15
    client.end()
    assert client.closed
    assert len(wire.records) == 1


def test_an_old_connection_ends_with_its_next_response() -> None:
    wire = harness(ClientSettings(keepalive_time_s=10.0))
    client = wire.client()
    assert b"keep-alive" in exchange(wire, client)
    wire.clock.advance(10.0)
    assert b"Connection: close" in exchange(wire, client)
    assert client.closed


def test_keep_alive_can_be_turned_off() -> None:
    wire = harness(ClientSettings(keepalive_timeout_s=0.0))
    client = wire.client()
    assert b"Connection: close" in exchange(wire, client)
    assert client.closed


@pytest.mark.parametrize("timeout_s", [0.5, WAKEFUL_S, 75.0])
def test_an_idle_connection_ends_after_the_keep_alive_timeout(timeout_s: float) -> None:
    wire = harness(ClientSettings(keepalive_timeout_s=timeout_s))
    client = wire.client()
    exchange(wire, client)
    wire.clock.advance(timeout_s)
    assert not client.closed
    wire.clock.advance(2 * LATE_S)
    assert (client.closed, client.at_end) == (True, True)
    assert summary(wire) == [(200, "-")]


def test_a_connection_that_has_been_idle_for_long_serves_again() -> None:
    wire = harness()
    client = wire.client()
    exchange(wire, client)
    for _ in range(3):
        wire.clock.advance(70.0)
        assert exchange(wire, client).endswith(b"ok")
    assert summary(wire) == [(200, "-")] * 4


# -- heads that do not come -----------------------------------------------------------------------


def test_the_time_for_a_first_head_runs_from_accept_and_in_all() -> None:
    wire = harness()
    client = wire.client()
    wire.clock.advance(20.0)
    client.send(GET[:5])
    wire.clock.advance(20.0)
    client.send(GET[5:10])
    wire.clock.advance(20.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert (client.closed, client.received()) == (True, b"")
    assert summary(wire) == [(408, "client_header_timeout")]
    assert wire.records[0].line == GET[:10]


def test_the_time_for_a_later_head_runs_from_its_first_byte() -> None:
    wire = harness()
    client = wire.client()
    exchange(wire, client)
    wire.clock.advance(50.0)
    client.send(GET[:5])
    wire.clock.advance(30.0)
    client.send(GET[5:7])
    wire.clock.advance(30.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed
    assert summary(wire) == [(200, "-"), (408, "client_header_timeout")]


def test_a_client_that_says_nothing_leaves_no_record() -> None:
    wire = harness()
    client = wire.client()
    wire.clock.advance(60.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert (client.closed, wire.records) == (True, [])


@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
def test_a_client_that_leaves_in_its_head(leave: object) -> None:
    assert callable(leave)
    wire = harness()
    client = wire.client()
    client.send(b"GET / HT")
    leave(client)
    assert (client.closed, client.received()) == (True, b"")
    assert summary(wire) == [(400, "client_gone")]
    assert wire.records[0].line == b"GET / HT"


@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_a_client_that_leaves_between_requests_leaves_no_record(before: bytes) -> None:
    wire = harness()
    for served in (False, True):
        client = wire.client()
        if served:
            exchange(wire, client)
        client.send(before)
        client.end()
        assert client.closed
    assert summary(wire) == [(200, "-")]


# -- heads that make no sense ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (b"get / HTTP/1.1\r\n\r\n", 400, "bad_request_line"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no_host"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "bad_version"),
        (b"GET /.. HTTP/1.1\r\n" + HOST + b"\r\n", 400, "bad_request_target"),
        (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405, "method_refused"),
        (b"GET /" + b"x" * 9000, 414, "request_line_too_long"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 400, "headers_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "tls_on_http_listener"),
        (b"\x00\x5a\x01\x00\x0e\x00REQUEST_METHOD", 400, "uwsgi_on_http_listener"),
    ],
)
def test_what_is_no_request_is_answered_and_ends_the_connection(
    data: bytes, status: int, word: str
) -> None:
    wire = harness()
    client = wire.client()
    client.send(data)
    (response,) = read_responses(client.received())
    assert (response.status, response.headers["connection"]) == (status, "close")
    assert response.whole
    assert summary(wire) == [(status, word)]
    assert wire.records[0].request is None
    assert client.at_end
    client.end()
    assert client.closed
    assert wire.backend.tries == 0


def test_a_bad_request_behind_a_good_one() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET + b"nonsense\r\n\r\n" + GET)
    wire.backend.channel.reply(OK)
    statuses = [response.status for response in read_responses(client.received(), ["GET", "GET"])]
    assert statuses == [200, 400]
    assert summary(wire) == [(200, "-"), (400, "bad_request_line")]
    assert wire.records[1].line == b"nonsense"


def test_who_speaks_another_protocol_is_told_what_was_understood() -> None:
    wire = harness()
    client = wire.client()
    client.send(b"\x16\x03\x01\x00")
    assert wire.records[0].detail == "a TLS handshake, not HTTP"


# -- lingering ------------------------------------------------------------------------------------

UPLOAD = request(b"POST / HTTP/1.1", b"Content-Length: 10000000")


def refused_upload(settings: ClientSettings) -> tuple[Harness, MemoryClient]:
    """Return a client that has been told 413 while it uploads."""
    wire = harness(settings)
    client = wire.client()
    client.send(UPLOAD + b"x" * 1000)
    assert client.received().startswith(b"HTTP/1.1 413 ")
    assert (client.at_end, client.closed) == (True, False)
    return wire, client


def test_an_answered_upload_is_read_away_until_it_pauses() -> None:
    wire, client = refused_upload(ClientSettings(lingering_timeout_s=5.0))
    for _ in range(4):
        client.send(b"x" * 1_000_000)
        assert client.unread_bytes == 0
        wire.clock.advance(4.0)
    wire.clock.advance(1.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert (client.closed, client.was_reset) == (True, False)
    assert summary(wire) == [(413, "body_too_large")]


def test_an_answered_upload_is_not_read_for_ever() -> None:
    wire, client = refused_upload(ClientSettings(lingering_time_s=30.0))
    for _ in range(29):
        client.send(b"x")
        wire.clock.advance(1.0)
    assert not client.closed
    wire.clock.advance(1.0)
    client.send(b"x")
    assert client.closed


@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
def test_an_answered_upload_ends_when_its_client_leaves(leave: object) -> None:
    assert callable(leave)
    _, client = refused_upload(ClientSettings())
    leave(client)
    assert client.closed


def test_lingering_can_be_turned_off() -> None:
    wire = harness(ClientSettings(lingering_time_s=0.0))
    client = wire.client()
    client.send(UPLOAD)
    assert client.closed


def test_bytes_that_nobody_has_read_do_not_stop_the_lingering() -> None:
    """What waits in the stream makes it stop reading; lingering has to take it first of all."""

    async def refuse(client: Downstream) -> None:
        # the client sends on while this request is served
        sender.send(b"x" * (MAX_UNREAD_BYTES + 1) + b"y" * 1000)
        client.send_page(page_for(503))

    wire = Harness(serve=refuse)
    sender = wire.client()
    sender.send(UPLOAD)
    assert sender.received().startswith(b"HTTP/1.1 503 ")
    assert sender.unread_bytes == 0


# -- clients that are slow to take ----------------------------------------------------------------


def test_the_last_response_has_as_long_as_the_client_makes_progress() -> None:
    wire = harness(ClientSettings(send_timeout_s=60.0))
    client = wire.client()
    client.take(0)
    exchange(wire, client, request(b"GET / HTTP/1.1", b"Connection: close"), reply(BIG[:200_000]))
    for _ in range(20):
        wire.clock.advance(50.0)
        client.take(10_000)
    assert not client.closed
    client.take()
    assert (client.closed, client.at_end) == (True, True)
    assert client.everything.endswith(BIG[:200_000])


def test_a_client_that_does_not_take_its_last_response_is_let_go() -> None:
    wire = harness(ClientSettings(send_timeout_s=60.0))
    client = wire.client()
    client.take(0)
    exchange(wire, client, request(b"GET / HTTP/1.1", b"Connection: close"))
    wire.clock.advance(60.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed


def pipelining(wire: Harness) -> MemoryClient:
    """Return a client with a second request and a first response that it does not take."""
    client = wire.client()
    client.take(0)
    client.send(GET + GET)
    wire.backend.channel.reply(reply(b"x" * 262_100))
    assert len(wire.backend.channels) == 1
    assert len(wire.records) == 1
    return client


def test_a_request_waits_until_the_responses_before_it_are_taken() -> None:
    wire = harness()
    client = pipelining(wire)
    wire.clock.advance(50.0)
    client.take(100_000)
    wire.clock.advance(50.0)  # within the send timeout, since there was progress
    client.take()
    assert len(wire.backend.channels) == 2
    wire.backend.channel.reply(OK)
    assert summary(wire) == [(200, "-"), (200, "-")]


def test_a_request_whose_client_takes_nothing_never_reaches_a_worker() -> None:
    wire = harness()
    client = pipelining(wire)
    wire.clock.advance(60.0)
    assert not client.closed
    wire.clock.advance(LATE_S)
    assert client.closed
    assert wire.backend.tries == 1
    assert summary(wire) == [(200, "-"), (408, "client_send_timeout")]


def test_a_request_whose_client_is_lost_before_its_turn_never_reaches_a_worker() -> None:
    wire = harness()
    client = pipelining(wire)
    client.reset()
    assert wire.backend.tries == 1
    assert summary(wire) == [(200, "-"), (499, "client_gone")]
    assert not wire.connections


# -- bugs -----------------------------------------------------------------------------------------


def test_a_bug_is_answered_logged_and_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def serve(client: Downstream) -> None:
        raise LookupError("of all things")

    wire = Harness(serve=serve)
    client = wire.client()
    with caplog.at_level(logging.ERROR):
        client.send(GET)
    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert client.closed
    assert summary(wire) == [(500, "internal_error")]
    assert wire.records[0].detail == "LookupError('of all things')"
    (entry,) = caplog.records
    assert entry.getMessage().startswith("internal_error: ")
    assert entry.exc_info is not None
    assert not wire.escaped


def test_a_bug_in_the_middle_of_a_response_breaks_it_off() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    def receive() -> bytes:
        raise LookupError

    wire.backend.channel.receive = receive  # type: ignore[method-assign]
    wire.backend.channel.reply(b"more")
    (response,) = read_responses(client.received(), ended=client.at_end)
    assert (response.body, response.whole, client.closed) == (b"half", False, True)
    assert summary(wire) == [(200, "internal_error")]
    assert wire.in_flight == 0


# -- draining and cutting -------------------------------------------------------------------------


def test_drain_closes_who_has_nothing_to_do() -> None:
    wire = harness()
    new, idle, asleep, begun, busy = (wire.client() for _ in range(5))
    exchange(wire, asleep)
    wire.clock.advance(WAKEFUL_S + LATE_S)
    exchange(wire, idle)
    begun.send(GET[:5])
    busy.send(GET)
    wire.drain()
    closed = [client.closed for client in (new, idle, asleep, begun, busy)]
    assert closed == [True, True, True, False, False]
    wire.backend.channel.reply(OK)
    assert (b"Connection: close" in busy.received(), busy.closed) == (True, True)
    begun.send(GET[5:])
    wire.backend.channel.reply(OK)
    assert (b"Connection: close" in begun.received(), begun.closed) == (True, True)
    assert summary(wire) == [(200, "-")] * 4


def test_a_response_that_has_begun_ends_its_connection_when_it_drains() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    assert b"keep-alive" in client.received()
    wire.drain()
    wire.backend.channel.reply(b"cd")
    assert (client.received(), client.at_end) == (b"cd", True)


def test_requests_that_have_come_before_a_drain_are_not_served_behind_it() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET + GET)
    wire.drain()
    wire.backend.channel.reply(OK)
    assert client.received().count(b"HTTP/1.1 ") == 1
    client.end()
    assert client.closed


def test_who_is_to_part_is_served_and_told_to_close() -> None:
    """Nobody is closed who may have sent a request meanwhile."""
    wire = harness()
    new, idle, asleep, begun, busy = clients = [wire.client() for _ in range(5)]
    exchange(wire, asleep)
    wire.clock.advance(WAKEFUL_S + LATE_S)
    exchange(wire, idle)
    begun.send(GET[:5])
    busy.send(GET)
    wire.part()
    assert not any(client.closed for client in clients)
    wire.backend.channel.reply(OK)
    assert (b"Connection: close" in busy.received(), busy.closed) == (True, True)
    for client, rest in ((new, GET), (idle, GET), (asleep, GET), (begun, GET[5:])):
        assert b"Connection: close" in exchange(wire, client, rest)
        assert client.closed
    late = wire.client()
    assert b"Connection: close" in exchange(wire, late)


def test_a_response_that_has_promised_more_keeps_its_word_while_parting() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET + GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    assert b"keep-alive" in client.received()
    wire.part()
    wire.backend.channel.reply(b"cd")
    wire.backend.channel.reply(OK)
    assert b"Connection: close" in client.received()
    assert client.closed
    assert summary(wire) == [(200, "-")] * 2


def test_who_idles_while_parting_is_closed_by_the_drain_that_follows() -> None:
    wire = harness()
    client = wire.client()
    exchange(wire, client)
    wire.part()
    wire.clock.advance(5.0)
    assert not client.closed
    wire.drain()
    assert client.closed


@pytest.mark.parametrize("ignore_abort", [False, True])
def test_cut_ends_everything_at_once(ignore_abort: bool) -> None:
    wire = harness(ClientSettings(ignore_client_abort=ignore_abort))
    new, idle, begun, busy, uploading, replied = (wire.client() for _ in range(6))
    exchange(wire, idle)
    begun.send(GET[:5])
    busy.send(GET)
    uploading.send(request(b"POST / HTTP/1.1", b"Content-Length: 5") + b"abc")
    replied.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    wire.cut()
    assert all(client.closed for client in (new, idle, begun, busy, uploading, replied))
    assert (wire.in_flight, wire.connections) == (0, set())
    assert sorted(summary(wire)) == [
        (0, "shutdown_cut"),
        (0, "shutdown_cut"),
        (200, "-"),
        (200, "shutdown_cut"),
        (400, "client_gone"),
    ]
    assert all(backend.failures == 0 for backend in wire.pool.backends)


def test_cut_ends_what_goes_on_without_its_client() -> None:
    wire = harness(ClientSettings(ignore_client_abort=True))
    client = wire.client()
    client.send(GET)
    client.reset()
    assert wire.in_flight == 1
    wire.cut()
    assert (wire.in_flight, wire.connections) == (0, set())
    assert summary(wire) == [(0, "shutdown_cut")]


def test_cut_while_lingering_and_while_closing() -> None:
    wire, lingering = refused_upload(ClientSettings())
    closing = wire.client()
    closing.take(0)
    exchange(wire, closing, request(b"GET / HTTP/1.1", b"Connection: close"))
    wire.drain()
    assert len(wire.connections) == 2
    wire.cut()
    assert lingering.closed
    assert closing.closed
    assert not wire.connections
    assert [record.reason for record in wire.records] == [errors.BODY_TOO_LARGE, None]
