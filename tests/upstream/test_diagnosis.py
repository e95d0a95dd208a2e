"""Backends that never answer are asked, once, whether they speak HTTP."""

import pytest

from proxy import errors
from proxy.settings import ClientSettings, RetrySettings, Settings, UpstreamSettings
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.upstream.diagnosis import MIN_SILENCE_S, PATIENCE_S
from tests.wire import GET, OK

QUESTION = b"HEAD / HTTP/1.0\r\n\r\n"


ONCE = Settings(upstream=UpstreamSettings(retry=RetrySettings(tries=1)))
"""A single backend is not asked again, as with nginx."""


def failed(wire: Harness) -> MemoryClient:
    """Return a client whose request the backend has closed without a word."""
    client = wire.client()
    client.send(GET)
    wire.clock.advance(MIN_SILENCE_S)
    wire.backend.channel.end()
    return client


def words(wire: Harness) -> list[str]:
    return [record.reason.word if record.reason else "-" for record in wire.records]


def test_a_backend_that_answers_in_http_is_told_of() -> None:
    wire = Harness()
    client = failed(wire)
    assert client.received() == b""
    asked = wire.backend.channel
    assert asked.sent == QUESTION
    asked.reply(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    assert asked.closed
    assert client.received().startswith(b"HTTP/1.1 502 ")
    (record,) = wire.records
    assert record.reason is errors.NOT_UWSGI
    assert [attempt.reason for attempt in record.attempts] == [errors.NOT_UWSGI]
    assert wire.in_flight == 0


def test_it_is_asked_once() -> None:
    wire = Harness()
    failed(wire)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    failed(wire)
    assert words(wire) == ["backend_speaks_http", "backend_speaks_http"]
    assert wire.backend.tries == 3


@pytest.mark.parametrize("answer", ["eof", "reset", "other", "silence"])
def test_another_answer_or_none_leaves_the_reason_as_it_is(answer: str) -> None:
    wire = Harness()
    client = failed(wire)
    asked = wire.backend.channel
    if answer == "eof":
        asked.end()
    elif answer == "reset":
        asked.reset()
    elif answer == "other":
        asked.reply(b"\x00\x01")
    else:
        wire.clock.advance(PATIENCE_S)
        assert not wire.records
        wire.clock.advance(LATE_S)
    assert asked.closed
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert words(wire) == ["eof_before_headers"]
    failed(wire)
    assert words(wire) == ["eof_before_headers"] * 2


def test_who_has_ever_replied_is_not_asked() -> None:
    wire = Harness(ONCE)
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(OK)
    failed(wire)
    assert words(wire) == ["-", "eof_before_headers"]
    assert wire.backend.tries == 2


@pytest.mark.parametrize("outcome", ["busy", errors.CONNECT_REFUSED])
def test_who_cannot_be_asked_now_is_asked_the_next_time(outcome: object) -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    channel = wire.backend.channel
    wire.backend.outcome = outcome  # type: ignore[assignment]
    wire.clock.advance(MIN_SILENCE_S)
    channel.end()
    assert words(wire) == ["eof_before_headers"]
    wire.backend.outcome = "accept"
    failed(wire)
    assert wire.backend.channel.sent == QUESTION


def test_a_client_that_leaves_meanwhile_is_no_answer() -> None:
    wire = Harness()
    client = failed(wire)
    client.reset()
    assert words(wire) == ["eof_before_headers"]
    assert wire.backend.channel.closed
    failed(wire)
    assert wire.backend.channel.sent == QUESTION


def test_a_connection_that_takes_its_time() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    channel = wire.backend.channel
    wire.backend.outcome = "connecting"
    wire.clock.advance(MIN_SILENCE_S)
    channel.end()
    asked = wire.backend.channel
    assert not asked.sent
    asked.accept()
    assert asked.sent == QUESTION
    asked.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    assert words(wire) == ["backend_speaks_http"]


def test_a_timeout_is_looked_into_as_well() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    wire.clock.advance(60.0 + LATE_S)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert words(wire) == ["backend_speaks_http"]


def test_other_failures_need_no_question() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.end(b"\0\r\n\r\n")
    assert words(wire) == ["bad_reply_head"]
    client.send(GET)
    client.reset()
    assert words(wire) == ["bad_reply_head", "client_gone"]
    assert wire.backend.tries == 2


def test_a_client_that_may_leave_does_not_end_the_question() -> None:
    wire = Harness(Settings(client=ClientSettings(ignore_client_abort=True)))
    client = failed(wire)
    client.reset()
    assert not wire.records
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    assert words(wire) == ["backend_speaks_http"]


def test_what_closes_at_once_is_no_http_server() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.end()
    assert words(wire) == ["eof_before_headers"]
    assert wire.backend.tries == 1


def test_a_first_reply_of_400_is_doubted() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert wire.backend.channel.sent == QUESTION
    wire.backend.channel.reply(b"HTTP/1.0 200 OK\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert words(wire) == ["backend_speaks_http"]


def test_a_400_that_stands_is_passed_on() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    wire.backend.channel.end()
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert words(wire) == ["-"]


def test_an_unsafe_request_is_not_repeated_in_the_question() -> None:
    wire = Harness()
    client = wire.client()
    client.send(b"DELETE /all HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.clock.advance(MIN_SILENCE_S)
    wire.backend.channel.end()
    assert wire.backend.channel.sent == b"OPTIONS * HTTP/1.0\r\n\r\n"
