"""A request through uwsgi: what has to be there, and what becomes of anything else."""

import re

import pytest

from protocol.errors import RequestError
from protocol.uwsgi import HEADER_BYTES, decode_header, decode_vars
from proxy import errors
from proxy.errors import Reason
from proxy.settings import BackendSettings, CheckSpec
from proxy.upstream.checks.http import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    HttpCheck,
    build_packet,
    has_header,
)
from proxy.upstream.checks.verdict import Finding, Verdict
from tests.upstream.checks.bench import ADDRESS, Asked, Bench, drip

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfine"
UNTIL_EOF = b"HTTP/1.1 200 OK\r\n\r\n"


def spec(
    statuses: tuple[tuple[int, int], ...] = ((200, 399),),
    headers: tuple[tuple[str, str], ...] = (),
    body: str = "",
    method: str = "GET",
) -> CheckSpec:
    return CheckSpec("http", "/healthz", method, statuses=statuses, headers=headers, body=body)


def replied(data: bytes, what: CheckSpec | None = None) -> Asked:
    """Return a probe that has got this reply, and its end."""
    bench = Bench()
    asked = bench.ask(HttpCheck(what or spec()))
    bench.channel.end(data)
    return asked


# -- the request ----------------------------------------------------------------------------------


def test_the_request() -> None:
    bench = Bench()
    check = HttpCheck(CheckSpec("http", "/a%20b/c?d=%20e", "HEAD", "app.example:8080"))
    asked = bench.ask(check)
    assert bench.channel.pairs == [
        (b"REQUEST_METHOD", b"HEAD"),
        (b"REQUEST_URI", b"/a%20b/c?d=%20e"),
        (b"PATH_INFO", b"/a b/c"),
        (b"QUERY_STRING", b"d=%20e"),
        (b"SCRIPT_NAME", b""),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"SERVER_NAME", b"app.example"),
        (b"SERVER_PORT", b"8080"),
        (b"REMOTE_ADDR", b"127.0.0.1"),
        (b"HTTP_HOST", b"app.example:8080"),
        (b"HTTP_USER_AGENT", b"uwsgi-frontend-check"),
        (b"HTTP_CONNECTION", b"close"),
    ]
    assert not bench.channel.body
    assert check.label == "http /a%20b/c?d=%20e"
    assert check.applies(bench.backend)
    bench.channel.end(UNTIL_EOF)
    assert asked.fate == (Verdict.GOOD, "ok")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [("localhost", b"localhost", b"80"), ("[::1]", b"[::1]", b"80"), ("a:", b"a", b"80")],
)
def test_name_and_port_of_the_server(host: str, name: bytes, port: bytes) -> None:
    variables = dict(decode_vars(build_packet(CheckSpec("http", host=host))[HEADER_BYTES:]))
    assert (variables[b"SERVER_NAME"], variables[b"SERVER_PORT"]) == (name, port)
    assert variables[b"HTTP_HOST"] == host.encode()


def test_the_modifiers_are_those_of_the_traffic() -> None:
    header = decode_header(build_packet(CheckSpec("http"), (5, 7)))
    assert (header.modifier1, header.modifier2) == (5, 7)
    assert decode_header(build_packet(CheckSpec("http")))[::2] == (0, 0)


def test_a_check_that_cannot_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(re.error):
        HttpCheck(spec(body="("))
    with pytest.raises(re.error):
        HttpCheck(spec(headers=(("A", "("),)))
    with pytest.raises(RequestError):
        HttpCheck(CheckSpec("http", "healthz"))


# -- status and headers ---------------------------------------------------------------------------


def test_an_expected_status_is_good() -> None:
    assert replied(OK).finding == Finding(Verdict.GOOD, detail="200 OK")


@pytest.mark.parametrize(
    ("status", "good"),
    [(199, False), (200, True), (399, True), (400, False), (404, True), (500, False), (503, False)],
)
def test_the_ranges_include_their_ends(status: int, good: bool) -> None:
    reply = b"HTTP/1.1 %d Some Words\r\nContent-Length: 0\r\n\r\n" % status
    asked = replied(reply, spec(statuses=((200, 399), (404, 404))))
    if status == 199:  # interim: nothing followed
        assert asked.fate == (Verdict.BAD, "eof_mid_headers")
    elif good:
        assert asked.fate == (Verdict.GOOD, "ok")
    else:
        assert asked.finding == Finding(Verdict.BAD, "bad_status", f"{status} Some Words")


def test_a_cgi_reply_will_do() -> None:
    assert replied(b"Status: 204 No Content\r\n\r\n").fate == (Verdict.GOOD, "ok")


def test_interim_replies_are_read_over() -> None:
    assert replied(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK).fate == (
        Verdict.GOOD,
        "ok",
    )


def test_interim_replies_have_an_end() -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec()))
    for _ in range(MAX_HEAD_BYTES // 50):
        bench.channel.reply(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 100 + b"\r\n\r\n")
        if asked.ended:
            break
    assert asked.fate == (Verdict.BAD, "reply_head_too_large")


def test_101_has_no_body_to_wait_for() -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec(statuses=((101, 101),))))
    bench.channel.reply(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    assert asked.fate == (Verdict.GOOD, "ok")


HEADED = (
    b"HTTP/1.1 200 OK\r\nX-Ready: no\r\nx-ready: YES \r\nConnection: close\r\n"
    b"Set-Cookie: caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ((("X-Ready", "YES"),), True),
        ((("x-READY", "^YES$"),), True),
        ((("X-Ready", "^no$"),), True),
        ((("X-Ready", "yes"),), False),
        ((("X-Ready", "(?i)yes"),), True),
        ((("Connection", "close"),), True),
        ((("Content-Length", "^0$"),), True),
        ((("X-Missing", ""),), False),
        ((("X-Ready", "YES"), ("X-Missing", "")), False),
        ((("X-Ready", "YES"), ("Connection", ".")), True),
        ((("HTTP/1.1 200 OK", ""),), False),
    ],
)
def test_headers_have_to_match(headers: tuple[tuple[str, str], ...], good: bool) -> None:
    asked = replied(HEADED, spec(headers=headers))
    if good:
        assert asked.fate == (Verdict.GOOD, "ok")
    else:
        assert asked.fate == (Verdict.BAD, "bad_header")
        assert asked.finding.detail == f"{headers[-1][0]} does not match; 200 OK"


def test_header_lines_may_end_without_a_return() -> None:
    assert has_header(b"Status: 200\nX-Ready: yes\n\n", "x-ready", re.compile("^yes$"))


# -- the body -------------------------------------------------------------------------------------


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nall\r\n6\r\n's wel\r\n1\r\nl\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("reply", "body", "good"),
    [
        (OK, "^fine$", True),
        (OK, "bad", False),
        (UNTIL_EOF + b"all's well", "well", True),
        (UNTIL_EOF, "well", False),
        (CHUNKED, "^all's well$", True),
        (UNTIL_EOF + "öl".encode(), "^.l$", True),
        (UNTIL_EOF + b"\xff fine", "fine", True),
        (b"HTTP/1.1 204 No Content\r\n\r\nfine", "fine", False),
    ],
)
@pytest.mark.parametrize("dripping", [False, True])
def test_the_body_has_to_match(reply: bytes, body: str, good: bool, dripping: bool) -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec(body=body)))
    if dripping:
        drip(bench.channel, reply)
        bench.channel.end()
    else:
        bench.channel.end(reply)
    assert asked.fate == ((Verdict.GOOD, "ok") if good else (Verdict.BAD, "bad_body"))


def test_a_body_that_is_complete_is_not_waited_for() -> None:
    """gunicorn's gthread worker would hold its side open for two seconds."""
    bench = Bench()
    asked = bench.ask(HttpCheck(spec()))
    bench.channel.reply(OK)
    assert asked.fate == (Verdict.GOOD, "ok")


def test_a_body_is_read_to_its_end_even_if_nobody_asks_for_it() -> None:
    """Or the application would see a write error."""
    bench = Bench()
    asked = bench.ask(HttpCheck(spec()))
    bench.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000)
    assert not asked.ended
    bench.channel.reply(b"x" * 50_000)
    assert asked.fate == (Verdict.GOOD, "ok")
    assert not bench.channel.unread_bytes


@pytest.mark.parametrize(("pad", "good"), [(MAX_BODY_BYTES - 4, True), (MAX_BODY_BYTES - 3, False)])
def test_only_the_first_part_of_a_body_counts(pad: int, good: bool) -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec(body="fine")))
    bench.channel.reply(UNTIL_EOF + b"x" * pad + b"fine" + b"x" * MAX_BODY_BYTES)
    assert asked.fate == ((Verdict.GOOD, "ok") if good else (Verdict.BAD, "bad_body"))


def test_to_head_there_is_no_body() -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec(method="HEAD")))
    bench.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
    assert asked.fate == (Verdict.GOOD, "ok")


def test_a_puwsgi_socket_does_not_show_the_end_of_a_body() -> None:
    bench = Bench(BackendSettings(ADDRESS, puwsgi=True))
    asked = bench.ask(HttpCheck(spec(body="fine")))
    bench.channel.reply(UNTIL_EOF + b"fine")
    assert asked.fate == (Verdict.GOOD, "ok")


# -- what goes wrong ------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
BAD_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "eof_before_headers"),
        (b"HTTP/1.1 200 OK\r\nA", "eof_mid_headers"),
        (b"\x64\x00\x00\x01\r\n\r\n", "bad_reply_head"),
        (b"no colon here\r\n\r\n", "bad_reply_head"),
        (b"A: " + b"x" * (MAX_HEAD_BYTES + 1), "reply_head_too_large"),
        (b"x" * 10_000_000, "reply_head_too_large"),
        (HEAD + b"cut", "eof_mid_body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "eof_mid_body"),
        (BAD_CHUNK, "bad_reply_body"),
    ],
    ids=range(9),
)
def test_what_is_no_whole_reply_is_bad(data: bytes, word: str) -> None:
    assert replied(data).fate == (Verdict.BAD, word)


@pytest.mark.parametrize(
    ("data", "word"), [(b"", "reset_before_headers"), (HEAD + b"cut", "reset_mid_body")]
)
def test_a_reset_is_bad(data: bytes, word: str) -> None:
    bench = Bench()
    asked = bench.ask(HttpCheck(spec()))
    bench.channel.reply(data)
    bench.channel.reset()
    assert asked.fate == (Verdict.BAD, word)


@pytest.mark.parametrize(
    ("data", "word"),
    [(b"", "read_timeout"), (b"HTTP/1.1 200", "read_timeout"), (HEAD, "read_timeout_mid_body")],
)
def test_silence_is_bad_unless_our_requests_fill_the_backend(data: bytes, word: str) -> None:
    bench = Bench()
    bench.backend.learned_conns, bench.backend.in_flight = 2, 1
    asked = bench.ask(HttpCheck(spec()))
    bench.channel.reply(data)
    assert asked.expire().fate == (Verdict.BAD, word)
    bench.backend.in_flight = 2
    asked = bench.ask(HttpCheck(spec()))
    bench.channel.reply(data)
    assert asked.expire().fate == (Verdict.BUSY, word)


@pytest.mark.parametrize("reason", [errors.CONNECT_REFUSED, errors.SOCKET_MISSING])
def test_who_cannot_be_reached_is_bad(reason: Reason) -> None:
    bench = Bench()
    bench.memory.outcome = reason
    assert bench.ask(HttpCheck(spec())).fate == (Verdict.BAD, reason.word)


def test_a_full_listen_queue_is_busy() -> None:
    bench = Bench()
    bench.memory.outcome = "busy"
    assert bench.ask(HttpCheck(spec())).fate == (Verdict.BUSY, "backlog_full")
