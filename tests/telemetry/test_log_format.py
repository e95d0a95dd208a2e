"""The exact line for each fate in each format, and hostile bytes in all of them."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import errors
from proxy.record import Record
from proxy.settings import BufferSettings
from proxy.telemetry.log_format import NAMED, compile_format, names_in
from proxy.telemetry.moment import Moment
from proxy.telemetry.variables import PREFIXES, VARIABLES
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from tests.records import a_record, an_attempt
from tests.wire import GET, OK, harness, request

EPOCH_S = 1_795_298_204.0 - 1000.0
"""Makes the harness's time 1000.0 the 21st of November 2026."""


def lines(wire: Harness, text: str = "main") -> list[str]:
    form, moment = compile_format(text), Moment(EPOCH_S)
    return [form(record, moment) for record in wire.records]


def an_ordinary_exchange() -> Harness:
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
    wire.records[0].waited_s = 0.125
    return wire


def test_the_line_of_an_ordinary_exchange() -> None:
    assert lines(an_ordinary_exchange()) == [
        '192.0.2.1 - ann [21/Nov/2026:21:56:44 +0000] "GET /a?b=c HTTP/1.1" 200 2 '
        '"http://r.example/" "Mozilla/5.0 (X11)" '
        '0.750 0.125 "unix:/run/0.sock" 0.000 0.250 0.750 -'
    ]


def test_combined_is_shorter() -> None:
    assert lines(an_ordinary_exchange(), "combined") == [
        '192.0.2.1 - ann [21/Nov/2026:21:56:44 +0000] "GET /a?b=c HTTP/1.1" 200 2 '
        '"http://r.example/" "Mozilla/5.0 (X11)"'
    ]


def test_json_has_one_object_in_a_line() -> None:
    wire = an_ordinary_exchange()
    record = wire.records[0]
    (line,) = lines(wire, "json")
    assert line == (
        '{"time":"2026-11-21T21:56:44.750+00:00","remote_addr":"192.0.2.1","remote_user":"ann",'
        '"request":"GET /a?b=c HTTP/1.1","method":"GET","uri":"/a?b=c","path":"/a",'
        '"protocol":"HTTP/1.1","host":"a.example","referer":"http://r.example/",'
        '"user_agent":"Mozilla/5.0 (X11)","status":200,'
        f'"bytes_sent":{record.sent_bytes},"body_bytes_sent":2,'
        f'"request_length":{record.request_bytes},"request_time":0.75,"queue_time":0.125,'
        '"request_id":null,"trace_id":null,"span_id":null,'
        f'"connection":{record.connection},"connection_requests":1,"reason":null,"blame":null,'
        '"detail":null,"retries":0,"upstream":[{"addr":"unix:/run/0.sock","status":200,'
        '"connect_time":0.0,"header_time":0.25,"response_time":0.75,'
        f'"bytes_sent":{len(wire.backend.channel.sent)},"bytes_received":{len(OK)},'
        '"reason":null}]}'
    )


def test_json_of_a_failure() -> None:
    wire = harness()
    wire.backend.outcome = errors.CONNECT_REFUSED
    wire.client().send(GET)
    wire.client().send(b"nonsense\r\n")
    failed, refused = map(json.loads, lines(wire, "json"))
    assert failed["status"] == 502
    assert failed["reason"] == "connect_refused"
    assert failed["blame"] == "backend"
    (attempt,) = failed["upstream"]
    assert attempt == {
        "addr": "unix:/run/0.sock",
        "status": 502,
        "connect_time": None,
        "header_time": None,
        "response_time": 0.0,
        "bytes_sent": 0,
        "bytes_received": 0,
        "reason": "connect_refused",
    }
    assert refused["request"] == "nonsense"
    assert refused["upstream"] == []
    assert {name for name, value in refused.items() if value is None} == {
        *("remote_user", "method", "uri", "path", "protocol", "host", "referer", "user_agent"),
        *("request_id", "trace_id", "span_id"),
    }
    assert list(refused) == list(failed)


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
        f'{wire.records[0].sent_bytes - wire.records[0].head_bytes} "-" "-" 0.000 0.000 "-" '
        "- - - bad_request_line",
        '192.0.2.1 - - [T] "GET / HTTP/1.1" 200 2 "-" "-" 1.000 0.000 '
        '"unix:/run/0.sock, unix:/run/1.sock" -, 0.000 -, 1.000 0.000, 1.000 -',
        '192.0.2.1 - - [T] "GET / HTTP/1.1" 499 0 "-" "-" 0.000 0.000 '
        '"unix:/run/1.sock" 0.000 - 0.000 client_gone',
        f'192.0.2.1 - - [T] "GET /half" 408 0 "-" "-" {wire.records[3].seconds:.3f} 0.000 '
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


def test_attempts_are_joined() -> None:
    one = a_record(b"192.0.2.1", 0.0, line=b"1", status=400)
    one.attempts = [
        an_attempt("a", 0.0, ended=1.0, reason=errors.CONNECT_REFUSED),
        an_attempt("b", 1.0, connected=1.5, first_byte=2.0, ended=3.25),
    ]
    line = compile_format("main")(one, Moment(0.0))
    assert line.endswith('"a, b" -, 0.500 -, 1.000 1.000, 2.250 -')


# -- formats of one's own -------------------------------------------------------------------------


def test_a_text_with_variables() -> None:
    wire = an_ordinary_exchange()
    assert lines(wire, "100% of ${request_time}s at $status$pipe|$http_x|$reason") == [
        "100% of 0.750s at 200.|-|-"
    ]


def test_a_text_that_is_json() -> None:
    wire = harness()
    client = wire.client()
    client.send(request(b'GET /"\x80 HTTP/1.1', b'User-Agent: a"\\\x1b\xc3\xa9\xff', b"X: "))
    wire.backend.channel.reply(OK)
    text = (
        'escape=json {"ua":"$http_user_agent","uri":"$uri","none":"$http_a",'
        '"empty":"$http_x","up":"$upstream_status","t":$request_time}'
    )
    (line,) = lines(wire, text)
    assert json.loads(line) == {
        "ua": 'a"\\\x1bé\\xff',
        "uri": '/"\\x80',
        "none": "",
        "empty": "",
        "up": "200",
        "t": 0.0,
    }
    assert lines(wire, "escape=default $uri") == [r"/\x22\x80"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("combind", "neither a name (main, combined, json) nor a text with variables like $status"),
        ("", "neither a name (main, combined, json) nor a text with variables like $status"),
        ("$status $", "a dollar sign without a name behind it"),
        ("$status ${}", "a dollar sign without a name behind it"),
        ("$statsu", "$statsu: there is no such variable; did you mean $status?"),
        (
            "escape=none $status",
            "escape=none: choose default or json; without escaping a client could forge lines",
        ),
    ],
)
def test_a_format_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        compile_format(text)
    assert str(caught.value) == message


def test_the_names_in_a_format() -> None:
    assert names_in("$a ${b}c$d") == {"a", "b", "d"}
    assert "reason" in names_in("main")
    assert "reason" not in names_in("combined")


# -- hostile bytes --------------------------------------------------------------------------------

EVERYTHING = [*VARIABLES, *(prefix + "x" for prefix in PREFIXES)]
hostile = st.binary(max_size=40) | st.sampled_from(
    [b"\r\n", b'"', b"\\", b"\x00", b"\x1b[2J", b"\xff", b'"} {"', "\u2028".encode()]
)


def a_hostile_record(draw: st.DataObject) -> Record:
    """Return a record of which every part that somebody else fills is hostile."""
    wire = harness()
    wire.client().send(request(b"GET /a HTTP/1.1", b"X: x"))
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nX: x\r\nContent-Length: 0\r\n\r\n")
    record = wire.records[0]
    request_, reply = record.request, record.reply
    assert request_ is not None
    assert reply is not None

    def some() -> bytes:
        return draw.draw(hostile)

    request_.line, request_.method, request_.protocol = some(), some(), some()
    request_.target = request_.target._replace(uri=some(), path=some(), query=b"x=" + some())
    request_.headers.host = some()
    names = (b"Referer", b"USER-AGENT", b"Cookie", b"X", b"Content-Type", b"Content-Length")
    request_.headers.fields[:] = [(name, some()) for name in names]
    request_.headers.fields.append((b"Cookie", b"x=" + some()))
    user = b"basic " + base64.b64encode(some())
    request_.headers.fields.append((b"Authorization", user))
    reply.fields[:] = [(b"X", some())]
    reply.content_type = some()
    record.detail = some().decode("utf-8", "surrogateescape")
    record.attempts[0].backend = some().decode("utf-8", "surrogateescape")
    return record


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_that_anybody_says_forges_a_line(data: st.DataObject) -> None:
    record = a_hostile_record(data)
    moment = Moment(EPOCH_S)
    for name in EVERYTHING:
        text = compile_format(f"<${name}>")(record, moment)
        assert text.isascii()
        assert text.isprintable(), name
        assert '"' not in text
        line = compile_format(f'escape=json {{"a":"${name}"}}')(record, moment)
        assert line.isascii()
        assert line.isprintable()
        assert list(json.loads(line)) == ["a"]
    for name in NAMED:
        text = compile_format(name)(record, moment)
        assert text.isascii()
        assert text.isprintable()
    main = compile_format("main")(record, moment)
    pattern = r'(\S+) - (.*?) \[(.*?)\] "(.*?)" (\d+) (\d+) "(.*?)" "(.*?)" (.*)'
    assert re.fullmatch(pattern, main)
    told: dict[str, Any] = json.loads(compile_format("json")(record, moment))
    assert told["status"] == 200
