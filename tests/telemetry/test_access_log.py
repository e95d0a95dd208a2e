"""The sink of the access log: when lines are written, and what becomes of those that are not."""

import logging
import re
from collections.abc import Sequence

import pytest

from proxy.record import Record
from proxy.telemetry import access_log
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.log_format import compile_format
from tests.records import a_record
from tests.telemetry.board import Board
from tests.telemetry.shelf import Shelf


def record(number: int) -> Record:
    return a_record(b"192.0.2.1", 0.0, line=b"%d" % number, status=400, request_bytes=100)


def numbers(lines: Sequence[bytes]) -> list[int]:
    """Return the numbers of the records that were written."""
    return [int(re.findall(rb'"(\d+)" 400', line)[0]) for line in lines]


def test_lines_are_written_in_order_after_a_flush() -> None:
    shelf = Shelf()
    log = AccessLog(shelf, compile_format("main"))
    for number in range(5):
        log(record(number))
        if number % 2:
            log.flush()
    log.flush()
    log.flush()
    assert log.close()
    assert numbers(shelf.lines) == [0, 1, 2, 3, 4]
    assert shelf.lines[0].endswith(b" -")
    assert log.lost == 0


def test_close_writes_what_is_left() -> None:
    shelf = Shelf()
    log = AccessLog(shelf, compile_format("main"))
    log(record(1))
    assert log.close()
    assert numbers(shelf.lines) == [1]


def test_a_writer_that_lags_holds_nobody_up_and_loses_what_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access_log, "MAX_PENDING_LINES", 10)
    shelf = Shelf(held=True)
    log = AccessLog(shelf, compile_format("main"))
    for number in range(8):
        log(record(number))
    log.flush()
    for number in range(100, 103):
        log(record(number))
    log.flush()
    assert log.lost == 1
    log(record(200))
    log.flush()
    assert log.lost == 2
    shelf.go.set()
    assert log.close()
    assert numbers(shelf.lines) == [*range(8), 100, 101]


def test_large_requests_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PENDING_BYTES", 250)
    shelf = Shelf(held=True)
    log = AccessLog(shelf, compile_format("main"))
    for number in range(3):
        log(record(number))
        log.flush()
    assert log.lost == 1
    shelf.go.set()
    assert log.close()
    assert numbers(shelf.lines) == [0, 1]


def test_lost_lines_are_told_and_not_too_often(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(trouble="No space left on device")
    log = AccessLog(shelf, compile_format("main"))
    log.tell_lost(1000.0)
    for number in range(3):
        log(record(number))
        log.flush()
    assert log.close()
    assert log.lost == 3
    assert Board(list(log.collect())).get("access_log_lost_lines_total") == 3
    with caplog.at_level(logging.ERROR):
        log.tell_lost(1000.0)
        log.tell_lost(1001.0)
    assert [entry.getMessage() for entry in caplog.records] == [
        "access log: 3 lines lost (No space left on device); next: look at its disk or its reader"
    ]


def test_a_new_file_begins_behind_what_was_taken_before() -> None:
    shelf = Shelf()
    log = AccessLog(shelf, compile_format("main"))
    log(record(1))
    log.reopen()
    log(record(2))
    assert log.close()
    assert numbers(shelf.before) == [1]
    assert numbers(shelf.lines) == [2]
