"""Kept connections as transcripts: what may be used again, and what must never be."""

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest

from protocol.uwsgi import HEADER_BYTES, decode_header, decode_vars
from proxy import errors
from proxy.exchange import Exchange
from proxy.settings import BackendSettings, BufferSettings, RetrySettings, UpstreamSettings
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryChannel
from proxy.upstream.attempt import PUWSGI_PATIENCE_S, Attempt
from proxy.upstream.connector import Connector
from proxy.upstream.idle import IdleChannels
from proxy.upstream.line import Waiter
from tests.wire import ENDLESS, GET, OK, chunked, harness, read_responses, reply, request

HEAD = request(b"HEAD / HTTP/1.1")
PUT = request(b"PUT / HTTP/1.1", body=b"hello")
POST = request(b"POST / HTTP/1.1", body=b"hello")
EMPTY_POST = request(b"POST / HTTP/1.1", b"Content-Length: 0")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"


def kept(*parts: object, backends: int = 1, keepalive: int = 2, puwsgi: bool = False) -> Harness:
    """Return a harness that keeps connections to its backends."""
    wire = harness(*parts, backends=backends)
    for backend in wire.pool.backends:
        settings = BackendSettings(backend.address, keepalive=keepalive, puwsgi=puwsgi)
        backend.adopt(settings)
    return wire


def asked(wire: Harness, data: bytes = GET) -> MemoryClient:
    client = wire.client()
    client.send(data)
    return client


def idle(wire: Harness, number: int = 0) -> IdleChannels:
    return wire.pool.backends[number].idle


def rested(wire: Harness, count: int = 1) -> list[MemoryChannel]:
    """Serve so many requests at a time and return their connections, which are kept now."""
    clients = [asked(wire) for _ in range(count)]
    channels = wire.backend.channels[-count:]
    for channel in channels:
        channel.reply(OK)
    assert all(client.received().endswith(b"ok") for client in clients)
    assert len(idle(wire)) == count
    return channels


def requests_on(channel: MemoryChannel) -> list[dict[bytes, bytes]]:
    """Return the variables of each request that was sent on a connection."""
    data, found = bytes(channel.sent), []
    while data:
        end = HEADER_BYTES + decode_header(data[:HEADER_BYTES]).size
        variables = dict(decode_vars(data[HEADER_BYTES:end]))
        found.append(variables)
        data = data[end + int(variables.get(b"CONTENT_LENGTH") or 0) :]
    return found


def fates(wire: Harness) -> list[tuple[int, str]]:
    return [(one.status, one.reason.word if one.reason else "-") for one in wire.records]


def attempts(wire: Harness) -> list[str]:
    """Return how each attempt of the newest record ended."""
    return [one.reason.word if one.reason else "ok" for one in wire.records[-1].attempts]


def is_clean(wire: Harness) -> bool:
    """Whether nothing is left over, and nothing has been counted against the backends."""
    trouble = sum(one.failures for one in wire.pool.backends)
    return not (wire.in_flight or wire.escaped or trouble)


# -- used again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("puwsgi", [False, True])
@pytest.mark.parametrize("body", [b"ok", b"", b"x" * 100_000])
def test_a_connection_serves_one_request_after_the_other(puwsgi: bool, body: bytes) -> None:
    wire = kept(puwsgi=puwsgi)
    client = wire.client()
    for number in range(3):
        client.send(request(b"GET /%d HTTP/1.1" % number))
        wire.backend.channel.reply(reply(body))
        assert client.received().endswith(b"\r\n\r\n" + body)
        assert len(idle(wire)) == 1
    (channel,) = wire.backend.channels
    assert [one[b"PATH_INFO"] for one in requests_on(channel)] == [b"/0", b"/1", b"/2"]
    assert [channel.closed, channel.half_closed] == [False, False]
    assert idle(wire).reused == 2
    assert [len(record.attempts) for record in wire.records] == [1, 1, 1]
    assert is_clean(wire)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (GET, NO_CONTENT),
        (GET, b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        (GET, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
        (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"),
        (GET, b"HTTP/1.1 102 Processing\r\n\r\n" + OK),
        (GET, b"Status: 500 No\r\nContent-Length: 2\r\n\r\nno"),
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        (PUT, OK),
        (POST, OK),
    ],
)
def test_a_reply_with_an_end_of_its_own_keeps_the_connection(data: bytes, answer: bytes) -> None:
    wire = kept()
    asked(wire, data)
    wire.backend.channel.reply(answer)
    client = asked(wire)
    (channel,) = wire.backend.channels
    channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert idle(wire).reused == 1
    assert len(requests_on(channel)) == 2
    assert is_clean(wire)


@pytest.mark.parametrize("puwsgi", [False, True])
def test_a_reply_in_pieces_keeps_the_connection(puwsgi: bool) -> None:
    wire = kept(puwsgi=puwsgi)
    client = wire.client()
    answer = reply(b"hello world")
    for _ in range(2):
        client.send(GET)
        for start in range(0, len(answer), 7):
            wire.backend.channel.reply(answer[start : start + 7])
    assert [one.body for one in read_responses(client.received(), ("GET", "GET"))] == [
        b"hello world"
    ] * 2
    assert (len(wire.backend.channels), idle(wire).reused) == (1, 1)
    assert is_clean(wire)


def test_a_client_that_is_slow_does_not_hold_the_connection() -> None:
    wire = kept()
    client = wire.client()
    client.take(0)
    client.send(GET)
    wire.backend.channel.reply(reply(b"x" * 500_000))
    assert (len(idle(wire)), wire.in_flight) == (1, 0)
    other = asked(wire)
    wire.backend.channel.reply(OK)
    assert other.received().endswith(b"ok")
    client.take()
    assert client.received().endswith(b"x" * 1000)
    assert len(wire.backend.channels) == 1


def test_a_full_read_leaves_no_false_hope() -> None:
    """The last read may fill the buffer; what is sent next must not be taken for answered."""
    wire = kept()
    asked(wire)
    head = len(reply(b"x" * 10)) - 10 + 3  # the length has more digits
    channel = wire.backend.channel
    channel.reply(reply(b"x" * (65536 - head)))
    assert len(idle(wire)) == 1
    channel.take(10)
    client = asked(wire, PUT)
    assert channel.window == 0
    channel.take()
    assert channel.sent.endswith(b"hello")
    channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert len(wire.backend.channels) == 1


def test_as_many_rest_as_are_asked_for() -> None:
    wire = kept(keepalive=2)
    for _ in range(4):
        asked(wire)
    for channel in wire.backend.channels:
        channel.reply(OK)
    assert [channel.closed for channel in wire.backend.channels] == [False, False, True, True]
    assert len(idle(wire)) == 2


def test_without_keepalive_none_rests() -> None:
    wire = kept(keepalive=0)
    asked(wire)
    wire.backend.channel.reply(OK)
    assert wire.backend.channel.closed
    assert len(idle(wire)) == 0


def test_each_backend_has_its_own() -> None:
    wire = kept(backends=2)
    for number in range(6):
        client = asked(wire)
        wire.backends[number % 2].channel.reply(OK)
        assert client.received().endswith(b"ok")
    assert [backend.tries for backend in wire.backends] == [1, 1]
    assert [idle(wire, number).reused for number in range(2)] == [2, 2]


def test_who_waits_in_line_gets_the_connection() -> None:
    wire = kept(keepalive=1)
    wire.pool.set_max_conns(wire.pool.backends[0], 1)
    clients = [asked(wire) for _ in range(5)]
    for client in clients:
        wire.backend.channel.reply(OK)
        assert client.received().endswith(b"ok")
    assert (wire.backend.tries, idle(wire).reused) == (1, 4)
    assert is_clean(wire)


# -- never used again -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "answer", "body"),
    [
        (GET, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (GET, b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (GET, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", b""),
        (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ok"), b"ok"),
        (GET, b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        (GET, OK + b"k", b"ok"),
        (GET, OK + OK, b"ok"),
        (GET, NO_CONTENT + b"ok", b""),
        (HEAD, OK, b""),
        (HEAD, ENDLESS, b""),
    ],
    ids=str,
)
def test_a_reply_that_leaves_doubt_ends_the_connection(
    data: bytes, answer: bytes, body: bytes
) -> None:
    wire = kept()
    client = asked(wire, data)
    wire.backend.channel.reply(answer)
    method = data.split()[0].decode()
    (response,) = read_responses(client.received(), (method,))
    assert response.body == body
    assert response.whole
    assert wire.backend.channel.closed
    assert len(idle(wire)) == 0
    assert is_clean(wire)


@pytest.mark.parametrize("extra", [b"k", OK])
def test_bytes_behind_a_body_that_came_in_pieces_end_the_connection(extra: bytes) -> None:
    wire = kept()
    client = asked(wire)
    wire.backend.channel.reply(OK[:-1])
    wire.backend.channel.reply(OK[-1:] + extra)
    assert client.received().endswith(b"\r\n\r\nok")
    assert wire.backend.channel.closed
    assert is_clean(wire)


def test_a_reply_without_a_length_ends_with_the_connection() -> None:
    wire = kept()
    client = asked(wire)
    channel = wire.backend.channel
    channel.reply(ENDLESS + b"ok")
    assert not channel.half_closed, "gunicorn would take that for a client that has left"
    channel.end()
    assert read_responses(client.received())[0].body == b"ok"
    assert channel.closed
    assert len(idle(wire)) == 0


def test_a_reply_that_came_before_the_whole_request_ends_the_connection() -> None:
    wire = kept()
    wire.backend.window = 20
    client = asked(wire, PUT)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert wire.backend.channel.closed
    assert is_clean(wire)


def test_a_streamed_body_that_was_not_wanted_ends_the_connection() -> None:
    wire = kept(BufferSettings(request_buffering=False))
    client = asked(wire, PUT[:-1])
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert wire.backend.channel.closed
    assert is_clean(wire)


def test_a_write_that_failed_ends_the_connection() -> None:
    """The reply may be whole all the same: the application did not want the body."""
    wire = kept()
    wire.backend.window = 20
    client = asked(wire, PUT)
    channel = wire.backend.channel
    wire.clock.call_soon(lambda: channel.end(OK))
    channel.take()
    assert client.received().endswith(b"ok")
    assert channel.closed
    assert is_clean(wire)


def test_a_reply_to_a_request_that_could_not_be_sent_ends_the_connection() -> None:
    """What has been read may be an answer that the backend gives to anybody, before it closes."""
    wire = kept()
    wire.pool.set_max_conns(wire.pool.backends[0], 1)
    wire.backend.outcome = "connecting"
    client = asked(wire)
    waiting = asked(wire)
    channel = wire.backend.channel
    wire.clock.call_soon(lambda: channel.end(OK))
    channel.accept()
    assert client.received().endswith(b"ok")
    assert not channel.sent
    assert channel.closed
    assert (wire.backend.tries, idle(wire).reused) == (2, 0), "nor has the next one got it"
    wire.backend.channel.accept()
    wire.backend.channel.reply(OK)
    assert waiting.received().endswith(b"ok")
    assert is_clean(wire)


def test_a_client_that_leaves_takes_the_connection_with_it() -> None:
    wire = kept()
    client = asked(wire)
    wire.backend.channel.reply(SHORT)
    client.reset()
    assert wire.backend.channel.closed
    assert (len(idle(wire)), wire.in_flight) == (0, 0)


def drain(wire: Harness) -> None:
    wire.pool.drain(wire.pool.backends[0])


def remove(wire: Harness) -> None:
    wire.pool.remove(wire.pool.backends[0])


def take_down(wire: Harness) -> None:
    wire.pool.backends[0].down = True


@pytest.mark.parametrize("act", [drain, remove, take_down])
def test_a_backend_that_is_going_keeps_nothing(act: Callable[[Harness], None]) -> None:
    wire = kept()
    client = asked(wire)
    act(wire)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert wire.backend.channel.closed


@pytest.mark.parametrize("act", [drain, remove, lambda wire: wire.pool.close()])
def test_what_rests_is_closed_when_its_backend_goes(act: Callable[[Harness], None]) -> None:
    wire = kept()
    channels = rested(wire, 2)
    act(wire)
    assert all(channel.closed for channel in channels)


@pytest.mark.parametrize("act", [drain, remove])
def test_what_rests_does_not_wait_for_what_runs(act: Callable[[Harness], None]) -> None:
    wire = kept()
    running, resting = rested(wire, 2)[::-1]
    client = asked(wire)
    act(wire)
    assert (resting.closed, running.closed) == (True, False)
    running.reply(OK)
    assert client.received().endswith(b"ok")
    assert running.closed


def test_a_backend_that_comes_back_from_a_drain_keeps_connections_again() -> None:
    wire = kept()
    rested(wire)
    wire.pool.drain(wire.pool.backends[0])
    wire.pool.enable(wire.pool.backends[0])
    rested(wire)
    assert wire.backend.tries == 2


# -- the backend ends the wait --------------------------------------------------------------------


@pytest.mark.parametrize("extra", [b"", b"late", OK])
def test_an_idle_connection_that_speaks_or_ends_is_never_used(extra: bytes) -> None:
    wire = kept()
    (channel,) = rested(wire)
    if extra:
        channel.reply(extra)
    else:
        channel.end()
    assert channel.closed
    client = asked(wire)
    assert wire.backend.tries == 2
    wire.backend.channel.reply(reply(b"fresh"))
    assert client.received().endswith(b"fresh")
    assert attempts(wire) == ["ok"]
    assert is_clean(wire)


End = Callable[[MemoryChannel], None]
ENDS: dict[str, End] = {"end": MemoryChannel.end, "reset": MemoryChannel.reset}
either_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


@either_end
@pytest.mark.parametrize("noticed", ["by the write", "by the read"])
@pytest.mark.parametrize("data", [GET, PUT], ids=["GET", "PUT"])
def test_an_end_that_was_on_its_way_costs_nobody_anything(
    end: End, noticed: str, data: bytes
) -> None:
    wire = kept(UpstreamSettings(retry=RetrySettings(budget_percent=0, budget_min=0)))
    client = wire.client()
    (stale,) = rested(wire)
    if noticed == "by the write":
        wire.clock.call_soon(lambda: end(stale))
        client.send(data)
    else:
        client.send(data)
        end(stale)
    assert stale.closed
    fresh = wire.backend.channel
    assert fresh is not stale
    assert requests_on(fresh)[0][b"REQUEST_METHOD"] == data[:3]
    assert fresh.body == (b"hello" if data is PUT else b"")
    fresh.reply(reply(b"fresh"))
    assert client.received().endswith(b"fresh")
    assert attempts(wire)[1:] == ["ok"]
    assert attempts(wire)[0] in ("eof_before_headers", "reset_before_headers")
    assert fates(wire)[-1] == (200, "-")
    assert is_clean(wire)


def test_a_body_longer_than_a_read_is_repeated_from_its_start() -> None:
    wire = kept()
    (stale,) = rested(wire)
    stale.window = 100_000
    body = bytes(range(256)) * 1000
    client = asked(wire, request(b"PUT / HTTP/1.1", body=body))
    stale.reset()
    assert wire.backend.channel.body == body
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


@either_end
def test_however_many_are_stale_one_more_attempt_is_enough(end: End) -> None:
    """The second connection is a fresh one: that the others are any better is not known."""
    wire = kept(keepalive=3)
    channels = rested(wire, 3)
    client = asked(wire)
    end(channels[2])
    assert wire.backend.tries == 4
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert [len(requests_on(channel)) for channel in channels] == [1, 1, 2]


@either_end
def test_what_fails_on_the_fresh_one_counts(end: End) -> None:
    wire = kept()
    (stale,) = rested(wire)
    client = asked(wire)
    end(stale)
    assert wire.pool.backends[0].failures == 0
    end(wire.backend.channel)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(attempts(wire)) == 2
    assert wire.pool.backends[0].failures == 1
    assert wire.in_flight == 0


def test_the_stale_one_does_not_use_up_a_try() -> None:
    """Of two tries, the first is that on the fresh connection."""
    wire = kept(UpstreamSettings(retry=RetrySettings(tries=2, try_duration_s=0.0)))
    (stale,) = rested(wire)
    client = asked(wire)
    stale.end()
    wire.backend.channel.end()
    assert wire.backend.tries == 3
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire) == ["eof_before_headers", "eof_before_headers", "ok"]
    assert wire.pool.backends[0].failures == 1


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"LOCK"])
def test_what_must_not_be_done_twice_gets_a_fresh_connection(method: bytes) -> None:
    wire = kept()
    (resting,) = rested(wire)
    client = asked(wire, request(method + b" / HTTP/1.1", body=b"hello"))
    assert wire.backend.tries == 2
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert not resting.closed
    assert len(requests_on(resting)) == 1
    assert (len(idle(wire)), idle(wire).reused) == (2, 0)


@either_end
def test_a_connection_that_has_shown_life_is_not_stale(end: End) -> None:
    wire = kept()
    (channel,) = rested(wire)
    client = asked(wire)
    channel.reply(b"HTTP/1.1 102 Processing\r\n\r\n")
    end(channel)
    assert client.received().endswith(b"</html>\r\n")
    assert fates(wire)[-1][0] == 502
    assert (wire.backend.tries, wire.pool.backends[0].failures) == (1, 1)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", SHORT])
def test_what_breaks_later_on_a_kept_connection_is_not_hidden(answer: bytes) -> None:
    """An answer that has begun belongs to this request, so it is not asked again."""
    wire = kept()
    (channel,) = rested(wire)
    client = asked(wire)
    if answer:
        channel.end(answer)
        assert wire.backend.tries == 1
        assert fates(wire)[-1][1] == ("eof_mid_body" if answer is SHORT else "eof_mid_headers")
    else:
        wire.clock.advance(60.0 + LATE_S)
        assert client.received().startswith(b"HTTP/1.1 504 ")
        assert fates(wire)[-1] == (504, "read_timeout")
    assert channel.closed


# -- puwsgi ---------------------------------------------------------------------------------------


def test_a_reply_without_a_length_is_asked_to_end() -> None:
    wire = kept(puwsgi=True)
    client = asked(wire)
    channel = wire.backend.channel
    assert not channel.half_closed
    channel.reply(ENDLESS + b"he")
    assert channel.half_closed
    channel.end(b"llo")
    assert read_responses(client.received())[0].body == b"hello"
    assert channel.closed
    assert len(idle(wire)) == 0
    assert is_clean(wire)


@pytest.mark.parametrize(
    ("data", "answer"),
    [(GET, NO_CONTENT), (GET, b"HTTP/1.1 304 Not Modified\r\n\r\n"), (HEAD, OK[:-2]), (HEAD, OK)],
)
def test_nothing_rests_where_a_body_may_follow_all_the_same(data: bytes, answer: bytes) -> None:
    wire = kept(puwsgi=True)
    client = asked(wire, data)
    wire.backend.channel.reply(answer)
    assert client.received().endswith(b"\r\n\r\n")
    assert wire.backend.channel.closed
    assert is_clean(wire)


def test_connection_close_is_believed_on_puwsgi_too() -> None:
    wire = kept(puwsgi=True)
    asked(wire)
    wire.backend.channel.reply(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    )
    assert wire.backend.channel.closed


def test_silence_is_asked_to_end() -> None:
    wire = kept(puwsgi=True)
    client = asked(wire)
    channel = wire.backend.channel
    wire.clock.advance(PUWSGI_PATIENCE_S)
    assert not channel.half_closed
    wire.clock.advance(LATE_S)
    assert channel.half_closed
    channel.end()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fates(wire) == [(502, "eof_before_headers")]
    assert wire.pool.backends[0].failures == 1


def test_silence_on_a_kept_connection_is_no_sign_of_age() -> None:
    """It has taken the request and was silent: what failed is this request, not its wait."""
    wire = kept(puwsgi=True)
    (channel,) = rested(wire)
    client = asked(wire)
    wire.clock.advance(PUWSGI_PATIENCE_S + LATE_S)
    channel.end()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fates(wire)[-1] == (502, "eof_before_headers")
    assert (wire.backend.tries, wire.pool.backends[0].failures) == (1, 1)


def test_a_slow_answer_is_an_answer() -> None:
    wire = kept(puwsgi=True)
    client = asked(wire)
    channel = wire.backend.channel
    wire.clock.advance(30.0)
    channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert channel.closed, "half of it was closed before"
    assert is_clean(wire)


def test_silence_that_goes_on_is_a_timeout() -> None:
    wire = kept(UpstreamSettings(read_timeout_s=20.0), puwsgi=True)
    client = asked(wire)
    wire.clock.advance(20.0)
    assert client.received() == b""
    wire.clock.advance(PUWSGI_PATIENCE_S + 2 * LATE_S)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert fates(wire) == [(504, "read_timeout")]


@pytest.mark.parametrize(("first", "status"), [(SHORT, 200), (SHORT[:-5], 502)])
def test_a_short_body_is_found_out(first: bytes, status: int) -> None:
    wire = kept(puwsgi=True)
    client = asked(wire)
    channel = wire.backend.channel
    channel.reply(first)
    wire.clock.advance(PUWSGI_PATIENCE_S + LATE_S)
    assert channel.half_closed
    channel.end()
    assert client.closed is (status == 200), "a response that has begun is cut off"
    assert fates(wire) == [(status, "eof_mid_body")]
    assert channel.closed
    assert is_clean(wire)


def test_a_body_with_pauses_is_whole() -> None:
    wire = kept(puwsgi=True)
    client = asked(wire)
    channel = wire.backend.channel
    channel.reply(SHORT)
    for _ in range(19):
        wire.clock.advance(PUWSGI_PATIENCE_S / 2)
        channel.reply(b"hello")
    assert client.received().endswith(b"hello" * 20)
    assert not channel.half_closed
    assert len(idle(wire)) == 1
    channel = rested(wire)[0]
    client = asked(wire)
    channel.reply(SHORT)
    wire.clock.advance(30.0)
    channel.reply(b"hello" * 19)
    assert client.received().endswith(b"hello" * 20)
    assert channel.closed, "half of it was closed before"
    assert is_clean(wire)


def test_bodies_go_elsewhere() -> None:
    wire = kept(backends=2)
    first = wire.pool.backends[0]
    first.adopt(replace(first.settings, puwsgi=True))
    for data in (POST, PUT, POST):
        client = asked(wire, data)
        assert wire.backends[1].channel.sent.endswith(b"hello")
        wire.backends[1].channel.reply(OK)
        assert client.received().endswith(b"ok")
    assert wire.backends[0].tries == 0


def test_bodies_that_can_go_nowhere_are_refused() -> None:
    wire = kept(puwsgi=True)
    client = asked(wire, POST)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fates(wire) == [(502, errors.NO_BACKEND.word)]
    assert "a request with a body cannot go to a puwsgi socket" in wire.records[0].detail
    assert wire.backend.tries == 0


def test_no_more_requests_than_connections() -> None:
    """Each open connection holds a core of uWSGI; one more would starve."""
    wire = kept(puwsgi=True, keepalive=2)
    clients = [asked(wire) for _ in range(10)]
    assert (wire.backend.tries, wire.in_flight, len(wire.pool.line)) == (2, 2, 8)
    while not all(client.everything for client in clients):
        for channel in wire.backend.channels:
            channel.reply(OK)
    assert wire.backend.tries == 2
    assert idle(wire).reused == 8
    assert is_clean(wire)


def test_the_next_in_line_has_the_worker_before_the_response_is_written() -> None:
    wire = kept(puwsgi=True, keepalive=1)
    first, second = asked(wire), asked(wire)
    channel, write, sent = wire.backend.channel, first.transport.write, []

    def observe(data: bytes | bytearray | memoryview) -> None:
        sent.append(len(requests_on(channel)))
        write(data)

    first.transport.write = observe  # type: ignore[method-assign]
    channel.reply(OK)
    assert sent == [2]
    channel.reply(OK)
    assert second.received().endswith(b"ok")
    assert is_clean(wire)


def test_who_has_waited_leaves_nothing_to_the_garbage_collector() -> None:
    """It would run for every few requests of a crowd, and cost as much as they do."""
    wire = kept(puwsgi=True, keepalive=1)
    for _ in range(2):
        clients = [asked(wire) for _ in range(3)]
        gc.collect()
        gc.disable()
        try:
            for client in clients:
                wire.backend.channel.reply(OK)
                assert client.received().endswith(b"ok")
            left = {Waiter, Connector, Attempt, Exchange}.intersection(map(type, gc.get_objects()))
        finally:
            gc.enable()
        assert left == set()


def test_the_time_for_a_head_begins_when_the_turn_has_come() -> None:
    wire = kept(UpstreamSettings(read_timeout_s=2.0), keepalive=1)
    wire.pool.set_max_conns(wire.pool.backends[0], 1)
    asked(wire)
    late = asked(wire)
    wire.clock.advance(1.5)
    wire.backend.channel.reply(OK)
    wire.clock.advance(1.5)
    assert late.received() == b""
    wire.clock.advance(0.5 + LATE_S)
    assert late.received().startswith(b"HTTP/1.1 504 ")
    assert round(wire.records[-1].waited_s, 1) == 1.5


@pytest.mark.parametrize("count", [1, 2])
def test_a_fresh_connection_takes_the_place_of_one_that_rests(count: int) -> None:
    wire = kept(puwsgi=True, keepalive=2)
    channels = rested(wire, count)
    client = asked(wire, EMPTY_POST)
    is_open = [channel for channel in wire.backend.channels if not channel.closed]
    assert len(is_open) == 2
    assert channels[0].closed is (count == 2), "the one that has rested for longest"
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert len(idle(wire)) == 2
    assert is_clean(wire)


def test_an_upload_that_passes_through_gets_a_fresh_connection() -> None:
    """It could not be sent again if the kept one were just being closed."""
    wire = kept(BufferSettings(request_buffering=False))
    rested(wire)
    client = asked(wire, PUT)
    assert wire.backend.tries == 2
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_a_lower_limit_closes_what_is_too_much() -> None:
    wire = kept(keepalive=3)
    rested(wire, 3)
    (backend,) = wire.pool.backends
    backend.adopt(replace(backend.settings, keepalive=1))
    assert len(idle(wire)) == 1
    backend.adopt(replace(backend.settings, down=True))
    assert len(idle(wire)) == 0


def test_patience_is_part_of_the_time_for_a_head() -> None:
    wire = kept(UpstreamSettings(read_timeout_s=0.5), puwsgi=True)
    client = asked(wire)
    wire.clock.advance(0.5 + LATE_S)
    assert not wire.backend.channel.half_closed
    assert client.received().startswith(b"HTTP/1.1 504 ")
