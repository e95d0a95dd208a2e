"""Response heads to the byte: the order of their lines, the framing, our own answers."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.http1.writer import (
    CONTINUE,
    LAST_CHUNK,
    BodyFraming,
    HeadWriter,
    choose_framing,
    chunk,
    error_page,
    status_text,
)
from protocol.messages import HeaderBlock, ReplyHead, Request
from protocol.uri import Target

DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"
OPENING = b"Server: us\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
FRAMINGS = list(BodyFraming)


@pytest.fixture
def writer() -> HeadWriter:
    """A writer that knows its name and the time."""
    made = HeadWriter("us")
    made.set_date(DATE)
    return made


def _request(method: bytes = b"GET", minor: int | None = 1, upgrade: bool = False) -> Request:
    headers = HeaderBlock([], upgrade=upgrade)
    return Request(b"", method, Target(b"/", b"/", b"", None), b"", minor, headers)


class TestFraming:
    """Rules 4.18 to 4.28: how the client knows where a body ends."""

    @pytest.mark.parametrize(
        ("minor", "length", "framing"),
        [
            (1, None, BodyFraming.CHUNKED),
            (1, 0, BodyFraming.LENGTH),
            (1, 5, BodyFraming.LENGTH),
            (7, None, BodyFraming.CHUNKED),
            (0, None, BodyFraming.CLOSE),
            (0, 5, BodyFraming.LENGTH),
            (None, None, BodyFraming.CLOSE),
            (None, 5, BodyFraming.CLOSE),
        ],
    )
    def test_the_client_and_the_length_decide(
        self, minor: int | None, length: int | None, framing: BodyFraming
    ) -> None:
        reply = ReplyHead(200, b"200 OK", content_length=length)
        assert choose_framing(_request(minor=minor), reply) is framing

    @pytest.mark.parametrize("length", [None, 5])
    @pytest.mark.parametrize("minor", [0, 1])
    def test_some_responses_have_no_body(self, minor: int, length: int | None) -> None:
        for method, status in ((b"HEAD", 200), (b"HEAD", 500), (b"GET", 204), (b"POST", 304)):
            reply = ReplyHead(status, b"", content_length=length)
            assert choose_framing(_request(method, minor), reply) is BodyFraming.NONE

    def test_205_is_an_ordinary_one(self) -> None:
        assert choose_framing(_request(), ReplyHead(205, b"")) is BodyFraming.CHUNKED

    def test_a_tunnel_is_for_those_who_asked(self) -> None:
        reply = ReplyHead(101, b"")
        for minor in (0, 1):
            assert choose_framing(_request(minor=minor, upgrade=True), reply) is BodyFraming.TUNNEL
        assert choose_framing(_request(), reply) is not BodyFraming.TUNNEL
        assert choose_framing(_request(upgrade=True), ReplyHead(200, b"")) is BodyFraming.CHUNKED


class TestHead:
    """Rule 4.10: the order of the lines."""

    def test_all_lines(self, writer: HeadWriter) -> None:
        fields = [(b"X-B", b"2"), (b"set-cookie", b"a"), (b"X-A", b""), (b"set-cookie", b"b")]
        reply = ReplyHead(200, b"200 Fine", fields, b"text/plain", 12)
        assert writer.head(reply, BodyFraming.LENGTH, True) == (
            b"HTTP/1.1 200 Fine\r\n" + OPENING + b"Content-Type: text/plain\r\n"
            b"Content-Length: 12\r\nConnection: keep-alive\r\nX-B: 2\r\nset-cookie: a\r\n"
            b"X-A: \r\nset-cookie: b\r\n\r\n"
        )

    def test_as_few_as_possible(self, writer: HeadWriter) -> None:
        head = writer.head(ReplyHead(404, b"404"), BodyFraming.CLOSE, False)
        assert head == b"HTTP/1.1 404\r\n" + OPENING + b"Connection: close\r\n\r\n"

    def test_an_empty_content_type_is_dropped(self, writer: HeadWriter) -> None:
        """Rule 4.16."""
        reply = ReplyHead(200, b"200 OK", content_type=b"")
        assert b"Content-Type" not in writer.head(reply, BodyFraming.CLOSE, False)

    def test_each_framing(self, writer: HeadWriter) -> None:
        for framing in FRAMINGS:
            length = 5 if framing in (BodyFraming.LENGTH, BodyFraming.NONE) else None
            reply = ReplyHead(200, b"200 OK", content_length=length)
            head = writer.head(reply, framing, True)
            assert (b"\r\nTransfer-Encoding: chunked\r\n" in head) is (
                framing is BodyFraming.CHUNKED
            )
            assert (b"\r\nContent-Length: 5\r\n" in head) is (length is not None)
            connection = b"upgrade" if framing is BodyFraming.TUNNEL else b"keep-alive"
            assert b"\r\nConnection: %s\r\n" % connection in head

    @pytest.mark.parametrize(
        ("fields", "opening"),
        [
            ([(b"Server", b"app")], b"Date: " + DATE + b"\r\n"),
            ([(b"Date", b"x")], b"Server: us\r\n"),
            ([(b"date", b""), (b"SERVER", b"")], b""),
        ],
    )
    def test_the_application_has_its_own_opening(
        self, writer: HeadWriter, fields: list[tuple[bytes, bytes]], opening: bytes
    ) -> None:
        """Rule 4.11."""
        names = [name.lower() for name, _ in fields]
        reply = ReplyHead(
            200, b"200 OK", fields, has_server=b"server" in names, has_date=b"date" in names
        )
        lines = b"".join(b"%s: %s\r\n" % field for field in fields)
        assert writer.head(reply, BodyFraming.CLOSE, False) == (
            b"HTTP/1.1 200 OK\r\n" + opening + b"Connection: close\r\n" + lines + b"\r\n"
        )

    def test_a_server_without_a_name(self) -> None:
        nameless = HeadWriter("")
        nameless.set_date(DATE)
        for reply in (ReplyHead(200, b"200 OK"), ReplyHead(200, b"200 OK", has_date=True)):
            assert b"Server" not in nameless.head(reply, BodyFraming.CLOSE, False)

    def test_what_is_remembered_is_still_right(self, writer: HeadWriter) -> None:
        """A reply head is written again when anything that it depends on has changed."""
        reply = ReplyHead(200, b"200 OK")
        for _ in range(2):
            for keep_alive in (True, False):
                for framing in FRAMINGS:
                    fresh = ReplyHead(200, b"200 OK")
                    expected = writer.head(fresh, framing, keep_alive)
                    assert writer.head(reply, framing, keep_alive) == expected
                    assert writer.head(reply, framing, keep_alive) == expected
        before = writer.head(reply, BodyFraming.CLOSE, False)
        writer.set_date(DATE.replace(b"00:00:00", b"00:00:01"))
        assert writer.head(reply, BodyFraming.CLOSE, False) == before.replace(
            b"00:00:00", b"00:00:01"
        )
        other = HeadWriter("them")
        other.set_date(DATE)
        assert b"Server: them\r\n" in other.head(reply, BodyFraming.CLOSE, False)

    def test_an_interim_head_says_only_what_the_application_said(self, writer: HeadWriter) -> None:
        reply = ReplyHead(103, b"103 Early Hints", [(b"Link", b"</a>"), (b"Link", b"</b>")])
        assert writer.interim(reply) == (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n"
        )
        assert writer.interim(ReplyHead(102, b"102")) == b"HTTP/1.1 102\r\n\r\n"
        assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


class TestOwnAnswers:
    """The pages that this program makes itself."""

    def test_the_bytes_of_one(self, writer: HeadWriter) -> None:
        page = error_page(404, b"X-A: 1\r\n")
        body = (
            b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n"
            b"<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n"
        )
        head = (
            b"HTTP/1.1 404 Not Found\r\n" + OPENING + b"Content-Type: text/html\r\n"
            b"Content-Length: %d\r\nConnection: keep-alive\r\nX-A: 1\r\n\r\n" % len(body)
        )
        assert writer.error(page, keep_alive=True, head_only=False) == head + body
        assert writer.error(page, keep_alive=True, head_only=True) == head
        closing = head.replace(b"keep-alive", b"close")
        assert writer.error(page, keep_alive=False, head_only=True) == closing

    def test_a_line_for_people(self) -> None:
        page = error_page(502, detail="the application is down")
        assert b"\r\n<p>the application is down</p>\r\n" in page.body
        assert (page.status, page.headers) == (502, b"")

    @pytest.mark.parametrize(
        ("status", "text"),
        [(413, b"413 Request Entity Too Large"), (405, b"405 Not Allowed"), (799, b"799 ")],
    )
    def test_the_text_of_a_status(self, status: int, text: bytes) -> None:
        assert status_text(status) == text


def test_the_bytes_of_a_chunk() -> None:
    assert chunk(b"hello") == b"5\r\nhello\r\n"
    assert chunk(b"x" * 4096)[:6] == b"1000\r\n"
    assert LAST_CHUNK == b"0\r\n\r\n"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_an_independent_client_reads_a_chunked_response(pieces: list[bytes]) -> None:
    writer = HeadWriter("us")
    writer.set_date(DATE)
    reply = ReplyHead(200, b"200 OK", [(b"X-A", b"1")], b"text/plain")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(writer.head(reply, BodyFraming.CHUNKED, True))
    client.receive_data(b"".join(map(chunk, pieces)) + LAST_CHUNK)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == 200
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == b"".join(pieces)
