"""Finding a backend: who is skipped, who is waited for, and that nothing is ever sent twice."""

from pathlib import Path

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.settings import (
    BackendSettings,
    BufferSettings,
    ClientSettings,
    Condition,
    QueueSettings,
    RetrySettings,
    UpstreamSettings,
)
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.upstream.connector import MAX_TRIES_ALONE
from proxy.upstream.gate import MAX_PAUSE_S, MIN_PAUSE_S
from proxy.upstream.health import LAST_TRIAL_S
from proxy.upstream.pool import LOOK_S
from tests.wire import GET, OK, harness, reply, request

UNREACHABLE = [
    errors.SOCKET_MISSING,
    errors.PERMISSION_DENIED,
    errors.CONNECT_REFUSED,
    errors.CONNECT_FAILED,
]


def asked(wire: Harness, data: bytes = GET) -> MemoryClient:
    client = wire.client()
    client.send(data)
    return client


def attempts(wire: Harness, number: int = 0) -> list[tuple[str, str]]:
    """Return number and result of each attempt of an exchange."""
    record = wire.records[number]
    return [
        (one.backend.removeprefix("unix:/run/")[0], one.reason.word if one.reason else "ok")
        for one in record.attempts
    ]


def fate(wire: Harness) -> tuple[int, str]:
    (record,) = wire.records
    return record.status, record.reason.word if record.reason else "-"


# -- broken backends ------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", UNREACHABLE)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_backend_that_cannot_be_reached_is_skipped(reason: Reason, method: bytes) -> None:
    wire = harness(backends=3)
    wire.backends[0].outcome = wire.backends[1].outcome = reason
    client = asked(wire, request(method + b" / HTTP/1.1", body=b"hello"))
    assert wire.backends[2].channel.body == b"hello"
    wire.backends[2].channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire) == [("0", reason.word), ("1", reason.word), ("2", "ok")]
    assert fate(wire) == (200, "-")
    assert [backend.failures for backend in wire.pool.backends] == [1, 1, 0]


@pytest.mark.parametrize("reason", UNREACHABLE)
def test_when_none_can_be_reached_the_last_failure_counts(reason: Reason) -> None:
    wire = harness(backends=3)
    for backend in wire.backends:
        backend.outcome = errors.CONNECT_TIMEOUT
    wire.backends[2].outcome = reason
    client = asked(wire)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert not client.closed
    assert fate(wire) == (502, reason.word)
    assert len(attempts(wire)) == 3
    assert wire.in_flight == 0


def test_each_request_begins_with_the_next_backend() -> None:
    wire = harness(backends=3)
    wire.backends[1].outcome = errors.CONNECT_REFUSED
    clients = [asked(wire) for _ in range(4)]
    assert [backend.tries for backend in wire.backends] == [2, 1, 2]  # one is paused (max_fails)
    assert len(clients) == wire.in_flight == 4


def test_a_backend_that_comes_back_is_used_at_once() -> None:
    wire = harness()
    wire.backend.outcome = errors.SOCKET_MISSING
    client = asked(wire)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    wire.backend.outcome = "accept"
    client.send(GET)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_a_bug_in_connecting_keeps_no_lease() -> None:
    wire = harness()
    wire.network.backends.clear()  # a KeyError
    client = asked(wire)
    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert wire.in_flight == 0


# -- connections that take their time -------------------------------------------------------------


def connecting(count: int = 1, *parts: object) -> Harness:
    wire = harness(*parts, backends=count)
    for backend in wire.backends:
        backend.outcome = "connecting"
    return wire


def test_a_connection_may_take_a_moment() -> None:
    wire = connecting()
    asked(wire)
    wire.clock.advance(3.0)
    assert not wire.backend.channel.sent
    wire.backend.channel.accept()
    assert wire.backend.channel.complete
    wire.backend.channel.reply(OK)
    (attempt,) = wire.records[0].attempts
    assert (attempt.started, attempt.connected) == (1000.0, 1003.0)


def test_a_connection_may_fail_after_a_moment() -> None:
    wire = connecting(2)
    asked(wire)
    wire.backends[0].channel.refuse(errors.CONNECT_REFUSED)
    assert wire.backends[0].channel.closed
    wire.backends[1].channel.refuse(errors.CONNECT_FAILED)
    assert attempts(wire) == [("0", "connect_refused"), ("1", "connect_failed")]
    assert fate(wire) == (502, "connect_failed")


def test_each_backend_has_the_whole_time_to_connect() -> None:
    wire = connecting(2, UpstreamSettings(connect_timeout_s=20.0))
    client = asked(wire)
    for backend in wire.backends:
        wire.clock.advance(20.0 - LATE_S)
        assert not backend.channel.closed
        wire.clock.advance(2 * LATE_S)
        assert backend.channel.closed
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert attempts(wire) == [("0", "connect_timeout"), ("1", "connect_timeout")]
    assert fate(wire) == (504, "connect_timeout")
    assert wire.records[0].detail == "unix:/run/1.sock"


def test_the_exact_time_to_connect() -> None:
    wire = connecting(1, UpstreamSettings(connect_timeout_s=20.0))
    asked(wire)
    wire.clock.advance(20.0)
    assert not wire.records
    wire.clock.advance(LATE_S)
    assert fate(wire) == (504, "connect_timeout")


def test_a_connection_that_the_server_cuts_is_not_tried_again() -> None:
    wire = connecting(2)
    client = asked(wire)
    wire.cut()
    assert (client.closed, wire.in_flight, wire.connections) == (True, 0, set())
    assert fate(wire) == (0, "shutdown_cut")
    assert wire.backends[1].tries == 0


# -- full listen queues ---------------------------------------------------------------------------


def busy(count: int = 1, *parts: object) -> Harness:
    wire = harness(*parts, backends=count)
    for backend in wire.backends:
        backend.outcome = "busy"
    return wire


QUEUE_20 = UpstreamSettings(queue=QueueSettings(timeout_s=20.0))


def test_a_full_queue_is_tried_again_until_it_has_room() -> None:
    wire = busy()
    client = asked(wire)
    wire.clock.advance(30.0)
    assert 30.0 / LOOK_S <= wire.backend.tries <= 30.0 / MIN_PAUSE_S
    assert wire.in_flight == 0  # who waits here takes nobody's place
    wire.backend.outcome = "accept"
    wire.clock.advance(MAX_PAUSE_S)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire) == [("0", "ok")]
    assert fate(wire) == (200, "-")
    assert wire.records[0].waited_s == pytest.approx(30.0, abs=0.1)
    assert wire.pool.backends[0].failures == 0


def test_however_many_wait_one_at_a_time_tries() -> None:
    wire = busy()
    for _ in range(100):
        asked(wire)
    assert wire.backend.tries == 1
    wire.clock.advance(10.0)
    assert wire.backend.tries <= 10.0 / MIN_PAUSE_S


def test_a_queue_that_stays_full_is_a_503() -> None:
    wire = busy(2, QUEUE_20)
    client = asked(wire)
    wire.clock.advance(20.0)
    assert not wire.records
    wire.clock.advance(LATE_S)
    got = client.received()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in got
    assert not client.closed
    assert fate(wire) == (503, "backlog_full")
    assert attempts(wire) == []
    assert len(wire.pool.line) == 0
    assert all(backend.failures == 0 for backend in wire.pool.backends)


@pytest.mark.parametrize("idle_s", [0.0, 0.5, 30.0])
def test_no_deadline_of_the_connection_ends_the_wait(idle_s: float) -> None:
    """Neither that of the head nor that of a connection that was idle before."""
    settings = ClientSettings(header_timeout_s=2.0, keepalive_timeout_s=40.0)
    wire = harness(settings)
    client = wire.client()
    if idle_s:
        client.send(GET)
        wire.backend.channel.reply(OK)
        client.received()
        wire.clock.advance(idle_s)
    wire.backend.outcome = "busy"
    client.send(GET[:5])
    wire.clock.advance(1.0)
    client.send(GET[5:])
    wire.clock.advance(59.0)
    assert client.received() == b""
    wire.clock.advance(1.5)
    assert client.received().startswith(b"HTTP/1.1 503 ")


def test_a_busy_backend_leaves_the_request_to_one_that_is_not() -> None:
    wire = busy(2)
    wire.backends[1].outcome = "accept"
    asked(wire)
    wire.backends[1].channel.reply(OK)
    assert attempts(wire) == [("1", "ok")]


def test_a_busy_backend_is_better_than_a_broken_one() -> None:
    wire = busy(3)
    wire.backends[0].outcome = errors.CONNECT_REFUSED
    wire.backends[2].outcome = errors.SOCKET_MISSING
    asked(wire)
    wire.clock.advance(1.0)
    assert (wire.backends[0].tries, wire.backends[2].tries) == (1, 1)
    assert wire.backends[1].tries > 10
    wire.backends[1].outcome = "accept"
    wire.clock.advance(MAX_PAUSE_S)
    wire.backends[1].channel.reply(OK)
    assert sorted(attempts(wire)[:2]) == [("0", "connect_refused"), ("2", "socket_missing")]
    assert attempts(wire)[2:] == [("1", "ok")]
    assert fate(wire) == (200, "-")


def test_a_busy_backend_that_breaks_while_it_is_waited_for() -> None:
    wire = busy()
    client = asked(wire)
    wire.clock.advance(1.0)
    wire.backend.outcome = errors.CONNECT_REFUSED
    wire.clock.advance(MAX_PAUSE_S)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fate(wire) == (502, "connect_refused")


def test_whoever_waits_is_served_when_there_is_room() -> None:
    wire = busy()
    clients = [asked(wire) for _ in range(50)]
    wire.clock.advance(5.0)
    wire.backend.outcome = "accept"
    wire.clock.advance(8 * MAX_PAUSE_S)  # one, two, four ... at a time
    for channel in wire.backend.channels:
        channel.reply(OK)
    assert all(client.received().endswith(b"ok") for client in clients)


def test_a_client_that_pipelines_while_it_waits_loses_nothing() -> None:
    wire = busy()
    client = asked(wire)
    client.send(GET)
    wire.clock.advance(1.0)
    wire.backend.outcome = "accept"
    wire.clock.advance(MAX_PAUSE_S)
    wire.backend.channel.reply(OK)
    wire.backend.channel.reply(OK)
    assert client.received().count(b"HTTP/1.1 200 OK") == 2


# -- in line for a slot ---------------------------------------------------------------------------


def capped(cap: int = 1, *parts: object) -> Harness:
    wire = harness(*parts)
    wire.pool.set_max_conns(wire.pool.backends[0], cap)
    return wire


def paths(wire: Harness) -> list[bytes]:
    """Return the paths of the requests that have reached the backend, in order."""
    return [channel.variables["PATH_INFO"] for channel in wire.backend.channels]


def ask(wire: Harness, path: bytes) -> MemoryClient:
    return asked(wire, request(b"GET " + path + b" HTTP/1.1"))


def test_more_than_the_cap_wait_in_order() -> None:
    wire = capped(2)
    clients = [ask(wire, b"/%d" % number) for number in range(5)]
    assert (len(wire.backend.channels), len(wire.pool.line)) == (2, 3)
    for number in range(5):
        wire.clock.advance(1.0)
        wire.backend.channels[number].reply(OK)
        assert clients[number].received().endswith(b"ok")
        assert wire.in_flight <= 2
    assert paths(wire) == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert [record.waited_s for record in wire.records] == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_lower_classes_overtake() -> None:
    queue = QueueSettings(priorities=(("/slow", 10), ("/slow/not", -1)))
    wire = capped(1, UpstreamSettings(queue=queue))
    for path in (b"/", b"/slow", b"/a", b"/slow/not"):
        ask(wire, path)
    for number in range(4):
        wire.backend.channels[number].reply(OK)
    assert paths(wire) == [b"/", b"/slow/not", b"/a", b"/slow"]


def test_a_client_that_leaves_the_line_is_never_served() -> None:
    wire = capped()
    first, second, third = (ask(wire, path) for path in (b"/1", b"/2", b"/3"))
    second.reset()
    assert len(wire.pool.line) == 1
    wire.backend.channels[0].reply(OK)
    assert first.received().endswith(b"ok")
    wire.backend.channels[1].reply(OK)
    assert third.received().endswith(b"ok")
    assert paths(wire) == [b"/1", b"/3"]
    assert [record.reason for record in wire.records if record.reason] == [errors.CLIENT_GONE]
    assert wire.in_flight == 0


def test_a_full_line_is_a_503_at_once() -> None:
    wire = capped(1, UpstreamSettings(queue=QueueSettings(max_waiting=1, retry_after_s=9)))
    clients = [asked(wire) for _ in range(3)]
    got = clients[2].received()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 9\r\n" in got
    assert fate(wire) == (503, "queue_full")
    assert wire.pool.line.refused == 1


def test_without_a_line_nobody_waits() -> None:
    wire = capped(1, UpstreamSettings(queue=QueueSettings(max_waiting=0)))
    asked(wire)
    assert asked(wire).received().startswith(b"HTTP/1.1 503 ")


def test_a_lower_class_takes_the_place_of_the_last_in_a_full_line() -> None:
    """Or those that are to be served first were the first to be refused in a rush."""
    wire = capped(1, UpstreamSettings(queue=QueueSettings(max_waiting=1, priorities=(("/a", -1),))))
    asked(wire)
    last = asked(wire)
    wire.clock.advance(1.0)
    urgent = asked(wire, request(b"GET /a HTTP/1.1"))
    assert last.received().startswith(b"HTTP/1.1 503 ")
    assert fate(wire) == (503, "queue_full")
    assert wire.records[0].waited_s == pytest.approx(1.0, abs=LATE_S)
    assert asked(wire, request(b"GET /a HTTP/1.1")).received().startswith(b"HTTP/1.1 503 ")
    wire.backend.channels[0].reply(OK)
    wire.backend.channels[1].reply(OK)
    assert urgent.received().endswith(b"ok")
    last.send(GET)
    wire.backend.channels[2].reply(OK)
    assert last.received().endswith(b"ok")
    assert (wire.in_flight, len(wire.pool.line)) == (0, 0)


def test_too_long_in_line_while_all_are_absent_says_so() -> None:
    queue, retry = QueueSettings(timeout_s=2.0), RetrySettings(try_duration_s=5.0)
    wire = harness(UpstreamSettings(queue=queue, retry=retry))
    wire.backend.outcome = errors.CONNECT_REFUSED
    asked(wire)
    wire.clock.advance(2.0 + LATE_S)
    assert fate(wire) == (503, "queue_timeout")
    assert wire.records[0].detail == "default: none of its backends is there"


def test_too_long_in_line_is_a_503() -> None:
    wire = capped(1, QUEUE_20)
    asked(wire)
    client = asked(wire)
    wire.clock.advance(20.0 + LATE_S)
    assert client.received().startswith(b"HTTP/1.1 503 ")
    assert fate(wire) == (503, "queue_timeout")
    assert wire.records[0].detail == "default"
    assert wire.records[0].waited_s == pytest.approx(20.0, abs=LATE_S)
    assert len(wire.pool.line) == 0


def test_whoever_is_cut_in_line_leaves_it() -> None:
    wire = capped()
    asked(wire)
    asked(wire)
    wire.cut()
    assert (wire.in_flight, len(wire.pool.line)) == (0, 0)


def test_an_upload_waits_in_line_after_it_has_been_read() -> None:
    wire = capped()
    asked(wire)
    client = asked(wire, request(b"POST / HTTP/1.1", body=b"x" * 1000))
    wire.backend.channels[0].reply(OK)
    assert wire.backend.channels[1].body == b"x" * 1000
    wire.backend.channels[1].reply(OK)
    assert client.received().endswith(b"ok")


# -- an outage ------------------------------------------------------------------------------------

HOLD_5 = UpstreamSettings(retry=RetrySettings(try_duration_s=5.0))


def absent(count: int = 1, *parts: object) -> Harness:
    wire = harness(*(parts or (HOLD_5,)), backends=count)
    for backend in wire.backends:
        backend.outcome = errors.SOCKET_MISSING
    return wire


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_restart_is_waited_for(method: bytes, count: int) -> None:
    wire = absent(count)
    clients = [asked(wire, request(method + b" / HTTP/1.1", body=b"hello")) for _ in range(20)]
    wire.clock.advance(4.0)
    assert not wire.records
    assert sum(backend.tries for backend in wire.backends) <= 20 * count
    for backend in wire.backends:
        backend.outcome = "accept"
    wire.clock.advance(LAST_TRIAL_S)
    for backend in wire.backends:
        for channel in backend.channels:
            channel.reply(OK)
    for backend in wire.backends:
        for channel in backend.channels:
            if not channel.closed:
                channel.reply(OK)
    assert all(client.received().endswith(b"ok") for client in clients)
    assert {record.reason for record in wire.records} == {None}


def test_an_outage_that_lasts_is_a_502_for_all_who_wait() -> None:
    wire = absent(2)
    clients = [asked(wire) for _ in range(5)]
    wire.clock.advance(5.0 + LATE_S)
    for client in clients:
        assert client.received().startswith(b"HTTP/1.1 502 ")
    assert {record.reason for record in wire.records} == {errors.SOCKET_MISSING}


def test_a_long_outage_is_told_at_once_and_its_end_is_noticed_at_once() -> None:
    wire = absent()
    asked(wire)
    wire.clock.advance(60.0)
    tries = wire.backend.tries
    assert asked(wire).received().startswith(b"HTTP/1.1 502 ")
    assert wire.backend.tries == tries + 1
    wire.backend.outcome = "accept"
    client = asked(wire)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_who_is_there_is_not_kept_waiting_by_who_is_absent() -> None:
    wire = absent(2)
    wire.backends[1].outcome = "accept"
    for _ in range(3):
        client = asked(wire)
        wire.backends[1].channel.reply(OK)
        assert client.received().endswith(b"ok")
    assert wire.backends[0].tries == 1


def test_a_slow_reply_after_an_outage_holds_nobody_else() -> None:
    wire = absent()
    asked(wire)
    wire.clock.advance(0.01)
    wire.backend.outcome = "accept"
    wire.clock.advance(1.0)
    assert len(wire.backend.channels) == 1
    asked(wire)
    assert len(wire.backend.channels) == 2


def test_to_wait_for_a_return_is_a_retry_because_of_an_error() -> None:
    """With uwsgi_next_upstream off nobody waits, whoever finds the absence."""
    wire = absent(1, UpstreamSettings(retry=RetrySettings(conditions=("timeout",))))
    for _ in range(3):
        assert asked(wire).received().startswith(b"HTTP/1.1 502 ")


# -- again ----------------------------------------------------------------------------------------


def test_an_idempotent_request_goes_to_the_next_when_a_worker_dies() -> None:
    wire = harness(backends=2)
    client = asked(wire, request(b"PUT / HTTP/1.1", body=b"hello"))
    assert wire.backends[0].channel.body == b"hello"
    wire.backends[0].channel.end()
    assert wire.backends[1].channel.body == b"hello"
    wire.backends[1].channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire) == [("0", "eof_before_headers"), ("1", "ok")]
    assert fate(wire) == (200, "-")


def test_a_large_body_is_sent_again_from_its_file(tmp_path: Path) -> None:
    buffers = BufferSettings(request_memory_bytes=10, spool_dir=str(tmp_path))
    wire = harness(buffers, backends=2)
    body = bytes(range(256)) * 1000
    client = asked(wire, request(b"PUT / HTTP/1.1", body=body))
    wire.backends[0].channel.end()
    assert wire.backends[1].channel.body == body
    wire.backends[1].channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_what_may_be_done_twice_is_not_sent_twice() -> None:
    wire = harness(backends=2)
    asked(wire, request(b"POST / HTTP/1.1", body=b"hello"))
    wire.backends[0].channel.end()
    assert fate(wire) == (502, "eof_before_headers")
    assert wire.backends[1].tries == 0


def test_an_upload_that_passes_through_cannot_be_sent_again() -> None:
    wire = harness(BufferSettings(request_buffering=False), backends=2)
    asked(wire, request(b"PUT / HTTP/1.1", body=b"hello"))
    wire.backends[0].channel.end()
    assert fate(wire)[0] == 502
    assert wire.backends[1].tries == 0


def test_after_a_head_was_passed_on_there_is_no_other_try() -> None:
    wire = harness(backends=2)
    client = asked(wire)
    wire.backends[0].channel.end(OK[:-1])
    assert client.closed
    assert wire.backends[1].tries == 0


def test_after_an_interim_head_was_passed_on_there_is_no_other_try() -> None:
    wire = harness(backends=2)
    client = asked(wire)
    wire.backends[0].channel.reply(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    wire.backends[0].channel.end()
    got = client.received()
    assert got.startswith(b"HTTP/1.1 103 ")
    assert b"HTTP/1.1 502 " in got
    assert wire.backends[1].tries == 0


def test_a_client_that_leaves_while_its_worker_is_handed_over() -> None:
    wire = capped()
    client = ask(wire, b"/1")
    ask(wire, b"/2")
    wire.clock.call_soon(client.reset)
    wire.backend.channels[0].reply(OK)
    assert paths(wire) == [b"/1", b"/2"]
    assert wire.in_flight == 1


def test_a_lone_backend_whose_worker_died_is_tried_once_more() -> None:
    wire = harness(HOLD_5)
    client = asked(wire)
    wire.backend.channel.end()
    assert len(wire.backend.channels) == 2
    wire.backend.channels[1].reply(OK)
    assert client.received().endswith(b"ok")
    client.send(GET)
    wire.backend.channels[2].end()
    wire.backend.channels[3].end()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(wire.backend.channels) == 4


def answered(wire: Harness, number: int, client: MemoryClient, data: bytes = GET) -> None:
    """A request that this backend answers."""
    client.send(data)
    wire.backends[number].channels[-1].reply(OK)
    assert client.received().endswith(b"ok")


def test_the_only_backend_that_serves_is_tried_once_more_beside_one_that_drains() -> None:
    """Its other workers are all there is."""
    wire = harness(backends=2)
    client = wire.client()
    wire.pool.drain(wire.pool.backends[1])
    answered(wire, 0, client)
    client.send(GET)
    wire.backends[0].channels[1].end()
    wire.backends[0].channels[2].reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire, 1) == [("0", "eof_before_headers"), ("0", "ok")]


def test_the_only_backend_that_is_there_is_tried_once_more_beside_one_that_is_absent() -> None:
    wire = harness(HOLD_5, backends=2)
    client = wire.client()
    answered(wire, 0, client)
    wire.backends[1].outcome = errors.CONNECT_REFUSED
    answered(wire, 0, client)
    wire.clock.advance(6.0)  # it is not waited for any more
    client.send(GET)
    wire.backends[0].channels[-1].end()
    wire.backends[0].channels[-1].reply(OK)
    assert client.received().endswith(b"ok")
    tries = [one for one in attempts(wire, 2) if one[0] == "0"]
    assert tries == [("0", "eof_before_headers"), ("0", "ok")]


def test_a_request_that_kills_its_worker_kills_no_more_than_two() -> None:
    wire = harness(backends=2)
    client = wire.client()
    answered(wire, 0, client)
    answered(wire, 1, client)
    client.send(GET)
    wire.backends[0].channels[1].end()
    wire.backends[1].channels[1].end()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert attempts(wire, 2) == [("0", "eof_before_headers"), ("1", "eof_before_headers")]
    assert wire.in_flight == 0


@pytest.mark.parametrize("condition", ["http_503", "http_500", "http_404"])
def test_a_reply_that_was_asked_to_be_retried(condition: Condition) -> None:
    retry = RetrySettings(conditions=("error", condition), try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=2)
    status = condition.removeprefix("http_").encode()
    client = asked(wire)
    wire.backends[0].channel.reply(reply(status=status + b" No"))
    wire.backends[1].channel.reply(reply(b"other", status=status + b" No"))
    got = client.received()
    assert got.startswith(b"HTTP/1.1 " + status + b" No")
    assert got.endswith(b"other")  # nobody was left to be asked
    assert wire.pool.backends[0].failures == (condition != "http_404")
    assert fate(wire) == (int(status), "-")


def test_a_5xx_of_the_application_is_its_own() -> None:
    wire = harness(backends=2)
    client = asked(wire)
    wire.backends[0].channel.reply(reply(status=b"503 Soon"))
    assert client.received().startswith(b"HTTP/1.1 503 Soon")
    assert wire.backends[1].tries == 0


def test_retries_have_a_budget() -> None:
    retry = RetrySettings(budget_percent=0, budget_min=2, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=2)
    for _ in range(3):
        asked(wire)
    for one in wire.pool.backends:
        one.died_at = wire.clock() - 1.0  # an event that is over: these are no part of it
    failing = [channel for backend in wire.backends for channel in backend.channels]
    for channel in failing:
        channel.end()
    assert fate(wire) == (502, "eof_before_headers")
    assert sum(backend.tries for backend in wire.backends) == 3 + 2
    for backend in wire.backends:
        for channel in backend.channels:
            if not channel.closed:
                channel.reply(OK)
    assert sorted(record.status for record in wire.records) == [200, 200, 502]
    client = asked(wire)  # what has ended has given its place back
    for _ in range(2):
        (running,) = [c for b in wire.backends for c in b.channels if not c.closed]
        running.end()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(wire.records[-1].attempts) == 2


def test_a_request_has_one_place_in_the_budget() -> None:
    retry = RetrySettings(budget_percent=0, budget_min=1, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=3)
    client = asked(wire)
    wire.backends[0].channel.end()
    wire.backends[1].channel.end()
    wire.backends[2].channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_what_dies_together_needs_no_budget() -> None:
    """A worker with many threads takes all their requests along, but once only."""
    retry = RetrySettings(budget_percent=0, budget_min=0, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry))
    clients = [asked(wire) for _ in range(20)]
    for channel in wire.backend.channels[:20]:
        channel.end()
    assert len(wire.backend.channels) == 40
    for channel in wire.backend.channels[20:]:
        channel.reply(OK)
    assert all(client.received().endswith(b"ok") for client in clients)
    client = asked(wire)
    wire.clock.advance(1.0)
    wire.backend.channel.end()
    assert client.received().startswith(b"HTTP/1.1 502 ")


def test_a_stop_resets_what_the_first_retry_has_queued() -> None:
    """The master of uWSGI listens for a second more, and starts nothing any longer."""
    wire = harness(HOLD_5)
    client = asked(wire)
    wire.backend.channels[0].end()
    wire.clock.advance(1.0)
    wire.backend.outcome = errors.CONNECT_REFUSED
    wire.backend.channels[1].reset()
    wire.clock.advance(1.0)
    wire.backend.outcome = "accept"
    wire.clock.advance(1.0)
    wire.backend.channels[2].reply(OK)
    assert client.received().endswith(b"ok")


def test_a_lone_backend_that_resets_all_is_tried_three_times() -> None:
    wire = harness(UpstreamSettings(retry=RetrySettings(budget_min=10)))
    client = asked(wire)
    for number in range(MAX_TRIES_ALONE):
        wire.backend.channels[number].reset()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(wire.backend.channels) == MAX_TRIES_ALONE


def test_a_backend_that_was_away_may_try_again() -> None:
    wire = harness(HOLD_5, backends=2)
    wire.backends[1].outcome = errors.CONNECT_REFUSED
    client = asked(wire)
    wire.backends[0].outcome = errors.CONNECT_REFUSED
    wire.backends[0].channel.end()  # killed: the request waits for the other one now
    asked(wire)  # notices that this one is absent as well
    wire.clock.advance(1.0)
    wire.backends[0].outcome = "accept"
    wire.clock.advance(2 * LAST_TRIAL_S)
    for channel in wire.backends[0].channels[1:]:
        channel.reply(OK)
    for channel in wire.backends[0].channels[1:]:
        if not channel.closed:
            channel.reply(OK)
    assert client.received().endswith(b"ok")


def test_the_number_of_tries_has_a_limit() -> None:
    retry = RetrySettings(tries=2, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=3)
    asked(wire)
    for backend in wire.backends[:2]:
        backend.channel.end()
    assert fate(wire) == (502, "eof_before_headers")
    assert wire.backends[2].tries == 0


def test_a_kept_connection_that_was_closed_is_no_try() -> None:
    wire = harness(HOLD_5)
    (backend,) = wire.pool.backends
    backend.adopt(BackendSettings(backend.address, keepalive=1))
    client = asked(wire)
    wire.backend.channel.reply(OK)
    client.send(GET)
    for number in range(2):  # it was idle for too long, then a worker dies
        assert len(wire.backend.channels) == number + 1
        wire.backend.channel.end()
    wire.backend.channel.reply(OK)
    assert client.received().count(b"HTTP/1.1 200 OK") == 2


def test_late_retries_are_none() -> None:
    retry = RetrySettings(timeout_s=5.0, try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=2)
    asked(wire)
    wire.clock.advance(6.0)
    wire.backends[0].channel.end()
    assert fate(wire) == (502, "eof_before_headers")
    assert wire.backends[1].tries == 0
