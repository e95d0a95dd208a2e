"""The error log: one line for each failure, with the word, what was seen and what to do."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import Blame
from proxy.record import Record
from proxy.settings import IdentitySettings
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.repeats import WINDOW_S
from tests.records import a_record, an_attempt
from tests.wire import GET, OK, harness, request


def logged(caplog: pytest.LogCaptureFixture, *records: Record) -> list[tuple[str, str]]:
    """Return level and text of each line that these records cause."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        for record in records:
            ErrorLog(1)(record)
    return [(entry.levelname, entry.getMessage()) for entry in caplog.records]


def test_success_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    wire = harness()
    wire.client().send(GET)
    wire.backend.channel.reply(OK)
    assert logged(caplog, *wire.records) == []


def test_one_line_for_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    wire = harness()
    wire.client().send(GET)
    wire.clock.advance(1.5)
    wire.backend.channel.end()
    (line,) = logged(caplog, *wire.records)
    assert line == (
        "WARNING",
        'eof_before_headers 502 "GET / HTTP/1.1" from 192.0.2.1: unix:/run/0.sock: after 1.500 s, '
        f"packet of {len(wire.backend.channel.sent)} bytes; "
        f"next: {errors.EOF_BEFORE_HEADERS.next_step}",
    )


def test_a_client_s_fault_is_only_information(caplog: pytest.LogCaptureFixture) -> None:
    wire = harness()
    wire.client().send(b"nonsense\r\n")
    ((level, text),) = logged(caplog, *wire.records)
    assert level == "INFO"
    assert text.startswith('bad_request_line 400 "nonsense" from 192.0.2.1: ')


@pytest.mark.parametrize("reason", errors.ALL.values(), ids=list(errors.ALL))
def test_every_reason_has_its_line(caplog: pytest.LogCaptureFixture, reason: errors.Reason) -> None:
    record = a_record(b"192.0.2.1", 0.0, line=b"GET /", status=reason.status, reason=reason)
    ((level, text),) = logged(caplog, record)
    assert level == ("INFO" if reason.blame is Blame.CLIENT else "WARNING")
    assert text.startswith(f'{reason.word} {reason.status:03d} "GET /" from 192.0.2.1: -; next: ')
    assert text.endswith(reason.next_step)


def test_the_backend_is_named(caplog: pytest.LogCaptureFixture) -> None:
    record = a_record(b"unix:", 0.0, status=504, reason=errors.READ_TIMEOUT)
    record.attempts = [an_attempt("a", 0.0), an_attempt("unix:/run/b.sock", 0.0)]
    assert ": unix:/run/b.sock; next" in logged(caplog, record)[0][1]
    record.detail = "seen"
    assert ": unix:/run/b.sock: seen; next" in logged(caplog, record)[0][1]
    record.detail = "unix:/run/b.sock: seen"
    assert "from unix:: unix:/run/b.sock: seen; next" in logged(caplog, record)[0][1]


def test_a_long_line_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    record = a_record(b"unix:", 0.0, line=b"x" * 1000, status=414, reason=errors.CLIENT_GONE)
    assert f'"{"x" * 200}"' in logged(caplog, record)[0][1]


@given(st.binary(max_size=300))
def test_whatever_a_client_sends_a_line_is_one_line(data: bytes) -> None:
    wire = harness()
    client = wire.client()
    client.send(data)
    client.end()
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Collect()
    logger = logging.getLogger("proxy.exchange")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        for record in wire.records:
            ErrorLog(1)(record)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert len(lines) == len(wire.records)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nA b\x1b[31m\r\n\r\n",
        b"\x1b]0;title\x07\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nStatus\x00\r\n\r\n",
        b"Status: \x1bxx\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: x\x1b\r\n\r\n",
    ],
)
def test_whatever_a_backend_says_a_line_is_one_line(
    caplog: pytest.LogCaptureFixture, reply: bytes
) -> None:
    wire = harness()
    wire.client().send(GET)
    wire.backend.channel.end(reply)
    ((_, text),) = logged(caplog, *wire.records)
    assert text.isprintable()


def test_what_the_request_is_called(caplog: pytest.LogCaptureFixture) -> None:
    wire = harness(IdentitySettings(request_id="accept", traceparent="new"))
    wire.client().send(request(b"GET / HTTP/1.1", b"X-Request-ID: abc"))
    wire.backend.channel.end()
    ((_, text),) = logged(caplog, *wire.records)
    assert text.startswith(
        f'eof_before_headers 502 "GET / HTTP/1.1" from 192.0.2.1 abc trace {2:032x}: unix:'
    )


# -- many alike -----------------------------------------------------------------------------------


def failure(reason: errors.Reason, backend: str = "", ended: float = 0.0) -> Record:
    attempts = [an_attempt(backend, 0.0)] if backend else []
    return a_record(
        b"192.0.2.1", 0.0, line=b"GET /", reason=reason, attempts=attempts, ended=ended, status=502
    )


def test_a_flood_is_a_few_lines_and_a_number(caplog: pytest.LogCaptureFixture) -> None:
    log = ErrorLog(2)
    with caplog.at_level(logging.INFO):
        for _ in range(1236):
            log(failure(errors.CONNECT_REFUSED, "unix:/a", 100.0))
        log(failure(errors.CONNECT_REFUSED, "unix:/b", 101.0))
        for _ in range(3):
            log(failure(errors.CLIENT_GONE, ended=102.0))
        log.tick(100.0 + WINDOW_S - 0.1)
        assert len(caplog.records) == 5
        caplog.clear()
        log.tick(100.0 + WINDOW_S)
        log.tick(100.0 + WINDOW_S)
        log.close()
    assert [(entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        ("WARNING", "connect_refused unix:/a: 1,234 more like this in the last 10 s"),
        ("INFO", "client_gone: 1 more like this in the last 10 s"),
    ]


def test_more_kinds_than_there_is_room_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.telemetry.repeats.MAX_KINDS", 1)
    log = ErrorLog(1)
    for name in "abcd":
        log(failure(errors.CONNECT_REFUSED, name))
    caplog.clear()
    log.close()
    assert [entry.getMessage() for entry in caplog.records] == [
        "other failures: 2 more like this in the last 10 s"
    ]


def test_what_is_not_written_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    log = ErrorLog(1)
    with caplog.at_level(logging.ERROR):
        log(failure(errors.CONNECT_REFUSED))
        log(failure(errors.CONNECT_REFUSED))
        log.close()
    assert caplog.records == []
