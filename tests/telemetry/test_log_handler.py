"""Python's logging through a thread: exact lines, hostile texts, tracebacks, what is lost."""

import logging
import re
from collections.abc import Iterator

import pytest

from proxy.telemetry import log_handler
from proxy.telemetry.log_handler import TRACEBACK_BURST, LogHandler
from proxy.telemetry.repeats import WINDOW_S
from tests.telemetry.shelf import Shelf

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger that nobody else listens to."""
    logger = logging.Logger("proxy.test")
    yield logger
    for handler in logger.handlers:
        handler.close()


def attach(logger: logging.Logger, shelf: Shelf) -> LogHandler:
    handler = LogHandler(shelf)
    logger.addHandler(handler)
    return handler


def texts(shelf: Shelf) -> list[str]:
    return [STAMP.sub("", line.decode()) for line in shelf.lines]


def test_a_line(log: logging.Logger) -> None:
    shelf = Shelf()
    handler = attach(log, shelf)
    log.warning("%s is %d", "x", 5)
    handler.flush()
    assert texts(shelf) == ["WARNING proxy.test: x is 5"]
    assert STAMP.match(shelf.lines[0].decode())


def test_nobody_forges_a_line_or_paints_the_terminal(log: logging.Logger) -> None:
    shelf = Shelf()
    handler = attach(log, shelf)
    log.error("a\r\n2026 %s", "\x1b[2J\x00\t\x7f\x9bé\ud800")
    handler.flush()
    assert texts(shelf) == [
        r"ERROR proxy.test: a\x0D\x0A2026 \x1B[2J\x00\x09\x7F\x9Bé\ud800",
    ]


def test_a_traceback_has_its_lines_and_no_more(log: logging.Logger) -> None:
    shelf = Shelf()
    handler = attach(log, shelf)
    try:
        raise ValueError("bad \x1b[31m")
    except ValueError:
        log.exception("internal_error")
    handler.flush()
    first, *lines = texts(shelf)
    assert first == "ERROR proxy.test: internal_error"
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == r"ValueError: bad \x1B[31m"


def test_what_is_lost_is_told_when_there_is_room_again(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_handler, "MAX_PENDING_LINES", 2)
    monkeypatch.setattr(log_handler, "FLUSH_TIMEOUT_S", 20.0)
    shelf = Shelf(held=True)
    handler = attach(log, shelf)
    for number in range(5):
        log.info("%d", number)
    shelf.go.set()
    handler.flush()
    log.info("5")
    handler.flush()
    assert texts(shelf) == [
        *(f"INFO proxy.test: {number}" for number in (0, 1, 5)),
        "uwsgi-frontend: 3 lines of this log were lost before",
    ]


def test_reopen(log: logging.Logger) -> None:
    shelf = Shelf()
    handler = attach(log, shelf)
    log.info("1")
    handler.reopen()
    log.info("2")
    handler.flush()
    assert [len(shelf.before), len(shelf.lines)] == [1, 1]


def test_a_wrong_call_costs_its_line_only(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Shelf()
    handler = attach(log, shelf)
    log.info("%d", "x")
    log.info("1")
    handler.flush()
    assert texts(shelf) == ["INFO proxy.test: 1"]
    assert "Logging error" in capsys.readouterr().err


def test_a_bug_that_strikes_again_and_again_is_told_a_few_times(log: logging.Logger) -> None:
    shelf, time = Shelf(), [100.0]
    handler = LogHandler(shelf, lambda: time[0])
    log.addHandler(handler)

    def strike() -> None:
        try:
            raise ValueError("bad")
        except ValueError:
            log.exception("internal_error")

    for _ in range(1234 + TRACEBACK_BURST):
        strike()
    log.info("else")
    handler.flush()
    told = texts(shelf)
    assert told.count("ValueError: bad") == TRACEBACK_BURST
    assert told[-1] == "INFO proxy.test: else"
    time[0] += WINDOW_S
    log.info("later")
    strike()
    handler.flush()
    line = next(text for text in texts(shelf) if "more tracebacks" in text)
    assert re.fullmatch(
        r"uwsgi-frontend: 1,234 more tracebacks that end at \S+test_log_handler\.py:\d+", line
    )
    assert texts(shelf)[-1] == "ValueError: bad"
