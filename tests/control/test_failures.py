"""The last failures: which are kept, in which words, and how many."""

import pytest

from proxy import errors
from proxy.control.failures import (
    MAX_KEPT,
    MAX_LINE_CHARS,
    MAX_OF_CLIENTS,
    MAX_RETRIED,
    Failures,
    latest_of,
    next_step_of,
    printable,
)
from tests.control.scene import Scene, a
from tests.records import a_record, an_attempt


def test_what_went_well_is_not_kept() -> None:
    scene = Scene()
    scene.happen()
    assert scene.failures.latest == []


def test_a_failure() -> None:
    scene = Scene()
    scene.happen(504, errors.READ_TIMEOUT, at=1, seconds=60.5)
    (row,) = scene.failures.latest
    assert row == {
        "time": 1060.5,
        "reason": "read_timeout",
        "blame": "backend",
        "status": 504,
        "backend": a(1),
        "request": "GET /x HTTP/1.1",
        "client": "192.0.2.1",
        "seconds": 60.5,
        "detail": "seen",
        "next_step": errors.READ_TIMEOUT.next_step,
        "retried": False,
    }


def test_an_attempt_that_another_one_made_good() -> None:
    failures = Failures(lambda: 100.0)
    record = a_record(b"192.0.2.1", 5.0, line=b"GET / HTTP/1.1", status=200, ended=7.0)
    record.attempts = [
        an_attempt(a(0), 5.0, ended=6.0, reason=errors.CONNECT_REFUSED),
        an_attempt(a(1), 6.0, ended=7.0, status=200),
    ]
    failures(record)
    (row,) = failures.latest
    assert (row["reason"], row["backend"], row["time"]) == ("connect_refused", a(0), 106.0)
    assert (row["status"], row["retried"]) == (200, True)


def test_a_failure_of_several_attempts_is_told_once_for_each() -> None:
    failures = Failures(lambda: 0.0)
    record = a_record(b"", 5.0, status=502, reason=errors.SOCKET_MISSING, ended=7.0)
    record.attempts = [
        an_attempt(a(0), 5.0, ended=6.0, reason=errors.CONNECT_REFUSED),
        an_attempt(a(1), 6.0, ended=7.0, reason=errors.SOCKET_MISSING),
    ]
    failures(record)
    rows = [(row["reason"], row["retried"]) for row in failures.latest]
    assert rows == [("socket_missing", False), ("connect_refused", True)]


def test_a_request_that_could_not_be_parsed() -> None:
    failures = Failures(lambda: 0.0)
    reason = errors.BAD_REQUEST["bad_request_line"]
    failures(a_record(b"192.0.2.1", 1.0, line=b'"\x1b[31m\\\xff', status=400, reason=reason))
    (row,) = failures.latest
    assert (row["request"], row["backend"]) == (r"\x22\x1B[31m\x5C\xFF", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [(b"GET /", "GET /"), (b"a" * 300, "a" * MAX_LINE_CHARS + "…"), (b"\r\n", r"\x0D\x0A")],
)
def test_what_clients_send_is_made_harmless(text: bytes, shown: str) -> None:
    assert printable(text) == shown


def test_a_bounded_number_is_kept_and_clients_crowd_nobody_out() -> None:
    scene = Scene()
    scene.happen(502, errors.EOF_BEFORE_HEADERS)
    for _ in range(1000):
        scene.happen(499, errors.CLIENT_GONE)
    assert len(scene.failures.latest) == 1 + MAX_OF_CLIENTS
    for _ in range(1000):
        scene.happen(502, errors.EOF_BEFORE_HEADERS)
    assert len(scene.failures.latest) == MAX_KEPT - MAX_RETRIED


def test_those_of_several_processes() -> None:
    rows = [{"time": float(number)} for number in range(2 * MAX_KEPT)]
    merged = latest_of([rows[::2], rows[1::2]])
    assert merged == list(reversed(rows))[:MAX_KEPT]


def test_next_steps() -> None:
    assert next_step_of("no_backend") == errors.NO_BACKEND.next_step
    assert next_step_of("nonsense") == ""
