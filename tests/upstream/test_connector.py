"""Finding a backend: who is skipped, who is waited for, and that nothing is ever sent twice."""

from itertools import pairwise

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.settings import ClientSettings, UpstreamSettings
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.upstream.connector import MAX_BUSY_WAIT_S, MIN_BUSY_WAIT_S
from tests.wire import GET, OK, harness, request

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
    assert [backend.tries for backend in wire.backends] == [2, 2, 2]
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


def test_after_a_byte_was_sent_no_other_backend_is_tried() -> None:
    wire = harness(backends=2)
    wire.backends[0].window = 1
    asked(wire)
    wire.backends[0].channel.end()
    assert fate(wire) == (502, "reset_before_headers")
    assert wire.backends[1].tries == 0


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
    assert fate(wire) == (503, "shutdown_cut")
    assert wire.backends[1].tries == 0


# -- full listen queues ---------------------------------------------------------------------------


def busy(count: int = 1, *parts: object) -> Harness:
    wire = harness(*parts, backends=count)
    for backend in wire.backends:
        backend.outcome = "busy"
    return wire


def test_a_full_queue_is_tried_again_until_it_has_room() -> None:
    wire = busy()
    client = asked(wire)
    wire.clock.advance(30.0)
    assert 30.0 / MAX_BUSY_WAIT_S <= wire.backend.tries <= 30.0 / MIN_BUSY_WAIT_S
    assert wire.in_flight == 0  # who waits here takes nobody's place
    wire.backend.outcome = "accept"
    wire.clock.advance(MAX_BUSY_WAIT_S)
    wire.backend.channel.reply(OK)
    assert client.received().endswith(b"ok")
    assert attempts(wire) == [("0", "ok")]
    assert fate(wire) == (200, "-")
    assert wire.pool.backends[0].failures == 0


def test_the_pauses_differ_so_that_waiters_do_not_come_all_at_once() -> None:
    wire = busy()
    times: list[float] = []
    asked(wire)
    tries = wire.backend.tries
    for _ in range(1000):
        wire.clock.advance(0.001)
        if wire.backend.tries != tries:
            times.append(wire.clock())
            tries = wire.backend.tries
    pauses = {round(after - before, 3) for before, after in pairwise(times)}
    assert len(pauses) > 5
    assert min(pauses) >= MIN_BUSY_WAIT_S - 0.002
    assert max(pauses) <= MAX_BUSY_WAIT_S + 0.002


def test_a_queue_that_stays_full_is_a_503() -> None:
    wire = busy(2, UpstreamSettings(connect_timeout_s=20.0))
    client = asked(wire)
    wire.clock.advance(20.0 - MAX_BUSY_WAIT_S)
    assert not wire.records
    wire.clock.advance(MAX_BUSY_WAIT_S)
    got = client.received()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in got
    assert not client.closed
    assert fate(wire) == (503, "backlog_full")
    assert attempts(wire) == []
    assert set(wire.records[0].detail.split(", ")) == {"unix:/run/0.sock", "unix:/run/1.sock"}
    assert all(backend.failures == 0 for backend in wire.pool.backends)


@pytest.mark.parametrize("idle_s", [0.0, 0.5, 30.0])
def test_no_deadline_of_the_connection_ends_the_wait(idle_s: float) -> None:
    """Neither that of the head nor that of a connection that was idle before."""
    settings = ClientSettings(header_timeout_s=2.0, keepalive_timeout_s=40.0)
    wire = harness(settings, UpstreamSettings(connect_timeout_s=60.0))
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
    wire.clock.advance(1.0)
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
    wire.clock.advance(MAX_BUSY_WAIT_S)
    wire.backends[1].channel.reply(OK)
    assert attempts(wire) == [("0", "connect_refused"), ("2", "socket_missing"), ("1", "ok")]
    assert fate(wire) == (200, "-")


def test_a_busy_backend_that_breaks_while_it_is_waited_for() -> None:
    wire = busy()
    client = asked(wire)
    wire.clock.advance(1.0)
    wire.backend.outcome = errors.CONNECT_REFUSED
    wire.clock.advance(MAX_BUSY_WAIT_S)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert fate(wire) == (502, "connect_refused")


def test_whoever_waits_is_served_when_there_is_room() -> None:
    wire = busy()
    clients = [asked(wire) for _ in range(50)]
    wire.clock.advance(5.0)
    wire.backend.outcome = "accept"
    wire.clock.advance(MAX_BUSY_WAIT_S)
    for channel in wire.backend.channels:
        channel.reply(OK)
    assert all(client.received().endswith(b"ok") for client in clients)


def test_a_client_that_pipelines_while_it_waits_loses_nothing() -> None:
    wire = busy()
    client = asked(wire)
    client.send(GET)
    wire.clock.advance(1.0)
    wire.backend.outcome = "accept"
    wire.clock.advance(MAX_BUSY_WAIT_S)
    wire.backend.channel.reply(OK)
    wire.backend.channel.reply(OK)
    assert client.received().count(b"HTTP/1.1 200 OK") == 2
