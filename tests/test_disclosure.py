"""What responses tell about themselves when asked, and that memories hold none of it."""

import re

import pytest

from protocol.uwsgi import decode_vars
from proxy import errors
from proxy.disclosure import choose_disclosure
from proxy.settings import IdentitySettings, PacketSettings
from proxy.testing.harness import Harness
from tests.wire import GET, OK, harness, request

EVERYTHING = IdentitySettings(
    request_id="accept",
    request_id_response=True,
    traceparent="accept",
    reason_header=True,
    server_timing=True,
)


def variables(wire: Harness) -> dict[bytes, bytes]:
    """Return what the application was told last."""
    return dict(decode_vars(bytes(wire.backend.channel.sent[4:])))


def test_by_default_nothing_is_told() -> None:
    assert choose_disclosure(IdentitySettings()) is None
    assert choose_disclosure(IdentitySettings(request_id="new")) is None
    assert choose_disclosure(IdentitySettings(request_id_response=True)) is None
    wire = harness()
    client = wire.client()
    client.send(request(b"GET / HTTP/1.1", b"X-Request-ID: a", b"traceparent: b"))
    wire.backend.channel.reply(OK)
    assert variables(wire)[b"HTTP_X_REQUEST_ID"] == b"a"
    assert variables(wire)[b"HTTP_TRACEPARENT"] == b"b"
    assert wire.records[0].identity is None
    assert b"X-Request-ID" not in client.received()


def test_a_response_with_everything() -> None:
    wire = harness(EVERYTHING)
    client = wire.client()
    client.send(request(b"GET / HTTP/1.1", b"X-Request-ID: abc"))
    wire.clock.advance(0.25)
    wire.backend.channel.reply(OK)
    assert client.received() == (
        b"HTTP/1.1 200 OK\r\nServer: uwsgi-frontend\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        b"Content-Length: 2\r\nConnection: keep-alive\r\nX-Request-ID: abc\r\n"
        b"Server-Timing: queue;dur=0.000, connect;dur=0.000, ttfb;dur=250.000\r\n\r\nok"
    )
    record = wire.records[0]
    assert record.sent_bytes - record.head_bytes == 2
    assert variables(wire)[b"HTTP_X_REQUEST_ID"] == b"abc"
    assert variables(wire)[b"HTTP_TRACEPARENT"] == b"00-%032x-%016x-01" % (2, 1)


def test_an_answer_of_our_own() -> None:
    wire = harness(EVERYTHING)
    wire.backend.outcome = errors.CONNECT_REFUSED
    client = wire.client()
    client.send(GET)
    head, _, body = client.received().partition(b"\r\n\r\n")
    assert head.splitlines()[-3:] == [
        b"X-Request-ID: %032x" % 1,
        b"Server-Timing: queue;dur=0.000",
        b"X-Frontend-Reason: connect_refused",
    ]
    record = wire.records[0]
    assert record.sent_bytes - record.head_bytes == len(body)


def test_what_could_not_be_parsed_has_a_reason_and_no_name() -> None:
    wire = harness(EVERYTHING)
    client = wire.client()
    client.send(b"nonsense\r\n")
    head = client.received().partition(b"\r\n\r\n")[0]
    assert head.splitlines()[-2:] == [
        b"Server-Timing: queue;dur=0.000",
        b"X-Frontend-Reason: bad_request_line",
    ]


def test_the_application_s_own_word_is_enough() -> None:
    wire = harness(EVERYTHING)
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(
        b"HTTP/1.1 200 OK\r\nx-request-id: theirs\r\nContent-Length: 0\r\n\r\n"
    )
    assert re.findall(rb"(?i)x-request-id: (.*)\r", client.received()) == [b"theirs"]


def test_requests_that_repeat_have_names_of_their_own() -> None:
    """The packet and the head of the response are kept when they repeat, but not these parts."""
    wire = harness(EVERYTHING)
    client = wire.client()
    names, traces, told = [], [], []
    for _ in range(6):
        client.send(GET)
        names.append(variables(wire)[b"HTTP_X_REQUEST_ID"])
        traces.append(variables(wire)[b"HTTP_TRACEPARENT"])
        assert list(variables(wire)).count(b"HTTP_X_REQUEST_ID") == 1
        wire.backend.channel.reply(OK)
        told += re.findall(rb"X-Request-ID: (.*)\r", client.received())
    assert wire.records[-1].request is wire.records[-2].request  # they did repeat
    assert told == names
    assert len(set(names)) == len(set(traces)) == 6
    assert [one.identity.request_id for one in wire.records if one.identity] == names


def test_a_client_cannot_say_it_beside_us() -> None:
    wire = harness(IdentitySettings(request_id="new", traceparent="new"))
    client = wire.client()
    client.send(
        request(
            b"GET / HTTP/1.1",
            b"X-Request-ID: forged",
            b"Traceparent: forged",
            b"Tracestate: forged=1",
        )
    )
    assert b"forged" not in wire.backend.channel.sent
    sent = [name for name, _ in decode_vars(bytes(wire.backend.channel.sent[4:]))]
    assert sent.count(b"HTTP_X_REQUEST_ID") == sent.count(b"HTTP_TRACEPARENT") == 1


def test_a_body_and_its_name_go_together() -> None:
    wire = harness(IdentitySettings(request_id="new"))
    client = wire.client()
    client.send(
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    )
    sent = bytes(wire.backend.channel.sent)
    assert sent.endswith(b"abc")
    size = int.from_bytes(sent[1:3], "little")
    told = dict(decode_vars(sent[4 : 4 + size]))
    assert told[b"CONTENT_LENGTH"] == b"3"
    assert told[b"HTTP_X_REQUEST_ID"] == b"%032x" % 1


@pytest.mark.parametrize(("room", "status"), [(0, b"200"), (-1, b"431")])
def test_the_worker_s_limit_counts_names_too(room: int, status: bytes) -> None:
    rules = IdentitySettings(request_id="new")
    wire = harness(rules)
    wire.client().send(GET)
    size = len(wire.backend.channel.sent) - 4
    wire = harness(rules, PacketSettings(backend_buffer_bytes=size + room))
    client = wire.client()
    client.send(GET)
    if room == 0:
        wire.backend.channel.reply(OK)
    assert client.received().split(b" ")[1] == status


@pytest.mark.parametrize(("room", "status"), [(0, b"200"), (-1, b"431")])
def test_the_worker_s_count_of_variables_has_them_too(room: int, status: bytes) -> None:
    rules = IdentitySettings(request_id="new")
    wire = harness(rules)
    wire.client().send(GET)
    number = len(list(decode_vars(bytes(wire.backend.channel.sent[4:]))))
    wire = harness(rules, PacketSettings(backend_max_vars=number + room))
    client = wire.client()
    client.send(GET)
    if room == 0:
        wire.backend.channel.reply(OK)
    assert client.received().split(b" ")[1] == status


def test_a_redirect_keeps_the_name() -> None:
    wire = harness(EVERYTHING)
    client = wire.client()
    client.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /b\r\n\r\n")
    assert variables(wire)[b"PATH_INFO"] == b"/b"
    assert variables(wire)[b"HTTP_X_REQUEST_ID"] == b"%032x" % 1
    wire.backend.channel.reply(OK)
    assert b"X-Request-ID: %032x\r\n" % 1 in client.received()


def test_an_http_0_9_client_gets_a_body() -> None:
    wire = harness(EVERYTHING)
    client = wire.client()
    client.send(b"GET /\r\n")
    wire.backend.channel.reply(OK)
    assert client.received() == b"ok"
