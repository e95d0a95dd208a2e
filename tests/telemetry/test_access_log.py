"""The access log: the exact line for each fate, hostile bytes made harmless, a writer that lags."""

import base64
import io
import re
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.record import AttemptRecord, Record
from proxy.settings import BufferSettings
from proxy.telemetry import access_log
from proxy.telemetry.access_log import AccessLog, escape, format_line, local_time, remote_user
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from tests.wire import GET, OK, harness, request

EPOCH_S = 1_795_298_204.0 - 1000.0
"""Makes the harness's time 1000.0 the 21st of November 2026."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(wire: Harness) -> list[str]:
    return [format_line(record, EPOCH_S) for record in wire.records]


# -- lines ----------------------------------------------------------------------------------------


def test_the_line_of_an_ordinary_exchange() -> None:
    wire = harness()
    client = wire.client()
    client.send(
        request(
            b"GET /a?b=c HTTP/1.1",
            b"Referer: http://r.example/",
            b"User-Agent: Mozilla/5.0 (X11)",
            b"Authorization: Basic " + base64.b64encode(b"ann:secret"),
        )
    )
    wire.clock.advance(0.25)
    wire.backend.channel.reply(OK[:-1])
    wire.clock.advance(0.5)
    wire.backend.channel.reply(OK[-1:])
    assert lines(wire) == [
        '192.0.2.1 - ann [21/Nov/2026:21:56:44 +0000] "GET /a?b=c HTTP/1.1" 200 2 '
        '"http://r.example/" "Mozilla/5.0 (X11)" '
        '0.750 "unix:/run/0.sock" 0.000 0.250 0.750 -'
    ]


def test_the_lines_of_other_fates() -> None:
    wire = harness(backends=2, max_fails=0)
    client = wire.client(peername="", sockname="/run/http.sock")
    client.send(b"nonsense\r\n")
    client = wire.client()
    wire.backends[0].outcome = errors.CONNECT_REFUSED
    client.send(GET)
    wire.clock.advance(1.0)
    wire.backends[1].channel.reply(OK)
    client.send(GET)
    client.reset()
    client = wire.client()
    client.send(b"GET /half")
    wire.clock.advance(60.0 + LATE_S)
    assert [re.sub(r"\[.*?\]", "[T]", line) for line in lines(wire)] == [
        'unix: - - [T] "nonsense" 400 '
        f'{wire.records[0].sent_bytes - wire.records[0].head_bytes} "-" "-" 0.000 "-" - - - '
        "bad_request_line",
        '192.0.2.1 - - [T] "GET / HTTP/1.1" 200 2 "-" "-" 1.000 '
        '"unix:/run/0.sock, unix:/run/1.sock" -, 0.000 -, 1.000 0.000, 1.000 -',
        '192.0.2.1 - - [T] "GET / HTTP/1.1" 499 0 "-" "-" 0.000 '
        '"unix:/run/1.sock" 0.000 - 0.000 client_gone',
        f'192.0.2.1 - - [T] "GET /half" 408 0 "-" "-" {wire.records[3].seconds:.3f} '
        '"-" - - - client_header_timeout',
    ]


def test_body_bytes_are_counted_without_heads() -> None:
    wire = harness(BufferSettings(reply_buffering=False))
    client = wire.client()
    client.send(request(b"PUT / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"))
    client.send(b"hi")
    wire.backend.channel.reply(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    wire.backend.channel.end(b"hello")
    assert client.everything.endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert '" 200 15 "' in lines(wire)[0]


HOSTILE = b'"\\\x00\x01\t\x1b[31m\x7f\x80\xffz'


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (b"", ""),
        (b"plain text", "plain text"),
        (HOSTILE, r"\x22\x5C\x00\x01\x09\x1B[31m\x7F\x80\xFFz"),
        (b"a\r\nb", r"a\x0D\x0Ab"),
        ("é".encode(), r"\xC3\xA9"),
    ],
)
def test_bytes_that_could_mislead_are_escaped(text: bytes, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.binary(max_size=100))
def test_escaped_text_is_printable_and_says_what_it_was(text: bytes) -> None:
    escaped = escape(text)
    assert escaped.isascii()
    assert escaped.isprintable()
    assert '"' not in escaped
    back = re.sub(r"\\x([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), escaped)
    assert back.encode("latin-1") == text


@given(
    line=st.binary(max_size=60),
    referer=st.binary(max_size=60),
    agent=st.binary(max_size=60),
    user=st.binary(max_size=60),
)
def test_a_line_is_always_one_line_of_the_same_fields(
    line: bytes, referer: bytes, agent: bytes, user: bytes
) -> None:
    wire = harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(OK)
    record = wire.records[0]
    assert record.request is not None
    record.request.line = line
    record.request.headers.fields[:] = [
        (b"Referer", referer),
        (b"USER-AGENT", agent),
        (b"Authorization", b"basic " + base64.b64encode(user)),
    ]
    text = format_line(record, EPOCH_S)
    assert text.isprintable()
    fields = re.fullmatch(r'(\S+) - (.*?) \[(.*?)\] "(.*?)" (\d+) (\d+) "(.*?)" "(.*?)" (.*)', text)
    assert fields is not None
    assert fields[4] == escape(line)
    assert (fields[7], fields[8]) == (escape(referer) or "-", escape(agent) or "-")


@pytest.mark.parametrize(
    ("header", "user"),
    [
        (None, "-"),
        (b"", "-"),
        (b"Bearer abc", "-"),
        (b"Basic", "-"),
        (b"Basic !!!", "-"),
        (b"Basic YQ", "-"),
        (b"Basic " + base64.b64encode(b":secret"), "-"),
        (b"Basic " + base64.b64encode(b"ann"), "ann"),
        (b"bAsIc  " + base64.b64encode(b"ann:s:e") + b" ", "ann"),
        (b"Basic " + base64.b64encode(b'a"\n'), r"a\x22\x0A"),
        (b"Basic " + base64.b64encode("é:x".encode()), r"\xC3\xA9"),
        (b"Basic \xff\xfe", "-"),
    ],
)
def test_the_user(header: bytes | None, user: str) -> None:
    assert remote_user(header) == user


def test_the_time_is_local_and_independent_of_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_time(0.0) == "01/Jan/1970:00:00:00 +0000"
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    assert local_time(0.0) == "01/Jan/1970:05:30:00 +0530"


# -- the writer -----------------------------------------------------------------------------------


class File(io.BytesIO):
    """A file whose writer can be held up, or whose disk can be full."""

    def __init__(self, *, held: bool = False, full: bool = False) -> None:
        super().__init__()
        self.go = threading.Event()
        self.busy = threading.Event()
        self.full = full
        if not held:
            self.go.set()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.busy.set()
        assert self.go.wait(20)
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(data)


def record(number: int) -> Record:
    return Record(b"192.0.2.1", 0.0, line=b"%d" % number, status=400)


def numbers(file: io.BytesIO) -> list[int]:
    """Return the numbers of the records that were written."""
    found = re.findall(rb'"(\d+)" 400', file.getvalue())
    return [int(text) for text in found]


def test_lines_are_written_in_order_after_a_flush() -> None:
    file = File()
    log = AccessLog(file)
    for number in range(5):
        log(record(number))
        if number % 2:
            log.flush()
    log.flush()
    log.flush()
    assert log.close()
    assert numbers(file) == [0, 1, 2, 3, 4]
    assert file.getvalue().endswith(b" -\n")
    assert log.dropped == 0


def test_close_writes_what_is_left() -> None:
    file = File()
    log = AccessLog(file)
    log(record(1))
    assert log.close()
    assert numbers(file) == [1]


def test_a_writer_that_lags_holds_nobody_up_and_drops_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access_log, "MAX_PENDING_LINES", 10)
    file = File(held=True)
    log = AccessLog(file)
    for number in range(8):
        log(record(number))
    log.flush()
    assert file.busy.wait(20)
    for number in range(100, 103):  # 11 would be too many
        log(record(number))
    log.flush()
    assert log.dropped == 3
    for number in range(200, 202):
        log(record(number))
    log.flush()
    file.go.set()
    assert log.close()
    assert numbers(file) == [*range(8), 200, 201]
    assert log.dropped == 3


def test_a_writer_that_has_caught_up_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PENDING_LINES", 2)
    file = File()
    log = AccessLog(file)
    deadline = time.monotonic() + 20
    for number in range(20):
        before = log.dropped
        log(record(number))
        log.flush()
        while len(numbers(file)) + log.dropped <= number:
            assert time.monotonic() < deadline
        assert log.dropped == before
    log.close()
    assert log.dropped == 0


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    file = File(full=True)
    log = AccessLog(file)
    log(record(1))
    log(record(2))
    log.flush()
    assert file.busy.wait(20)
    log(record(3))
    assert log.close()
    assert log.dropped == 3


def test_a_closed_file_costs_lines_and_nothing_else() -> None:
    file = File()
    log = AccessLog(file)
    file.close()
    log(record(1))
    assert log.close()
    assert log.dropped == 1


def test_a_stuck_writer_does_not_hold_up_the_end() -> None:
    file = File(held=True)
    log = AccessLog(file)
    log(record(1))
    assert not log.close(timeout_s=0.01)
    file.go.set()
    assert log.close()


def test_attempts_are_joined() -> None:
    one = record(1)
    one.attempts = [
        AttemptRecord("a", 0.0, ended=1.0, reason=errors.CONNECT_REFUSED),
        AttemptRecord("b", 1.0, connected=1.5, first_byte=2.0, ended=3.25),
    ]
    assert format_line(one, 0.0).endswith('"a, b" -, 0.500 -, 1.000 1.000, 2.250 -')
