import threading

import pytest

from protocol.messages import HeaderBlock, Request
from protocol.uri import parse_target
from protocol.uwsgi import encode_packet, encode_vars
from proxy import errors
from proxy.record import Record
from proxy.testing import Exchange, Exchanges
from tests.records import a_record, an_attempt


def record(status: int = 200) -> Record:
    made = a_record(b"127.0.0.1", 10.0, status=status, ended=12.5, line=b"GET /raw")
    made.request = Request(
        b"GET /a?b HTTP/1.1", b"GET", parse_target(b"/a?b"), b"HTTP/1.1", 1, HeaderBlock([])
    )
    return made


def test_a_good_one() -> None:
    made = record()
    packet = encode_packet(encode_vars([(b"A", b"\xe4"), (b"B", b"")]))
    made.attempts = [
        an_attempt(
            "unix:/s", 10.5, connected=11.0, first_byte=11.5, ended=12.0, status=200, packet=packet
        )
    ]
    one = Exchange.of(made)
    assert (one.method, one.target, one.status, one.reason, one.total_s) == (
        "GET",
        "/a?b",
        200,
        "",
        2.5,
    )
    assert one.backend == "unix:/s"
    assert one.variables == {"A": "ä", "B": ""}
    (attempt,) = one.attempts
    assert (attempt.connect_s, attempt.first_byte_s, attempt.total_s) == (0.5, 1.0, 1.5)
    assert str(one) == "200 'GET /a?b HTTP/1.1' in 2.500 s, tried unix:/s"


def test_a_failed_one() -> None:
    made = record(503)
    made.reason, made.detail = errors.BACKLOG_FULL, "app"
    made.attempts = [an_attempt("unix:/s", 10.0, reason=errors.CONNECT_REFUSED)]
    one = Exchange.of(made)
    assert (one.reason, one.next_step) == ("backlog_full", errors.BACKLOG_FULL.next_step)
    assert one.attempts[0].reason == "connect_refused"
    assert (one.attempts[0].connect_s, one.variables) == (None, {})
    assert str(one).endswith(", tried unix:/s (connect_refused): backlog_full: app")


def test_one_that_was_no_request() -> None:
    made = record(400)
    made.request = None
    one = Exchange.of(made)
    assert (one.method, one.target, one.backend, one.variables) == ("GET", "/raw", "", {})
    assert "no backend tried" in str(one)


def test_a_list_of_them() -> None:
    exchanges = Exchanges()
    assert str(exchanges) == "none"
    exchanges(record())
    bad = record(502)
    bad.reason = errors.EOF_BEFORE_HEADERS
    exchanges(bad)
    assert len(exchanges) == 2
    assert exchanges[-1].status == 502
    assert [one.status for one in exchanges[:1]] == [200]
    assert [one.status for one in exchanges] == [200, 502]
    assert exchanges.failed == [exchanges[1]]
    assert str(exchanges).startswith("0: 200 ")
    exchanges.clear()
    assert not exchanges


def test_waiting() -> None:
    exchanges = Exchanges()
    thread = threading.Thread(target=lambda: exchanges(record()))
    thread.start()
    assert len(exchanges.wait(1)) == 1
    thread.join()
    with pytest.raises(AssertionError, match=r"1 of 2 exchanges finished in 0\.01 s\n0: 200 'GET"):
        exchanges.wait(2, timeout_s=0.01)


def test_a_pause() -> None:
    seen = Exchanges()
    with seen.paused():
        seen(record())
    seen(record(503))
    assert [one.status for one in seen] == [503]
