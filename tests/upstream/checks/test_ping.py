"""uWSGI's ping, and servers that do not know it."""

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.settings import BackendSettings
from proxy.upstream.checks.ping import PingCheck, read_pong
from proxy.upstream.checks.verdict import Finding, Verdict
from tests.upstream.checks.bench import ADDRESS, Asked, Bench, drip

CHECK = PingCheck()
PING = b"\x64\x00\x00\x00"
PONG = b"\x64\x00\x00\x01"
WARNED = b"\x64\x10\x00\x01maintenance soon"
PAGE = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answered(bench: Bench, data: bytes) -> Asked:
    asked = bench.ask(CHECK)
    bench.channel.end(data)
    return asked


def test_a_pong_is_good() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    assert bench.channel.sent == PING
    bench.channel.end(PONG)
    assert asked.finding == Finding(Verdict.GOOD)
    assert bench.subject.answers_ping is True
    assert CHECK.applies(bench.backend)
    assert CHECK.label == "ping"


def test_byte_by_byte_and_not_closed() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    drip(bench.channel, WARNED[:-1])
    assert not asked.ended
    drip(bench.channel, WARNED[-1:])
    assert asked.finding == Finding(Verdict.GOOD, warning="maintenance soon")


def test_a_puwsgi_socket_is_sent_a_variable() -> None:
    """It takes a packet without one for an incomplete one."""
    bench = Bench(BackendSettings(ADDRESS, puwsgi=True))
    asked = bench.ask(CHECK)
    assert bench.channel.pairs == [(b"PING", b"1")]
    assert bench.channel.sent[0] == 100
    bench.channel.end(PONG)
    assert asked.fate == (Verdict.GOOD, "ok")


@pytest.mark.parametrize(
    "answer",
    [b"\x64", b"\x64\x00\x00", b"HTTP", b"\x64\x05\x00\x01abc", b"\x64\x00\x00\x00", b"\xff\0\0\1",
     b"<html><body>", b"HTTX/1.1 200 OK\r\n\r\n", b"\x00" * 5000],
)  # fmt: skip
def test_anything_else_is_bad(answer: bytes) -> None:
    bench = Bench()
    asked = answered(bench, answer)
    assert asked.fate == (Verdict.BAD, "bad_pong")
    assert bench.memory.tries == 1


def test_what_is_no_pong_is_not_read_to_its_end() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    bench.channel.reply(b"\xff\0\0\1")
    assert asked.fate == (Verdict.BAD, "bad_pong")


def test_silence_is_busy() -> None:
    bench = Bench()
    asked = bench.ask(CHECK).expire()
    assert asked.finding == Finding(Verdict.BUSY, "read_timeout", "not in 2 s")
    bench.memory.window = 0
    assert bench.ask(CHECK).expire().fate == (Verdict.BUSY, "send_timeout")


def test_half_an_answer_is_silence() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    bench.channel.reply(PONG[:2])
    assert asked.expire().fate == (Verdict.BUSY, "read_timeout")


def test_a_full_listen_queue_is_busy() -> None:
    bench = Bench()
    bench.memory.outcome = "busy"
    assert bench.ask(CHECK).fate == (Verdict.BUSY, "backlog_full")


@pytest.mark.parametrize("reason", [errors.CONNECT_REFUSED, errors.SOCKET_MISSING])
def test_a_refusal_is_bad(reason: Reason) -> None:
    bench = Bench()
    bench.memory.outcome = reason
    assert bench.ask(CHECK).fate == (Verdict.BAD, reason.word)


def test_no_connection_is_not_silence() -> None:
    bench = Bench()
    bench.memory.outcome = "connecting"
    assert bench.ask(CHECK).expire().fate == (Verdict.BAD, "connect_timeout")


def test_a_reset_is_bad() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    bench.channel.reset()
    assert asked.fate == (Verdict.BAD, "reset_before_headers")


@pytest.mark.parametrize("answer", [PAGE, b""], ids=["page", "end of file"])
def test_who_does_not_know_it_is_asked_in_http(answer: bytes) -> None:
    bench = Bench()
    asked = answered(bench, answer)
    first, second = bench.memory.channels
    assert first.closed
    assert second.variables["REQUEST_METHOD"] == b"OPTIONS"
    assert second.sent[0] == 0
    second.end(OK)
    assert asked.fate == (Verdict.GOOD, "ok")
    assert asked.finding.detail == "no ping here, asked in HTTP instead: 204 No Content"
    again = bench.ask(CHECK)
    assert len(bench.memory.channels) == 3
    assert bench.channel.variables["PATH_INFO"] == b"/"
    bench.channel.end(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert again.fate == (Verdict.GOOD, "ok")


def test_what_went_wrong_in_http_is_asked_by_ping_again() -> None:
    """Another server may have taken its place."""
    bench = Bench()
    bench.subject.answers_ping = False
    asked = answered(bench, PAGE)
    assert asked.fate == (Verdict.BAD, "bad_status")
    assert bench.subject.answers_ping is None
    asked = bench.ask(CHECK)
    assert bench.channel.sent == PING
    bench.channel.end(PONG)
    assert asked.fate == (Verdict.GOOD, "ok")


@pytest.mark.parametrize("known", [False, True])
def test_who_could_not_be_reached_may_be_another_when_it_is_back(known: bool) -> None:
    bench = Bench()
    bench.subject.answers_ping = known
    bench.memory.outcome = errors.CONNECT_REFUSED
    assert bench.ask(CHECK).fate == (Verdict.BAD, "connect_refused")
    assert bench.subject.answers_ping is None


def test_silence_changes_nothing_about_how_it_is_asked() -> None:
    bench = Bench()
    bench.subject.answers_ping = True
    bench.ask(CHECK).expire()
    assert bench.subject.answers_ping is True


def test_an_end_of_file_is_bad_where_pings_were_answered() -> None:
    bench = Bench()
    answered(bench, PONG)
    asked = answered(bench, b"")
    assert asked.fate == (Verdict.BAD, "eof_before_headers")
    assert bench.memory.tries == 2
    assert bench.subject.answers_ping is None


def test_an_end_of_file_to_both_questions_is_bad() -> None:
    bench = Bench()
    asked = answered(bench, b"")
    bench.channel.end()
    assert asked.fate == (Verdict.BAD, "eof_before_headers")
    assert bench.memory.tries == 2


def test_both_questions_share_one_deadline() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    bench.clock.advance(1.5)
    bench.channel.end(PAGE)
    bench.clock.advance(0.4)
    assert not asked.ended
    bench.clock.advance(0.4)
    assert asked.fate == (Verdict.BUSY, "read_timeout")


def test_a_server_that_changes_to_http() -> None:
    bench = Bench()
    answered(bench, PONG)
    asked = answered(bench, PAGE)
    bench.channel.end(OK)
    assert asked.fate == (Verdict.GOOD, "ok")
    assert bench.subject.answers_ping is False


def test_a_warning_may_be_no_text() -> None:
    assert read_pong(b"\x64\x01\x00\x01\xff").warning == "\ufffd"
