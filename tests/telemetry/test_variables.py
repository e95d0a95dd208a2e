"""What each variable says, and what becomes of a name that is none."""

import base64

import pytest

from proxy import errors
from proxy.record import Record
from proxy.settings import IdentitySettings
from proxy.telemetry.moment import Moment
from proxy.telemetry.variables import PREFIXES, VARIABLES, attempt_status, find
from tests.records import a_record, an_attempt
from tests.wire import OK, harness, request

MOMENT = Moment(1_795_298_204.0 - 1000.0)
"""Makes the harness's time 1000.0 the 21st of November 2026."""


def value(record: Record, name: str) -> object:
    return find(name)(record, MOMENT)


def values(record: Record, *names: str) -> dict[str, object]:
    return {name: value(record, name) for name in names}


def an_exchange(*headers: bytes, line: bytes = b"GET //a%20b?x=1&Y=&z HTTP/1.1") -> Record:
    wire = harness()
    client = wire.client()
    client.send(request(line, *headers))
    wire.clock.advance(0.25)
    wire.backend.channel.reply(
        b"HTTP/1.1 201 Created\r\nContent-Type: text/x\r\nX-R: 1\r\nX-R: 2\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    return wire.records[0]


def test_the_request() -> None:
    record = an_exchange(
        b"X-A: 1",
        b"x-a: 2",
        b"Cookie: a=1; B=two",
        b"Cookie: c=3",
        b"Content-Type: t/t",
    )
    assert values(record, "request", "request_method", "request_uri", "server_protocol") == {
        "request": b"GET //a%20b?x=1&Y=&z HTTP/1.1",
        "request_method": b"GET",
        "request_uri": b"//a%20b?x=1&Y=&z",
        "server_protocol": b"HTTP/1.1",
    }
    assert value(record, "uri") == value(record, "document_uri") == b"/a b"
    assert value(record, "args") == value(record, "query_string") == b"x=1&Y=&z"
    assert values(record, "is_args", "arg_x", "arg_y", "arg_z", "arg_nothing") == {
        "is_args": "?",
        "arg_x": b"1",
        "arg_y": b"",
        "arg_z": None,
        "arg_nothing": None,
    }
    assert values(record, "http_x_a", "http_host", "http_nothing") == {
        "http_x_a": b"1, 2",
        "http_host": b"a.example",
        "http_nothing": None,
    }
    assert values(record, "http_cookie", "cookie_a", "cookie_b", "cookie_c", "cookie_d") == {
        "http_cookie": b"a=1; B=two; c=3",
        "cookie_a": b"1",
        "cookie_b": b"two",
        "cookie_c": b"3",
        "cookie_d": None,
    }
    assert values(record, "content_type", "content_length") == {
        "content_type": b"t/t",
        "content_length": None,
    }
    assert value(record, "request_length") == str(record.request_bytes)
    assert value(an_exchange(line=b"GET / HTTP/1.1"), "is_args") == ""


@pytest.mark.parametrize(
    ("line", "host", "expected"),
    [
        (b"GET / HTTP/1.1", b"A.Example:8080", b"a.example"),
        (b"GET / HTTP/1.1", b"[::1]:80", b"[::1]"),
        (b"GET / HTTP/1.1", b"[::1]", b"[::1]"),
        (b"GET http://b.example:1/ HTTP/1.1", b"a.example", b"b.example"),
        (b"GET / HTTP/1.0", None, b""),
    ],
)
def test_the_host(line: bytes, host: bytes | None, expected: bytes) -> None:
    wire = harness()
    wire.client().send(line + (b"\r\nHost: " + host if host else b"") + b"\r\n\r\n")
    wire.backend.channel.reply(OK)
    assert value(wire.records[0], "host") == expected


def test_the_connection() -> None:
    wire = harness()
    client = wire.client(("2001:db8::1", 4000), ("2001:db8::2", 8080))
    client.send(request() + request())
    wire.backend.channel.reply(OK)
    wire.backend.channel.reply(OK)
    client.send(request())
    wire.backend.channel.reply(OK)
    names = ("remote_addr", "remote_port", "server_port", "scheme", "connection_requests", "pipe")
    assert [tuple(values(one, *names).values()) for one in wire.records] == [
        (b"2001:db8::1", b"4000", b"8080", b"http", "1", "."),
        (b"2001:db8::1", b"4000", b"8080", b"http", "2", "p"),
        (b"2001:db8::1", b"4000", b"8080", b"http", "3", "."),
    ]
    serial = {value(record, "connection") for record in wire.records}
    assert len(serial) == 1
    wire.client("", "/run/http.sock").send(request())
    wire.backend.channel.reply(OK)
    assert values(wire.records[3], "remote_addr", "remote_port", "server_port") == {
        "remote_addr": b"unix:",
        "remote_port": None,
        "server_port": None,
    }
    assert value(wire.records[3], "connection") not in serial


def test_times_and_the_response() -> None:
    record = an_exchange()
    assert values(record, "time_local", "time_iso8601", "msec", "request_time", "status") == {
        "time_local": "21/Nov/2026:21:56:44 +0000",
        "time_iso8601": "2026-11-21T21:56:44+00:00",
        "msec": "1795298204.250",
        "request_time": "0.250",
        "status": "201",
    }
    assert values(record, "body_bytes_sent", "bytes_sent") == {
        "body_bytes_sent": "2",
        "bytes_sent": str(record.sent_bytes),
    }
    names = ("sent_http_x_r", "sent_http_content_type", "sent_http_content_length")
    assert values(record, *names, "upstream_http_x_r", "sent_http_nothing") == {
        "sent_http_x_r": b"1, 2",
        "sent_http_content_type": b"text/x",
        "sent_http_content_length": b"2",
        "upstream_http_x_r": b"1, 2",
        "sent_http_nothing": None,
    }
    assert value(a_record(b"", 0.0, status=0), "status") == "000"


def test_one_value_for_each_attempt() -> None:
    wire = harness(backends=2)
    wire.backends[0].outcome = errors.CONNECT_REFUSED
    wire.client().send(request())
    wire.clock.advance(0.5)
    wire.backends[1].channel.reply(OK)
    record = wire.records[0]
    record.waited_s = 0.125
    assert values(record, *(name for name in VARIABLES if name.startswith("upstream_"))) == {
        "upstream_addr": b"unix:/run/0.sock, unix:/run/1.sock",
        "upstream_status": "502, 200",
        "upstream_connect_time": "-, 0.000",
        "upstream_header_time": "-, 0.500",
        "upstream_response_time": "0.000, 0.500",
        "upstream_bytes_received": f"0, {len(OK)}",
        "upstream_bytes_sent": f"0, {len(wire.backends[1].channel.sent)}",
        "upstream_queue_time": "0.125",
    }
    assert values(record, "retries", "queue_time", "reason", "blame", "detail") == {
        "retries": "1",
        "queue_time": "0.125",
        "reason": None,
        "blame": None,
        "detail": None,
    }


def test_what_there_is_without_a_request() -> None:
    """Of a request that could not be read: no name may raise, whatever is missing."""
    wire = harness()
    wire.client().send(b"nonsense\r\n")
    record = wire.records[0]
    names = (*VARIABLES, *(prefix + "x" for prefix in PREFIXES))
    found = {name for name, text in values(record, *names).items() if text is not None}
    assert found >= {"remote_addr", "request", "status", "reason", "blame", "detail", "TR"}
    assert not {name for name in found if name.startswith("upstream_")} - {"upstream_queue_time"}
    assert values(record, "request", "reason", "blame", "status", "host", "uri", "retries") == {
        "request": b"nonsense",
        "reason": "bad_request_line",
        "blame": "client",
        "status": "400",
        "host": None,
        "uri": None,
        "retries": "0",
    }


@pytest.mark.parametrize(
    ("header", "user"),
    [
        (b"", None),
        (b"Bearer abc", None),
        (b"Basic !!!", None),
        (b"Basic YQ", None),
        (b"Basic " + base64.b64encode(b":secret"), None),
        (b"Basic " + base64.b64encode(b"ann"), None),
        (b"Basic " + base64.b64encode(b"ann:"), b"ann"),
        (b"bAsIc  " + base64.b64encode(b"ann:s:e") + b" ", b"ann"),
        (b"Basic " + base64.b64encode(b'a"\n:'), b'a"\n'),
        (b"Basic \xff\xfe", None),
    ],
)
def test_the_user(header: bytes, user: bytes | None) -> None:
    assert value(an_exchange(b"Authorization: " + header), "remote_user") == user
    assert value(an_exchange(), "remote_user") is None


def test_haproxy_s_timers() -> None:
    record = a_record(b"", 1.0, ended=3.5)
    timers = ("TR", "Tw", "Tc", "Tr", "Ta")
    assert list(values(record, *timers).values()) == ["-1", "0", "-1", "-1", "2500"]
    record.waited_s = 0.5
    record.attempts = [an_attempt("a", 1.75, connected=1.875, first_byte=3.0, ended=3.25)]
    assert list(values(record, *timers).values()) == ["250", "500", "125", "1125", "2500"]
    record.attempts = [an_attempt("a", 1.25, first_byte=3.0, ended=3.25)]
    assert list(values(record, *timers).values()) == ["0", "500", "-1", "1750", "2500"]


def test_the_status_of_an_attempt() -> None:
    one = an_attempt("a", 0.0)
    assert attempt_status(one) is None
    one.reason = errors.CLIENT_GONE
    assert attempt_status(one) is None
    one.reason = errors.READ_TIMEOUT
    assert attempt_status(one) == 504
    one.status = 200
    assert attempt_status(one) == 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("upstram_addr", "$upstram_addr: there is no such variable; did you mean $upstream_addr?"),
        ("bytes_send", "$bytes_send: there is no such variable; did you mean $bytes_sent?"),
        ("http_", "$http_: there is no such variable; docs/observability.md lists them"),
        ("geoip", "$geoip: there is no such variable; docs/observability.md lists them"),
    ],
)
def test_a_name_that_is_none(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="no such variable") as caught:
        find(name)
    assert str(caught.value) == message


def test_the_process() -> None:
    record = a_record(b"", 0.0)
    assert str(value(record, "pid")).isdigit()
    assert value(record, "hostname")


def test_what_the_request_is_called() -> None:
    rules = IdentitySettings(request_id="accept", traceparent="accept")
    wire = harness(rules)
    wire.client().send(
        request(
            b"GET / HTTP/1.1",
            b"X-Request-ID: abc",
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        )
    )
    wire.backend.channel.reply(OK)
    assert values(wire.records[0], "request_id", "trace_id", "span_id", "parent_id") == {
        "request_id": b"abc",
        "trace_id": b"0af7651916cd43dd8448eb211c80319c",
        "span_id": b"%016x" % 1,
        "parent_id": b"b7ad6b7169203331",
    }
    wire = harness(IdentitySettings(request_id="new"))
    wire.client().send(request())
    wire.backend.channel.reply(OK)
    assert values(wire.records[0], "request_id", "trace_id", "parent_id") == {
        "request_id": b"%032x" % 1,
        "trace_id": None,
        "parent_id": None,
    }
