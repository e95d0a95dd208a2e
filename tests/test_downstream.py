"""What a client sees of a response: framing by version, method and length; heads and counts."""

from collections.abc import Callable

import pytest

from protocol.http1.writer import BodyFraming, choose_framing
from protocol.messages import ReplyHead
from proxy import errors
from proxy.downstream import (
    NO_RECORD,
    ClientSource,
    Downstream,
    SpoolSource,
    page_for,
)
from proxy.errors import ClientGone, ProxyError
from proxy.settings import ClientSettings
from proxy.spool import Spool
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from tests.wire import ENDLESS, GET, chunked, harness, read_responses, reply, request


def answer(asked: bytes, replied: bytes) -> tuple[bytes, MemoryClient, Harness]:
    """Return what a client gets when the backend says `replied` and closes."""
    wire = harness()
    client = wire.client()
    client.send(asked)
    wire.backend.channel.end(replied)
    return client.received(), client, wire


def split(data: bytes) -> tuple[set[bytes], bytes]:
    """Return the framing lines of a response's head, and its body."""
    head, _, body = data.partition(b"\r\n\r\n")
    names = (b"content-length:", b"transfer-encoding:", b"connection:")
    lines = head.split(b"\r\n")[1:]
    return {line for line in lines if line.lower().startswith(names)}, body


CHUNKED = b"Transfer-Encoding: chunked"
KEEP = b"Connection: keep-alive"
CLOSE = b"Connection: close"
LENGTH = b"Content-Length: 5"

FRAMING = {
    # asked, replied -> framing lines, body, still open
    "1.1, length": (GET, reply(b"hello"), {LENGTH, KEEP}, b"hello", True),
    "1.1, no length": (GET, ENDLESS + b"hello", {CHUNKED, KEEP}, chunked(b"hello"), True),
    "1.1, nothing": (GET, ENDLESS, {CHUNKED, KEEP}, b"0\r\n\r\n", True),
    "1.1, no length, close": (
        request(b"GET / HTTP/1.1", CLOSE),
        ENDLESS + b"hello",
        {CHUNKED, CLOSE},
        chunked(b"hello"),
        False,
    ),
    "1.1, chunked by the application": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"he", b"llo"),
        {CHUNKED, KEEP},
        chunked(b"hello"),
        True,
    ),
    "1.1, CGI": (GET, b"Status: 200 OK\r\n\r\nhello", {CHUNKED, KEEP}, chunked(b"hello"), True),
    "1.1, more than its length": (GET, reply(b"hello") + b"!", {LENGTH, KEEP}, b"hello", True),
    "1.1, length 0": (GET, reply(b""), {b"Content-Length: 0", KEEP}, b"", True),
    "1.0, length": (request(b"GET / HTTP/1.0"), reply(b"hello"), {LENGTH, CLOSE}, b"hello", False),
    "1.0, length, keep-alive": (
        request(b"GET / HTTP/1.0", KEEP),
        reply(b"hello"),
        {LENGTH, KEEP},
        b"hello",
        True,
    ),
    "1.0, no length": (
        request(b"GET / HTTP/1.0"),
        ENDLESS + b"hello",
        {CLOSE},
        b"hello",
        False,
    ),
    "1.0, no length, keep-alive": (
        request(b"GET / HTTP/1.0", KEEP),
        ENDLESS + b"hello",
        {CLOSE},
        b"hello",
        False,
    ),
    "1.0, chunked by the application": (
        request(b"GET / HTTP/1.0"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"),
        {CLOSE},
        b"hello",
        False,
    ),
    "HEAD, length": (request(b"HEAD / HTTP/1.1"), reply(b"hello"), {LENGTH, KEEP}, b"", True),
    "HEAD, no length": (request(b"HEAD / HTTP/1.1"), ENDLESS, {KEEP}, b"", True),
    "HEAD, 1.0": (request(b"HEAD / HTTP/1.0"), reply(b"hello"), {LENGTH, CLOSE}, b"", False),
    "HEAD, chunked by the application": (
        request(b"HEAD / HTTP/1.1"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"),
        {KEEP},
        b"",
        True,
    ),
    "204": (GET, b"HTTP/1.1 204 No Content\r\n\r\nhello", {KEEP}, b"", True),
    "304": (GET, b"HTTP/1.1 304 Not Modified\r\n\r\n", {KEEP}, b"", True),
    "304, length of what it would be": (
        GET,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        {LENGTH, KEEP},
        b"",
        True,
    ),
    "205": (GET, b"HTTP/1.1 205 Reset Content\r\n\r\n", {CHUNKED, KEEP}, b"0\r\n\r\n", True),
}


@pytest.mark.parametrize("case", FRAMING)
def test_framing(case: str) -> None:
    asked, replied, lines, body, open_ = FRAMING[case]
    got, client, wire = answer(asked, replied)
    assert split(got) == (lines, body)
    assert client.closed is not open_
    assert client.at_end is not open_
    assert not client.was_reset
    method = asked.split(b" ")[0].decode()
    (response,) = read_responses(got, [method], ended=client.at_end)
    assert response.whole
    record = wire.records[0]
    assert record.sent_bytes == len(got)
    assert record.sent_bytes - record.head_bytes == len(body)
    assert record.reason is None
    assert wire.backend.channel.closed


def test_http_0_9_gets_a_body_and_nothing_else() -> None:
    for replied in (reply(b"hello"), ENDLESS + b"hello"):
        got, client, wire = answer(b"GET /\r\n", replied)
        assert (got, client.at_end) == (b"hello", True)
        assert wire.records[0].head_bytes == 0


# what is cut off: sent by the backend before it ends, how the client can tell
CUT = {
    "1.1, length": (GET, reply(b"hello")[:-2], "short"),
    "1.1, no length, reset": (GET, ENDLESS + b"hel", "short"),
    "1.1, chunked by the application": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "short",
    ),
    "1.1, chunked, without the last chunk": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        "short",
    ),
    "1.0, length": (request(b"GET / HTTP/1.0"), reply(b"hello")[:-2], "short"),
    "1.0, no length, reset": (request(b"GET / HTTP/1.0"), ENDLESS + b"hel", "reset"),
    "0.9, length": (b"GET /\r\n", reply(b"hello")[:-2], "reset"),
    "0.9, reset": (b"GET /\r\n", ENDLESS + b"hel", "reset"),
}


@pytest.mark.parametrize("case", CUT)
def test_a_reply_that_is_cut_off_never_looks_whole(case: str) -> None:
    asked, replied, sign = CUT[case]
    wire = harness()
    client = wire.client()
    client.send(asked)
    wire.backend.channel.reply(replied)
    assert client.everything.endswith((b"hel", b"hel\r\n"))
    if "reset" in case:
        wire.backend.channel.reset()
    else:
        wire.backend.channel.end()
    assert client.closed
    assert client.was_reset is (sign == "reset")
    if sign == "short":
        (response,) = read_responses(client.everything, ended=True)
        assert (response.body, response.whole) == (b"hel", False)
    assert wire.records[0].reason in (errors.EOF_MID_BODY, errors.RESET_MID_BODY)
    assert wire.records[0].status == 200


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"GET / HTTP/1.0"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_reply_that_fails_before_a_byte_of_it_went_out_is_answered(
    line: bytes, reset: bool
) -> None:
    wire = harness()
    client = wire.client()
    client.send(request(line))
    wire.backend.channel.reply(reply(b"hello")[:-5])
    assert client.received() == b""
    if reset:
        wire.backend.channel.reset()
    else:
        wire.backend.channel.end()
    got = client.received()
    (response,) = read_responses(got)
    assert (response.status, response.whole) == (502, True)
    record = wire.records[0]
    assert (record.status, record.sent_bytes) == (502, len(got))
    assert record.sent_bytes - record.head_bytes == len(response.body)


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"GET / HTTP/1.0"])
def test_a_client_that_leaves_before_a_byte_of_its_reply_went_out(line: bytes) -> None:
    wire = harness()
    client = wire.client()
    client.send(request(line))
    wire.backend.channel.reply(reply(b"hello")[:-5])
    client.reset()
    record = wire.records[0]
    assert (record.status, record.reason) == (499, errors.CLIENT_GONE)
    assert (record.sent_bytes, record.head_bytes) == (0, 0)


def test_a_connection_survives_a_reply_that_could_be_answered() -> None:
    wire = harness()
    client = wire.client()
    client.send(GET)
    wire.backend.channel.end(reply(b"hello")[:-5])
    assert (b"502" in client.received(), client.closed) == (True, False)
    client.send(GET)
    wire.backend.channel.end(reply())
    assert client.received().endswith(b"ok")


# -- heads ----------------------------------------------------------------------------------------


def test_interim_heads_go_to_those_who_know_them() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    for line, expected in ((b"GET / HTTP/1.1", hints), (b"GET / HTTP/1.0", b"")):
        wire = harness()
        client = wire.client()
        client.send(request(line))
        wire.backend.channel.reply(b"HTTP/1.1 100 Continue\r\n\r\n" + hints)
        assert client.received() == expected
        wire.backend.channel.reply(reply())
        got = client.received()
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        record = wire.records[0]
        assert record.sent_bytes == len(expected + got)
        assert record.sent_bytes - record.head_bytes == 2
        assert record.attempts[0].status == 200


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (request(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"), True),
        (request(b"POST / HTTP/1.1", b"Expect: 100-Continue", b"Content-Length: 2"), True),
        (request(b"GET / HTTP/1.1", b"Expect: 100-continue"), True),
        (request(b"POST / HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 2"), False),
        (request(b"POST / HTTP/1.1", b"Expect: something", b"Content-Length: 2"), False),
        (request(b"POST / HTTP/1.1", b"Content-Length: 2"), False),
    ],
)
def test_who_expects_it_is_told_to_continue(asked: bytes, sent: bool) -> None:
    wire = harness()
    client = wire.client()
    client.send(asked)
    assert client.received() == (b"HTTP/1.1 100 Continue\r\n\r\n" if sent else b"")
    if asked.startswith(b"POST"):
        client.send(b"hi")
    wire.backend.channel.reply(reply())
    record = wire.records[0]
    assert record.sent_bytes - record.head_bytes == 2


def test_who_is_refused_by_the_declared_length_is_not_told_to_continue() -> None:
    wire = harness(ClientSettings(max_body_bytes=1))
    client = wire.client()
    client.send(request(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"))
    assert client.received().startswith(b"HTTP/1.1 413 ")
    assert client.at_end


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_pages_of_our_own(method: str, version: bytes) -> None:
    wire = harness(backends=0)
    client = wire.client()
    client.send(request(method.encode() + b" / " + version))
    got = client.received()
    (response,) = read_responses(got, [method], ended=client.at_end)
    page = page_for(502).body
    assert (response.status, response.whole) == (502, True)
    assert response.body == (b"" if method == "HEAD" else page)
    assert response.headers["content-length"] == str(len(page))
    assert client.closed is (version == b"HTTP/1.0")
    record = wire.records[0]
    assert (record.status, record.sent_bytes) == (502, len(got))
    assert record.sent_bytes - record.head_bytes == len(response.body)


def test_a_page_for_http_0_9_is_only_a_page() -> None:
    wire = harness(backends=0)
    client = wire.client()
    client.send(b"GET /\r\n")
    assert (client.received(), client.at_end) == (page_for(502).body, True)


def test_503_says_when_to_come_again() -> None:
    assert page_for(503, 7).headers == b"Retry-After: 7\r\n"
    assert page_for(503, 0).headers == page_for(503).headers == b""
    assert page_for(502, 7).headers == b""


# -- what it is made of ---------------------------------------------------------------------------


def serving(serve: Callable[[Downstream], object]) -> tuple[Harness, MemoryClient]:
    """Return a front end whose requests are served by a plain function, and a client of it."""

    async def run(client: Downstream) -> None:
        serve(client)

    wire = Harness(serve=run)
    return wire, wire.client()


def reply_head(length: int | None = None) -> ReplyHead:
    return ReplyHead(200, b"200 OK", content_length=length)


def test_a_head_goes_out_with_the_first_bytes_of_its_body() -> None:
    seen: list[bytes] = []

    def serve(client: Downstream) -> None:
        client.start(reply_head(4), BodyFraming.LENGTH)
        seen.append(sender.received())
        client.write_body(b"ab", last=False)
        seen.append(sender.received()[-2:])
        client.write_body(b"cd", last=True)
        seen.append(sender.received())

    _, sender = serving(serve)
    sender.send(GET)
    assert seen == [b"", b"ab", b"cd"]


def test_a_head_can_be_sent_first() -> None:
    seen: list[bytes] = []

    def serve(client: Downstream) -> None:
        client.start(reply_head(), BodyFraming.CHUNKED)
        client.flush()
        client.flush()
        seen.append(sender.received())
        client.write_body(b"", last=False)
        client.write_body(b"", last=True)
        seen.append(sender.received())

    _, sender = serving(serve)
    sender.send(GET)
    assert seen[0].endswith(b"\r\n\r\n")
    assert seen[0].count(b"HTTP/1.1 200 OK") == 1
    assert seen[1] == b"0\r\n\r\n"


def test_large_pieces_are_framed_like_small_ones() -> None:
    big = b"x" * 100_000

    def serve(client: Downstream) -> None:
        client.start(reply_head(), BodyFraming.CHUNKED)
        client.write_body(big, last=False)
        client.write_body(big, last=True)

    wire, sender = serving(serve)
    sender.send(GET)
    got = sender.received()
    (response,) = read_responses(got)
    assert (response.body, response.whole) == (big + big, True)
    assert wire.records[0].sent_bytes == len(got)


@pytest.mark.parametrize("size", [0, 5, 100_000])
@pytest.mark.parametrize("framing", [BodyFraming.LENGTH, BodyFraming.CHUNKED])
def test_a_whole_response(size: int, framing: BodyFraming) -> None:
    body = b"x" * size
    head = reply_head(size if framing is BodyFraming.LENGTH else None)
    wire, sender = serving(lambda client: client.respond(head, framing, body))
    sender.send(GET + GET)
    got = sender.received()
    responses = read_responses(got, ["GET", "GET"])
    assert [(one.body, one.whole) for one in responses] == [(body, True)] * 2
    assert sum(record.sent_bytes for record in wire.records) == len(got)


def test_between_requests_nothing_is_held() -> None:
    kept: list[Downstream] = []

    def serve(client: Downstream) -> None:
        kept[:] = [client]
        client.send_page(page_for(503))

    wire, sender = serving(serve)
    sender.send(GET)
    assert kept[0].record is NO_RECORD
    wire.clock.advance(2.0)
    assert kept[0].request.line == b""
    assert kept[0].variables is None
    sender.send(GET)
    assert len(wire.records) == 2


@pytest.mark.parametrize(
    ("minor", "length", "method", "status", "framing"),
    [
        (1, 5, b"GET", 200, BodyFraming.LENGTH),
        (1, None, b"GET", 200, BodyFraming.CHUNKED),
        (0, 5, b"GET", 200, BodyFraming.LENGTH),
        (0, None, b"GET", 200, BodyFraming.CLOSE),
        (None, 5, b"GET", 200, BodyFraming.CLOSE),
        (None, None, b"GET", 200, BodyFraming.CLOSE),
        (1, 5, b"HEAD", 200, BodyFraming.NONE),
        (1, 5, b"GET", 204, BodyFraming.NONE),
        (1, 5, b"GET", 304, BodyFraming.NONE),
    ],
)
def test_the_choice_of_a_framing(
    minor: int | None, length: int | None, method: bytes, status: int, framing: BodyFraming
) -> None:
    chosen: list[BodyFraming] = []

    def serve(client: Downstream) -> None:
        client.request.minor, client.request.method = minor, method
        head = ReplyHead(status, b"%d X" % status, content_length=length)
        chosen.append(choose_framing(client.request, head))

    _, sender = serving(serve)
    sender.send(GET)
    assert chosen == [framing]


# -- the request's body ---------------------------------------------------------------------------


class Reading:
    """A front end that reads the body of its request into a spool, and how that went."""

    def __init__(self, max_bytes: int = 0) -> None:
        self.spool = Spool(1 << 20)
        self.size: int | None = None
        self.error: ProxyError | None = None
        self._max_bytes = max_bytes
        self.wire = Harness(serve=self._serve)
        self.client = self.wire.client()

    async def _serve(self, client: Downstream) -> None:
        try:
            self.size = await client.read_body(self.spool, self._max_bytes, timeout_s=10.0)
        except ProxyError as error:
            self.error = error
        client.send_page(page_for(503))


@pytest.mark.parametrize(
    "asked",
    [
        request(b"POST / HTTP/1.1", body=b"hello"),
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + chunked(b"he", b"llo"),
    ],
)
def test_a_body_is_read_however_it_comes(asked: bytes) -> None:
    for step in (1, 7, len(asked)):
        reading = Reading()
        for position in range(0, len(asked), step):
            assert reading.size is None
            reading.client.send(asked[position : position + step])
        assert (reading.size, reading.spool.take(100)[:1]) == (5, b"h")
        assert reading.wire.records[0].body_bytes == 5
        assert not reading.client.closed


def test_no_body_takes_no_time() -> None:
    reading = Reading()
    reading.client.send(request(b"POST / HTTP/1.1", b"Content-Length: 0"))
    assert reading.size == 0


def test_a_body_over_its_limit() -> None:
    for body, fails in ((b"12345", False), (b"123456", True)):
        reading = Reading(max_bytes=5)
        reading.client.send(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"))
        reading.client.send(b"%x\r\n" % len(body) + body)
        assert (reading.error is not None) is fails
        if reading.error is not None:
            assert reading.error.reason is errors.BODY_TOO_LARGE
            assert reading.error.detail == "more than 5 bytes"


def test_a_malformed_body() -> None:
    reading = Reading()
    reading.client.send(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + b"xyz\r\n")
    assert reading.error is not None
    assert reading.error.reason.word == "bad_chunk"


def test_the_time_for_a_body_is_between_two_reads() -> None:
    reading = Reading()
    reading.client.send(request(b"POST / HTTP/1.1", b"Content-Length: 5"))
    for _ in range(4):
        reading.wire.clock.advance(10.0)
        reading.client.send(b"x")
    assert reading.error is None
    reading.wire.clock.advance(10.0)
    assert reading.error is None
    reading.wire.clock.advance(LATE_S)
    assert reading.error is not None
    assert reading.error.reason is errors.CLIENT_BODY_TIMEOUT


@pytest.mark.parametrize("leave", [MemoryClient.end, MemoryClient.reset])
def test_a_client_that_leaves_in_its_body(leave: Callable[[MemoryClient], None]) -> None:
    reading = Reading()
    reading.client.send(request(b"POST / HTTP/1.1", b"Content-Length: 5") + b"abc")
    leave(reading.client)
    assert isinstance(reading.error, ClientGone)


def test_a_body_whose_end_comes_with_the_client_s_is_whole() -> None:
    reading = Reading()
    reading.client.transport.pause_reading()
    reading.client.send(request(b"POST / HTTP/1.1", body=b"hello"))
    reading.client.end()
    reading.client.transport.resume_reading()
    reading.wire.clock.settle()
    assert (reading.size, reading.error) == (5, None)


def test_sources() -> None:
    spool = Spool(100)
    spool.put(b"ab")
    spool.put(b"cd")
    source = SpoolSource(spool)
    assert not source.ended
    assert (source.take(), source.take(), source.take()) == (b"ab", b"cd", b"")
    assert source.ended
    seen: list[object] = []

    async def serve(client: Downstream) -> None:
        streamed = ClientSource(client, 10.0)
        while not streamed.ended:
            seen.append(streamed.take())
            if not seen[-1] and not streamed.ended:
                await client.vigil.wake
        seen.append(streamed.take())
        client.send_page(page_for(503))

    wire = Harness(serve=serve)
    client = wire.client()
    client.send(request(b"POST / HTTP/1.1", b"Content-Length: 4") + b"ab")
    assert seen == [b"ab", b""]
    client.send(b"cdGET")
    assert seen == [b"ab", b"", b"cd", b"", b""]
