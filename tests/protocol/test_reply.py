"""Reply heads: what backends send, cut in every way; outcomes as a real nginx 1.31.5 has them.

`D` marks the deviations from nginx.
"""

from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import ReplyError
from protocol.messages import Field, ReplyHead
from protocol.reply import REASONS, ReplyParser
from proxy.settings import UpstreamSettings

DEFAULT = UpstreamSettings()
BODY = b"body\r\n\r\nof bytes"
ANY = b"HTTP/1.1 200 OK\r\n"


class Good(NamedTuple):
    """A head that is accepted: its status and what the client gets of it."""

    head: bytes
    status: int = 200
    line: bytes = b"200 OK"
    fields: tuple[Field, ...] = ()


GOOD = {
    # 4.1: status lines
    "4.1 plain": Good(b"HTTP/1.1 200 OK\r\n\r\n"),
    "4.1 verbatim": Good(b"HTTP/1.0 404 Nope Not  Here\r\n\r\n", 404, b"404 Nope Not  Here"),
    "4.1 no reason": Good(b"HTTP/1.1 200\r\n\r\n", 200, b"200"),
    "4.1 empty reason": Good(b"HTTP/1.1 200 \r\n\r\n", 200, b"200 "),
    "4.1 any version": Good(b"HTTP/12.345 201 \xff\r\n\r\n", 201, b"201 \xff"),
    "4.1 spaces": Good(b"HTTP/1.1  200 OK\r\n\r\n"),
    "4.1 fraction": Good(b"HTTP/1.1 403.1 IIS\r\n\r\n", 403, b"403.1 IIS"),
    "4.1 status ignored": Good(ANY + b"Status: 404\r\n\r\n", fields=((b"Status", b"404"),)),
    # 4.2, 4.3: CGI heads
    "4.2 code": Good(b"Status: 201\r\n\r\n", 201, b"201 Created", ((b"Status", b"201"),)),
    "4.2 reason": Good(b"Status: 201 Made\r\n\r\n", 201, b"201 Made", ((b"Status", b"201 Made"),)),
    "4.2 unknown": Good(b"status: 799\r\n\r\n", 799, b"799 ", ((b"status", b"799"),)),
    "4.2 D: no space": Good(b"Status: 2001\r\n\r\n", 200, b"200 OK", ((b"Status", b"2001"),)),
    "4.2 later": Good(b"A: b\r\nStatus: 404 No\r\n\r\n", 404, b"404 No",
                      ((b"A", b"b"), (b"Status", b"404 No"))),
    "4.3 redirect": Good(b"Location: /x\r\n\r\n", 302, b"302 Moved Temporarily",
                         ((b"Location", b"/x"),)),
    "4.3 neither": Good(b"A: b\r\n\r\n", fields=((b"A", b"b"),)),
    "4.3 nothing": Good(b"\r\n"),
    "4.3 nothing, LF": Good(b"\n"),
    # 4.5: codes
    "4.5 099": Good(b"HTTP/1.1 099\r\n\r\n", 99, b"099"),
    "4.5 600": Good(b"HTTP/1.1 600 X\r\n\r\n", 600, b"600 X"),
    "4.5 999": Good(b"Status: 999 X\r\n\r\n", 999, b"999 X", ((b"Status", b"999 X"),)),
    "4.5 000": Good(b"HTTP/1.1 000 X\r\n\r\n"),
    "4.5 000, redirect": Good(b"HTTP/1.1 000\r\nLocation: /\r\n\r\n", 302,
                              b"302 Moved Temporarily", ((b"Location", b"/"),)),
    "4.5 D: status 000": Good(b"Status: 000\r\n\r\n", fields=((b"Status", b"000"),)),
    # 4.6: lines that begin like a status line
    "4.6 short code": Good(b"HTTP/1.1 20 X\r\nA: b\r\n\r\n", fields=((b"A", b"b"),)),
    "4.6 long code": Good(b"HTTP/1.1 2000 X\r\n\r\n"),
    "4.6 between": Good(ANY + b"A: b\r\nHTTP/1.1 404 X\r\nC: d\r\n\r\n",
                        fields=((b"A", b"b"), (b"C", b"d"))),
    # 4.7: what header lines may be
    "4.7 no colon": Good(ANY + b"Foo\r\n\r\n", fields=((b"Foo", b""),)),
    "4.7 odd names": Good(ANY + b"a_b: 1\r\nc.d: 2\r\n@e: 3\r\nf\xe9: 4\r\n\r\n",
                          fields=((b"a_b", b"1"), (b"c.d", b"2"), (b"@e", b"3"),
                                  (b"f\xe9", b"4"))),
    "4.7 values": Good(ANY + b"A:  b c  \r\nD:\r\nE: \t\xff\t\r\n\r\n",
                       fields=((b"A", b"b c"), (b"D", b""), (b"E", b"\t\xff\t"))),
    "4.7 LF": Good(b"HTTP/1.1 404 X\nA: b\n\n", 404, b"404 X", ((b"A", b"b"),)),
    "4.7 LF and CRLF": Good(b"HTTP/1.1 404 X\r\nA: b\nC: d\r\n\r\n", 404, b"404 X",
                            ((b"A", b"b"), (b"C", b"d"))),
    "4.7 LF CRLF": Good(b"Status: 404 X\n\r\n", 404, b"404 X", ((b"Status", b"404 X"),)),
    "4.7 CRLF LF": Good(b"Status: 404 X\r\n\n", 404, b"404 X", ((b"Status", b"404 X"),)),
    # 4.12, 4.13: what does not go on
    "4.12 hidden": Good(ANY + b"X-Accel-Expires: 0\r\nX-Accel-Redirect: /x\r\n"
                        b"X-Accel-Limit-Rate: 1\r\nX-Accel-Buffering: no\r\n"
                        b"X-Accel-Charset: utf-8\r\nX-Accel-Other: x\r\nX-Sendfile: /y\r\n\r\n",
                        fields=((b"X-Accel-Other", b"x"), (b"X-Sendfile", b"/y"))),
    "4.13 consumed": Good(ANY + b"Connection: x\r\nkeep-alive: 5\r\nTE: t\r\nTrailer: u\r\n"
                          b"Proxy-Authenticate: v\r\nProxy-Connection: w\r\n\r\n",
                          fields=((b"TE", b"t"), (b"Trailer", b"u"),
                                  (b"Proxy-Authenticate", b"v"), (b"Proxy-Connection", b"w"))),
    # 4.14: duplicates
    "4.14 first wins": Good(
        ANY + b"".join(
            name + b": 1\r\n" + name.lower() + b": 2\r\n"
            for name in (b"Status", b"Date", b"Server", b"Location", b"Refresh", b"ETag",
                         b"Expires", b"Last-Modified")
        ) + b"\r\n",
        fields=tuple(
            (name, b"1")
            for name in (b"Status", b"Date", b"Server", b"Location", b"Refresh", b"ETag",
                         b"Expires", b"Last-Modified")
        ),
    ),
    "4.14 all kept": Good(
        ANY + b"Set-Cookie: a\r\nSet-Cookie: b\r\nVary: c\r\nVary: d\r\nX: e\r\nx: f\r\n\r\n",
        fields=((b"Set-Cookie", b"a"), (b"Set-Cookie", b"b"), (b"Vary", b"c"), (b"Vary", b"d"),
                (b"X", b"e"), (b"x", b"f")),
    ),
    "4.28 upgrade": Good(b"HTTP/1.1 101 Go\r\nupgrade: x\r\nConnection: upgrade\r\n\r\n", 101,
                         b"101 Go", ((b"Upgrade", b"x"),)),
}  # fmt: skip

BAD = {
    # 4.2
    "4.2 short": b"Status: 20\r\n\r\n",
    "4.2 empty": b"Status:\r\n\r\n",
    "4.2 text": b"Status: abc\r\n\r\n",
    "4.2 sign": b"Status: +20\r\n\r\n",
    # 4.7
    "4.7 text": b"garbage text\r\n\r\n",
    "4.7 markup": b"<html> x\r\n\r\n",
    "4.7 lower case": b"http/1.1 200 OK\r\n\r\n",
    "4.7 space in a name": ANY + b"A b: c\r\n\r\n",
    "4.7 space behind a name": ANY + b"A : c\r\n\r\n",
    "4.7 folded": ANY + b"A: b\r\n c\r\n\r\n",
    "4.7 tab first": ANY + b"\tA: b\r\n\r\n",
    "4.7 no name": ANY + b": b\r\n\r\n",
    "4.7 control in a name": ANY + b"A\x01: b\r\n\r\n",
    "4.7 delete in a name": ANY + b"A\x7f: b\r\n\r\n",
    "4.7 NUL": ANY + b"A: b\0\r\n\r\n",
    "4.7 CR": ANY + b"A: b\rc\r\n\r\n",
    "4.7 D: CR CR LF": ANY + b"A: b\r\r\n\r\n",
    "4.7 D: control in a value": ANY + b"A: \x1b\r\n\r\n",
    "4.7 D: delete in a value": ANY + b"A: \x7f\r\n\r\n",
    "4.7 D: control in a reason": b"HTTP/1.1 200 \x07\r\n\r\n",
    # 4.19, 4.20
    "4.19 two": ANY + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
    "4.19 empty": ANY + b"Content-Length:\r\n\r\n",
    "4.19 text": ANY + b"Content-Length: x\r\n\r\n",
    "4.19 negative": ANY + b"Content-Length: -1\r\n\r\n",
    "4.19 list": ANY + b"Content-Length: 2, 2\r\n\r\n",
    "4.19 huge": ANY + b"Content-Length: %s\r\n\r\n" % (b"9" * 19),
    "4.19 with a coding": ANY + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "4.19 behind a coding": ANY + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
    "4.20 unknown": ANY + b"Transfer-Encoding: gzip\r\n\r\n",
    "4.20 list": ANY + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "4.20 two": ANY + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "4.20 empty": ANY + b"Transfer-Encoding:\r\n\r\n",
}


def _parse(data: bytes, rules: UpstreamSettings = DEFAULT) -> tuple[ReplyHead, bytes] | None:
    return ReplyParser(rules).parse(data)


def _head(lines: bytes, rules: UpstreamSettings = DEFAULT) -> ReplyHead:
    """Return the parsed head with these lines."""
    parsed = _parse(ANY + lines + b"\r\n", rules)
    assert parsed is not None
    return parsed[0]


def _reason(data: bytes, rules: UpstreamSettings = DEFAULT) -> str:
    with pytest.raises(ReplyError) as caught:
        _parse(data, rules)
    return caught.value.reason


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD)
def test_good_heads_whole(good: Good) -> None:
    for rest in (b"", b"x", BODY, b"\r\n\r\n", b"\n"):
        parsed = _parse(good.head + rest)
        assert parsed is not None
        head, behind = parsed
        assert (head.status, head.status_line) == (good.status, good.line)
        assert tuple(head.fields) == good.fields
        assert behind == rest


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD)
def test_good_heads_truncated_at_each_offset(good: Good) -> None:
    """Which is byte by byte as well: the caller keeps the bytes and comes again with more."""
    parser = ReplyParser(DEFAULT)
    for end in range(len(good.head)):
        assert parser.parse(good.head[:end]) is None, end
    assert parser.parse(good.head) is not None


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad_heads_whole_and_truncated(data: bytes) -> None:
    assert _reason(data) == "bad_reply_head"
    assert _reason(data + BODY) == "bad_reply_head"
    for end in range(len(data)):
        assert _parse(data[:end]) is None, end


def test_the_size_of_a_head_is_limited_to_the_byte() -> None:
    """nginx rule 4.8."""
    frame = ANY + b"X: \r\n\r\n"
    fits = frame.replace(b"X: ", b"X: " + b"v" * (4096 - len(frame)))
    assert len(fits) == 4096
    assert _parse(fits + BODY) is not None
    over = fits.replace(b"X: ", b"X: v")
    assert _reason(over) == "reply_head_too_large"
    assert _reason(over + BODY) == "reply_head_too_large"
    # one byte is still missing at least, so it can be said before the end
    assert _parse(over[:4095]) is None
    assert _reason(over[:4096]) == "reply_head_too_large"
    assert _reason(b"x" * 10_000) == "reply_head_too_large"
    large = UpstreamSettings(max_head_bytes=4097)
    assert _parse(over, large) is not None
    assert _reason(b"\n" + BODY, UpstreamSettings(max_head_bytes=0)) == "reply_head_too_large"


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (b"", None),
        (b"Content-Length: 0\r\n", 0),
        (b"content-length:  007 \r\n", 7),
        (b"Content-Length: %s\r\n" % (b"9" * 18), 10**18 - 1),
        (b"Transfer-Encoding: chunked\r\n", None),
    ],
)
def test_content_length(lines: bytes, length: int | None) -> None:
    head = _head(lines)
    assert (head.content_length, head.fields) == (length, [])


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b" CHUNKED "])
def test_a_chunked_reply_is_decoded_unless_told_otherwise(value: bytes) -> None:
    """Deviation from rule 4.20, where the framing goes on to the client as body."""
    lines = b"Transfer-Encoding:" + value + b"\r\n"
    assert _head(lines).chunked
    as_nginx = UpstreamSettings(decode_chunked=False)
    assert not _head(lines, as_nginx).chunked
    assert _head(lines, as_nginx).fields == []
    assert _reason(ANY + b"Content-Length: 1\r\n" + lines + b"\r\n", as_nginx) == "bad_reply_head"


def test_content_type() -> None:
    """Rules 4.14, 4.16."""
    assert _head(b"").content_type is None
    assert _head(b"Content-Type: a; charset=x\r\ncontent-type: b\r\n").content_type == (
        b"a; charset=x"
    )
    assert _head(b"Content-Type:\r\n").content_type == b""
    assert _head(b"Content-Type: a\r\n").fields == []


def test_the_server_and_date_of_the_application() -> None:
    """Rule 4.11."""
    head = _head(b"")
    assert (head.has_server, head.has_date) == (False, False)
    head = _head(b"Server:\r\n")
    assert (head.has_server, head.has_date) == (True, False)
    head = _head(b"date: x\r\n")
    assert (head.has_server, head.has_date) == (False, True)


def test_words_to_the_front_end() -> None:
    """Rules 4.37, 4.39."""
    head = _head(b"")
    assert (head.accel_redirect, head.accel_buffering, head.accel_limit_rate) == (None, None, None)
    assert _head(b"X-Accel-Redirect: /a\r\nx-accel-redirect: /b\r\n").accel_redirect == b"/a"
    for value, buffering in ((b"no", False), (b"YES", True), (b"off", None), (b"", None)):
        assert _head(b"X-Accel-Buffering: " + value + b"\r\n").accel_buffering is buffering
    assert _head(b"X-Accel-Buffering: no\r\nX-Accel-Buffering: x\r\n").accel_buffering is False
    for value, rate in ((b"100", 100), (b"0", 0), (b"x", None), (b"-1", None), (b"9" * 19, None)):
        assert _head(b"X-Accel-Limit-Rate: " + value + b"\r\n").accel_limit_rate == rate
    assert _head(b"X-Accel-Limit-Rate: 1\r\nX-Accel-Limit-Rate: 2\r\n").accel_limit_rate == 1


def test_the_protocol_of_an_upgrade() -> None:
    head = _head(b"upgrade: websocket\r\n")
    assert (head.upgrade, head.fields) == (b"websocket", [(b"Upgrade", b"websocket")])
    assert _head(b"").upgrade is None


def test_what_nginx_writes_itself_for_a_bare_204() -> None:
    """Rule 4.26."""
    lines = b"Content-Length: 5\r\nContent-Type: t\r\nLast-Modified: x\r\nA: b\r\n\r\n"
    for status, stripped in ((b"204", True), (b"204 No", False), (b"200", False)):
        parsed = _parse(b"Status: " + status + b"\r\n" + lines)
        assert parsed is not None
        head = parsed[0]
        assert (head.content_length is None, head.content_type is None) == (stripped, stripped)
        names = [name for name, _ in head.fields]
        assert (b"Last-Modified" in names, b"A" in names) == (not stripped, True)


def test_control_characters_can_be_let_through() -> None:
    lenient = ReplyParser(DEFAULT, allow_control=True)
    parsed = lenient.parse(ANY + b"A: \x01\x1b\x7f\r\n\r\n")
    assert parsed is not None
    assert parsed[0].fields == [(b"A", b"\x01\x1b\x7f")]
    for data in (b"A: \0\r\n\r\n", b"A\x01: b\r\n\r\n", b"A: b\rc\r\n\r\n"):
        with pytest.raises(ReplyError):
            lenient.parse(ANY + data)


def test_a_repeated_head_is_parsed_once_and_says_the_same() -> None:
    parser = ReplyParser(DEFAULT)
    heads = [b"HTTP/1.1 200 OK\r\nX: %d\r\n\r\n" % number for number in range(1000)]
    for _ in range(2):
        for number, data in enumerate(heads):
            parsed = parser.parse(data + BODY)
            assert parsed is not None
            assert parsed[0].fields == [(b"X", b"%d" % number)]
            assert parsed[1] == BODY
    first, second = parser.parse(heads[0] + b"a"), parser.parse(heads[0] + b"b")
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    assert (first[1], second[1]) == (b"a", b"b")


def test_a_refused_head_is_refused_again() -> None:
    parser = ReplyParser(DEFAULT)
    for _ in range(3):
        with pytest.raises(ReplyError):
            parser.parse(b"garbage text\r\n\r\n")


def test_reasons_are_short_texts() -> None:
    assert REASONS[405] == b"Not Allowed"
    for status, reason in REASONS.items():
        assert 100 <= status < 600
        assert reason.decode("ascii").isprintable()


_WORDS = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 ", b"HTTP/", b"200", b"Status: ", b"404", b"Location: /"),
    *(b"\r\n", b"\r\n", b"\n", b"\r", b": ", b":", b" ", b"\t", b"A", b"\0", b"\x01", b"\xff"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"X-Accel-Redirect: /\r\n"),
    *(b"Server: x\r\n", b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"),
)
_replies = st.one_of(
    st.lists(st.sampled_from(_WORDS), max_size=12).map(b"".join), st.binary(max_size=80)
)


@settings(deadline=None, max_examples=200)
@given(_replies)
@example(b"\r\n\r\nbody")
@example(b"A: b\n\r\n\r\n")
@example(b"A: b\r\n\nbody\r\n\r\n")
def test_any_bytes_mean_the_same_however_they_are_cut(data: bytes) -> None:
    """The first prefix that is a head, or an error, decides; more bytes change nothing."""
    parser, decided = ReplyParser(UpstreamSettings(max_head_bytes=50)), None
    for end in range(len(data) + 1):
        try:
            parsed = parser.parse(data[:end])
            got = None if parsed is None else (id(parsed[0]), end - len(parsed[1]))
        except ReplyError as error:
            got = (0, len(error.reason))
        assert decided is None or got == decided
        decided = got or decided


@settings(deadline=None, max_examples=100)
@given(_replies)
def test_no_byte_of_a_head_can_end_a_line_of_the_response(data: bytes) -> None:
    try:
        parsed = _parse(ANY + data + b"\r\n\r\n")
    except ReplyError:
        return
    assert parsed is not None
    head = parsed[0]
    texts = [head.status_line, head.content_type or b"", *(text for f in head.fields for text in f)]
    assert not any(set(text) & {*range(9), *range(10, 32), 127} for text in texts)
