"""Requests and what they mean, as data. Numbers are nginx's rules; `D` marks a deviation from them.

Every outcome here was compared with a real nginx 1.31.5, but for the deviations.
"""

from collections.abc import Iterator
from typing import NamedTuple

from proxy.settings import ClientSettings
from tests.protocol.http1.transcript import DEFAULT, Message, Refused, Transcript

Pair = tuple[bytes, bytes]

BARE_LF = ClientSettings(dangerously_accept_bare_lf=True)
COLONLESS = ClientSettings(dangerously_accept_headers_without_colon=True)
SUBSTRING = ClientSettings(dangerously_match_connection_by_substring=True)
UNDERSCORES = ClientSettings(underscores_in_headers=True)
ANY_NAME = ClientSettings(ignore_invalid_headers=False)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
POSTED = Message(b"POST")


class Case(NamedTuple):
    """Bytes of a client, and the transcript of a reader that has them all."""

    name: str
    raw: bytes
    expected: Transcript
    rules: ClientSettings = DEFAULT


def accepted(*messages: Message) -> Transcript:
    """Whole requests, and no error."""
    return Transcript(messages)


def refused(status: int, reason: str) -> Transcript:
    """No request, for this reason."""
    return Transcript(refused=Refused(status, reason))


def bad_body(body: bytes = b"") -> Transcript:
    """A head, perhaps some of its body, and then a mistake in the framing."""
    return Transcript(unfinished=POSTED._replace(body=body), refused=Refused(400, "bad_chunk"))


def _request_lines() -> Iterator[Case]:
    """Rules 2.10, 2.17 to 2.21: the first line."""
    get, one_zero = Message(), Message(protocol=b"HTTP/1.0", keep_alive=False)
    good = {
        b"GET / HTTP/1.1": get,
        b"GET / HTTP/1.0": one_zero,
        b"GET /a?b HTTP/1.1": get._replace(uri=b"/a?b"),
        b"GET /\xff HTTP/1.1": get._replace(uri=b"/\xff"),
        # 2.17: methods
        b"FOO / HTTP/1.1": Message(b"FOO"),
        b"M-SEARCH / HTTP/1.1": Message(b"M-SEARCH"),
        b"FOO-BAR_X / HTTP/1.1": Message(b"FOO-BAR_X"),
        b"_ / HTTP/1.1": Message(b"_"),
        b"- / HTTP/1.1": Message(b"-"),
        # 2.19: versions
        b"GET / HTTP/1.2": get._replace(protocol=b"HTTP/1.2"),
        b"GET / HTTP/1.10": get._replace(protocol=b"HTTP/1.10"),
        b"GET / HTTP/1.100": get._replace(protocol=b"HTTP/1.100"),
        b"GET / HTTP/1.999": get._replace(protocol=b"HTTP/1.999"),
        b"GET / HTTP/1.01": get._replace(protocol=b"HTTP/1.01"),
        b"GET / HTTP/1.00": one_zero._replace(protocol=b"HTTP/1.00"),
        # 2.21: spaces
        b"GET  / HTTP/1.1": get,
        b"GET /  HTTP/1.1": get,
        b"GET / HTTP/1.1 ": get._replace(protocol=b"HTTP/1.1 "),
        b"GET   /   HTTP/1.0  ": one_zero._replace(protocol=b"HTTP/1.0  "),
    }
    for line, message in good.items():
        yield Case(f"2.17-21 {line!r}", line + b"\r\nHost: a\r\n\r\n", accepted(message))
    for blank in (b"\r\n", b"\n", b"\r\n\r\n\n\r\n", b"\r"):
        yield Case(f"2.10 {blank!r} in front", blank + GET + b"\r\n", accepted(get))
        yield Case(f"2.10 {blank!r} between", (GET + b"\r\n" + blank) * 2, accepted(get, get))
    bad = {
        "bad_request_line": (
            *(b"get / HTTP/1.1", b"F00 / HTTP/1.1", b"GeT / HTTP/1.1", b"GE\tT / HTTP/1.1"),
            *(b"GET", b"GET ", b"GET/ HTTP/1.1", b"GET\t/ HTTP/1.1", b" GET / HTTP/1.1"),
            *(b"GET / x", b"GET / http/1.1", b"GET / HTTP", b"GET /a b HTTP/1.1"),
            *(b"GET / HTTP/1.1 x", b"GET / HTTP/1.1  HTTP/1.1", b"GET HTTP/1.1 x"),
            *(b"\x16\x03\x01\x02\x00", b"\0\x10\0\0", b"\xff / HTTP/1.1"),
        ),
        "bad_version": (
            *(b"GET / HTTP/0.9", b"GET / HTTP/01.1", b"GET / HTTP/1.", b"GET / HTTP/1.1000"),
            *(b"GET / HTTP/", b"GET / HTTP/1", b"GET / HTTP/.1", b"GET / HTTP/1.x"),
            *(b"GET / HTTP/1,1", b"GET / HTTP/-1.1", b"GET / HTTP/1.-1", b"GET / HTTP/1.1\r"),
            *(b"GET / HTTP/1.1\0", b"GET / HTTP/x1.1"),
        ),
        "bad_request_target": (
            *(b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET a HTTP/1.1", b"GET /\x01 HTTP/1.1"),
            *(
                b"GET /.. HTTP/1.1",
                b"GET /%00 HTTP/1.1",
                b"GET /\r HTTP/1.1",
                b"GET /\x7f HTTP/1.1",
            ),
            # 2.18: a target that CONNECT cannot have
            *(b"CONNECT / HTTP/1.1", b"CONNECT a HTTP/1.1", b"CONNECT a: HTTP/1.1"),
            *(b"CONNECT http://a:1/ HTTP/1.1", b"CONNECT a_b:1 HTTP/1.1"),
        ),
    }
    for reason, lines in bad.items():
        for line in lines:
            yield Case(f"2.17-21 {line!r}", line + b"\r\nHost: a\r\n\r\n", refused(400, reason))
    for version in (b"2.0", b"2", b"2.", b"3.0", b"9x", b"10.0", b"1000000.1"):
        raw = b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % version
        yield Case(f"2.19 HTTP/{version!r}", raw, refused(505, "bad_version"))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield Case("2.19 the preface of HTTP/2", preface, refused(400, "bad_request_target"))
    for method, target in ((b"TRACE", b"/"), (b"CONNECT", b"a:1"), (b"CONNECT", b"[::1]:443")):
        raw = b"%s %s HTTP/1.1\r\nHost: a\r\n\r\n" % (method, target)
        yield Case(f"2.18 {method!r} {target!r}", raw, refused(405, "method_refused"))
        raw = b"%s %s HTTP/1.1\r\n\r\n" % (method, target)
        yield Case(f"0.1 {method!r} {target!r}, no Host", raw, refused(400, "no_host"))


def _http_0_9() -> Iterator[Case]:
    """Rule 2.20: a line is a request, and what follows it is not a header line."""
    old = Message(protocol=b"", host=None, keep_alive=False)
    yield Case("2.20 line", b"GET /\r\n", accepted(old))
    yield Case("2.20 spaces", b"GET   /  \r\n", accepted(old))
    yield Case("2.20 query", b"GET /x?y\r\n", accepted(old._replace(uri=b"/x?y")))
    yield Case("2.20 blank line", b"GET /\r\n\r\n", accepted(old))
    yield Case("2.20 two", b"GET /\r\nGET /b\r\n", accepted(old, old._replace(uri=b"/b")))
    raw = b"GET /\r\nHost: a\r\n\r\n"
    after = Transcript((old,), refused=Refused(400, "bad_request_line"))
    yield Case("2.20 header lines are none", raw, after)
    for line, reason in {
        b"POST /": "bad_request_line",
        b"HEAD / ": "bad_request_line",
        b"GET /..": "bad_request_target",
        b"GET /%00": "bad_request_target",
        b"GET http://a_b/": "bad_request_target",
    }.items():
        headless = Transcript(refused=Refused(400, reason, headless=True))
        yield Case(f"2.20 {line!r} is refused without a head", line + b"\r\n", headless)
    yield Case("2.20 bare LF", b"GET /\n", refused(400, "bad_line_end"))
    yield Case("2.20 bare LF let in", b"GET /\n", accepted(old), BARE_LF)


def _header_lines() -> Iterator[Case]:
    """Rules 2.1 to 2.8, 2.16: names, values, and how lines join."""
    good: dict[str, tuple[bytes, tuple[Pair, ...]]] = {
        "2.1 one": (b"X-Foo: v", ((b"HTTP_X_FOO", b"v"),)),
        "2.1 no space": (b"X-Foo:v", ((b"HTTP_X_FOO", b"v"),)),
        "2.1 digits": (b"1: v", ((b"HTTP_1", b"v"),)),
        "2.1 hyphens": (b"-a-: v", ((b"HTTP__A_", b"v"),)),
        "2.1 hop by hop": (
            b"Connection: x-a\r\nKeep-Alive: 5\r\nTE: t\r\nTrailer: t\r\nX-A: 1",
            (
                (b"HTTP_CONNECTION", b"x-a"),
                (b"HTTP_KEEP_ALIVE", b"5"),
                (b"HTTP_TE", b"t"),
                (b"HTTP_TRAILER", b"t"),
                (b"HTTP_X_A", b"1"),
            ),
        ),
        "2.2 D: Proxy is dropped": (b"Proxy: x\r\npROXY: y", ()),
        "2.2 Proxy-Connection is not": (
            b"Proxy-Connection: x",
            ((b"HTTP_PROXY_CONNECTION", b"x"),),
        ),
        "2.3 joined": (
            b"X-A: 1\r\nX-B: b\r\nx-a: 2\r\nX-A:",
            ((b"HTTP_X_A", b"1, 2, "), (b"HTTP_X_B", b"b")),
        ),
        "2.3 cookies": (b"Cookie: a=1\r\ncookie: b=2", ((b"HTTP_COOKIE", b"a=1; b=2"),)),
        "2.4 underscore": (b"X_A: 1\r\nX-B: 2\r\n_: 3", ((b"HTTP_X_B", b"2"),)),
        "2.5 odd names": (b"X.B: 1\r\nX@C: 2\r\n\xe9: 3\r\n!: 4\r\nX/Y: 5\r\n<a>: 6", ()),
        "2.8 spaces": (b"X:  v w  ", ((b"HTTP_X", b"v w"),)),
        "2.8 only spaces": (b"X:   \r\nY: ", ((b"HTTP_X", b""), (b"HTTP_Y", b""))),
        "2.8 tabs stay": (b"X: \t v \t ", ((b"HTTP_X", b"\t v \t"),)),
        "2.8 control bytes": (b"X: \x01\x0b\x0c\x1f\x7f", ((b"HTTP_X", b"\x01\x0b\x0c\x1f\x7f"),)),
        "2.8 high bytes": (b"X: \x80\xff", ((b"HTTP_X", b"\x80\xff"),)),
        "2.8 colons": (b"X: :a:b", ((b"HTTP_X", b":a:b"),)),
        "2.11 these may come twice": (
            b"Accept: a\r\nAccept: b\r\nVia: c\r\nVia: d\r\nX-Forwarded-For: e\r\n"
            b"X-Forwarded-For: f\r\nContent-Type: g\r\nContent-Type: h\r\nRange: i\r\nRange: j",
            (
                (b"HTTP_ACCEPT", b"a, b"),
                (b"HTTP_VIA", b"c, d"),
                (b"HTTP_X_FORWARDED_FOR", b"e, f"),
                (b"HTTP_CONTENT_TYPE", b"g, h"),
                (b"HTTP_RANGE", b"i, j"),
            ),
        ),
        "2.16 upgrade": (
            b"Upgrade: websocket\r\nConnection: Upgrade",
            ((b"HTTP_UPGRADE", b"websocket"), (b"HTTP_CONNECTION", b"Upgrade")),
        ),
    }
    for name, (lines, variables) in good.items():
        message = Message(variables=variables)
        yield Case(name, GET + lines + b"\r\n\r\n", accepted(message))
    bad: dict[str, tuple[bytes, str]] = {
        "2.6 space in a name": (b"X A: 1", "bad_header"),
        "2.6 space before the colon": (b"X : 1", "bad_header"),
        "2.6 tab before the colon": (b"X\t: 1", "bad_header"),
        "2.6 control byte": (b"X\x01: 1", "bad_header"),
        "2.6 delete": (b"\x7fX: 1", "bad_header"),
        "2.6 folded": (b"X: 1\r\n 2", "bad_header"),
        "2.6 folded by a tab": (b"X: 1\r\n\t2", "bad_header"),
        "2.6 space first": (b" X: 1", "bad_header"),
        "2.6 no name": (b": 1", "bad_header"),
        "2.6 only a colon": (b":", "bad_header"),
        "2.6 NUL in a name": (b"X\0: 1", "bad_header"),
        "2.6 NUL in a value": (b"X: a\0b", "bad_header"),
        "2.6 only a space": (b" ", "bad_header"),
        "2.7 D: no colon": (b"Foo", "bad_header"),
        "2.9 bare CR in a value": (b"X: a\rb", "bad_line_end"),
        "2.9 bare CR in a name": (b"X\r: b", "bad_line_end"),
        "2.9 D: two CR at the end": (b"X: a\r", "bad_line_end"),
        "2.9 D: bare LF": (b"X: a\nY: b", "bad_line_end"),
        "2.9 bare LF and a bad name, either first": (b"X Y: a\r\nZ: b\nY: b", "bad_line_end"),
    }
    for name, (lines, reason) in bad.items():
        yield Case(name, GET + lines + b"\r\n\r\n", refused(400, reason))
    yield Case("2.9 D: bare LF, blank line", GET + b"X: a\n\r\n", refused(400, "bad_line_end"))
    yield Case("2.9 D: only bare LFs", b"GET / HTTP/1.1\nHost: a\n\n", refused(400, "bad_line_end"))


def _once() -> Iterator[Case]:
    """Rule 2.11: headers that may come only once."""
    for name in (
        *(b"Content-Range", b"If-Modified-Since", b"If-Unmodified-Since", b"If-Match"),
        *(b"If-None-Match", b"If-Range", b"Expect", b"Authorization", b"Proxy-Authorization"),
        *(b"Host", b"Content-Length", b"Transfer-Encoding"),
    ):
        raw = POST + (name + b": 1\r\n") * 2 + b"\r\n"
        yield Case(f"2.11 {name!r} twice", raw, refused(400, "duplicate_header"))
    raw = GET + b"If-Match: a\r\nif-match: a\r\n\r\n"
    yield Case("2.11 in any case", raw, refused(400, "duplicate_header"))


def _lenient_lines() -> Iterator[Case]:
    """Rules 2.4, 2.5, 2.7, 2.9 as the settings that restore nginx's way give them."""
    foo = Message(variables=((b"HTTP_FOO", b""),))
    yield Case("2.7 no colon let in", GET + b"Foo\r\n\r\n", accepted(foo), COLONLESS)
    yield Case(
        "2.7 no colon, a space", GET + b"Fo o\r\n\r\n", refused(400, "bad_header"), COLONLESS
    )
    x = Message(variables=((b"HTTP_X", b"1"),))
    yield Case("2.9 LF", b"GET / HTTP/1.1\nHost: a\nX: 1\n\n", accepted(x), BARE_LF)
    yield Case("2.9 LF mixed", b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\n", accepted(x), BARE_LF)
    yield Case("2.9 LF CRLF", b"GET / HTTP/1.1\nHost: a\r\nX: 1\n\r\n", accepted(x), BARE_LF)
    yield Case("2.9 CR CR LF", GET + b"X: 1\r\r\n\r\n", accepted(x), BARE_LF)
    yield Case("2.9 no header line", b"GET / HTTP/1.1\n\n", refused(400, "no_host"), BARE_LF)
    for name, lines in {"CR": b"X: a\rb\n", "CR CR LF alone": b"\r\r\nX: 1\n"}.items():
        reason = "bad_line_end" if name == "CR" else "bad_header"
        yield Case(f"2.9 {name} is not", GET + lines + b"\n", refused(400, reason), BARE_LF)
    raw = b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"
    yield Case("2.9 CR CR LF of the first line", raw, refused(400, "bad_version"), BARE_LF)
    both = Message(variables=((b"HTTP_X_A", b"1, 4"), (b"HTTP_X_A", b"2, 3")))
    raw = GET + b"X-A: 1\r\nX_A: 2\r\nx_a: 3\r\nx-a: 4\r\n\r\n"
    yield Case("2.4 underscores let in", raw, accepted(both), UNDERSCORES)
    odd = Message(variables=((b"HTTP_X.B", b"1"), (b"HTTP_\xe9", b"2"), (b"HTTP_X_A", b"3")))
    raw = GET + b"x.b: 1\r\n\xe9: 2\r\nX_A: 3\r\n\r\n"
    yield Case("2.5 any name let in", raw, accepted(odd), ANY_NAME)
    for rules in (UNDERSCORES, ANY_NAME):
        name = "underscores" if rules is UNDERSCORES else "any name"
        raw = POST + b"Content_Length: 2\r\nTransfer_Encoding: chunked\r\n\r\n"
        framed = POSTED._replace(variables=((b"HTTP_CONTENT_LENGTH", b"2"),))
        yield Case(f"2.4 {name}: no framing by another name", raw, accepted(framed), rules)
        raw = POST + b"Content-Length: 2\r\nContent_Length: 1\r\n\r\nok"
        twice = ((b"HTTP_CONTENT_LENGTH", b"2"), (b"HTTP_CONTENT_LENGTH", b"1"))
        framed = POSTED._replace(variables=twice, body=b"ok")
        yield Case(f"2.4 {name}: no second framing", raw, accepted(framed), rules)


def _hosts() -> Iterator[Case]:
    """Rules 1.39 to 1.42, 0.1: which host counts, and where one is needed."""
    one_zero = Message(protocol=b"HTTP/1.0", keep_alive=False)
    for value, host in {
        b"A.Example.:21000": b"a.example:21000",
        b"a:080": b"a:80",
        b"a:0": b"a",
        b"a:": b"a",
        b"[::1]:80": b"[::1]:80",
        b"_~!$&'()*+,;=%": b"_~!$&'()*+,;=%",
        b" a ": b"a",
    }.items():
        raw = b"GET / HTTP/1.1\r\nHost:%s\r\n\r\n" % value
        yield Case(f"1.40 {value!r}", raw, accepted(Message(host=host)))
    for value in (
        *(b"", b"a b", b"a\tb", b"a\t", b"a/b", b"a@b", b"a:x", b"a:65536", b"a..b", b"::1"),
        *(b"[::1", b"[::1].", b"\xe9", b'"', b"a#", b"a?", b"a\\", b"."),
    ):
        for version in (b"1.1", b"1.0"):
            raw = b"GET / HTTP/%s\r\nHost: %s\r\n\r\n" % (version, value)
            yield Case(f"1.42 {value!r} in {version!r}", raw, refused(400, "bad_host"))
    yield Case("1.42 no Host in 1.1", b"GET / HTTP/1.1\r\n\r\n", refused(400, "no_host"))
    yield Case("1.42 no Host in 1.2", b"GET / HTTP/1.2\r\nX: 1\r\n\r\n", refused(400, "no_host"))
    none = one_zero._replace(host=None)
    yield Case("1.41 no Host in 1.0", b"GET / HTTP/1.0\r\n\r\n", accepted(none))
    raw = b"GET http://abs:99/ HTTP/1.1\r\nHost: other\r\n\r\n"
    yield Case("1.39 absolute form wins", raw, accepted(Message(host=b"abs:99")))
    raw = b"GET http://abs?x HTTP/1.0\r\n\r\n"
    message = one_zero._replace(uri=b"?x", host=b"abs")
    yield Case("1.39 absolute form in 1.0", raw, accepted(message))
    raw = b"GET http://abs/ HTTP/1.1\r\n\r\n"
    yield Case("1.39 absolute form needs Host", raw, refused(400, "no_host"))
    raw = b"GET http://abs/ HTTP/1.1\r\nHost: a..b\r\n\r\n"
    yield Case("1.39 Host is judged all the same", raw, refused(400, "bad_host"))
    for authority in (b"u@a", b"a_b", b"", b"a:x"):
        raw = b"GET http://%s/ HTTP/1.1\r\nHost: a\r\n\r\n" % authority
        yield Case(f"1.43 {authority!r}", raw, refused(400, "bad_request_target"))


def _connections() -> Iterator[Case]:
    """Rules 2.13, 2.14: who wants the connection kept."""
    tokens: dict[tuple[bytes, ...], tuple[bool, bool]] = {
        (): (True, False),
        (b"close",): (False, False),
        (b"CLOSE",): (False, False),
        (b"close\t",): (False, False),
        (b"keep-alive",): (True, True),
        (b"Keep-Alive",): (True, True),
        (b"x, keep-alive",): (True, True),
        (b"x,\tclose ,y",): (False, False),
        (b"close, keep-alive",): (False, False),
        (b"upgrade",): (True, False),
        (b"",): (True, False),
        (b"notclose",): (True, False),  # D
        (b"close", b"keep-alive"): (False, False),  # D
        (b"keep-alive", b"close"): (False, False),
    }
    for values, kept in tokens.items():
        yield from _kept(values, kept, DEFAULT, "2.13")
    substrings: dict[tuple[bytes, ...], tuple[bool, bool]] = {
        (b"notclose",): (False, False),
        (b"keep-alive-not",): (True, True),
        (b"keep-alive, close",): (False, False),
        (b"close", b"keep-alive"): (True, True),
        (b"keep-alive", b"close"): (False, False),
        (b"close", b"x"): (False, False),
    }
    for values, kept in substrings.items():
        yield from _kept(values, kept, SUBSTRING, "2.13 by substring")


def _kept(
    values: tuple[bytes, ...], kept: tuple[bool, bool], rules: ClientSettings, name: str
) -> Iterator[Case]:
    lines = b"".join(b"Connection: %s\r\n" % value for value in values)
    joined = b", ".join(value.strip(b" ") for value in values)
    variables = ((b"HTTP_CONNECTION", joined),) if values else ()
    for version, keep_alive in zip((b"HTTP/1.1", b"HTTP/1.0"), kept, strict=True):
        raw = b"GET / %s\r\nHost: a\r\n%s\r\n" % (version, lines)
        message = Message(protocol=version, variables=variables, keep_alive=keep_alive)
        yield Case(f"{name} {values!r} in {version!r}", raw, accepted(message), rules)


def _framing() -> Iterator[Case]:
    """Rules 2.12, 2.15, 3.1, 3.5, 3.6: how a head says what follows it."""
    for value, body in {
        b"3": b"abc",
        b"003": b"abc",
        b" 3 ": b"abc",
        b"0": b"",
        b"00": b"",
    }.items():
        variables = ((b"HTTP_CONTENT_LENGTH", value.strip(b" ")),)
        message = POSTED._replace(variables=variables, body=body)
        raw = POST + b"Content-Length:%s\r\n\r\n" % value + body
        yield Case(f"2.12 {value!r}", raw, accepted(message))
    largest = b"%d" % (2**63 - 1)
    begun = POSTED._replace(variables=((b"HTTP_CONTENT_LENGTH", largest),), body=b"abc")
    raw = POST + b"Content-Length: %s\r\n\r\nabc" % largest
    yield Case("2.12 the largest", raw, Transcript(unfinished=begun))
    for value in (
        *(b"", b"+3", b"-3", b"3, 3", b"3,3", b"0x3", b"3 3", b"3\t", b"a", b"3.0", b"\xb2"),
        *(b"%d" % 2**63, b"9" * 65, b"0" * 5000),
    ):
        raw = POST + b"Content-Length: %s\r\n\r\nabc" % value
        yield Case(f"2.12 {value[:70]!r}", raw, refused(400, "bad_content_length"))
    for value in (b"chunked", b"Chunked", b"  CHUNKED  "):
        raw = POST + b"Transfer-Encoding:%s\r\n\r\n1\r\na\r\n0\r\n\r\n" % value
        yield Case(f"3.1 {value!r}", raw, accepted(POSTED._replace(body=b"a")))
    for value in (
        *(b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked"),
        *(b"xchunked", b"chunked;a", b"chunked\t", b"\tchunked", b"chunked,", b'"chunked"'),
    ):
        raw = POST + b"Transfer-Encoding: %s\r\n\r\n0\r\n\r\n" % value
        yield Case(f"3.1 {value!r}", raw, refused(501, "bad_transfer_encoding"))
        raw = POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: %s\r\n\r\n" % value
        yield Case(f"3.1 {value!r} in 1.0", raw, refused(400, "bad_transfer_encoding"))
    both = (b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n")
    for lines in (both, both[::-1]):
        raw = POST + b"".join(lines) + b"\r\n0\r\n\r\n"
        yield Case(f"3.1 {lines!r}", raw, refused(400, "bad_transfer_encoding"))
    raw = POST + b"Content-Length: 3\r\nTransfer-Encoding: x\r\n\r\n"
    yield Case("3.1 with a length, unknown", raw, refused(501, "bad_transfer_encoding"))
    yield Case("3.1 none", POST + b"\r\n", accepted(POSTED))
    length = ((b"HTTP_CONTENT_LENGTH", b"5"),)
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"FOO"):
        raw = method + GET[3:] + b"Content-Length: 5\r\n\r\nhello"
        message = Message(method, variables=length, body=b"hello")
        yield Case(f"3.5 {method!r} with a body", raw, accepted(message))
    for value, expects in {b"100-continue": True, b"100-Continue": True, b"foo": False}.items():
        raw = GET + b"Expect: %s\r\n\r\n" % value
        variables = ((b"HTTP_EXPECT", value),)
        message = Message(variables=variables, expects_continue=expects)
        yield Case(f"3.6 {value!r}", raw, accepted(message))
        message = Message(protocol=b"HTTP/1.0", variables=variables, keep_alive=False)
        yield Case(f"3.6 {value!r} in 1.0", raw.replace(b"1.1", b"1.0"), accepted(message))


def _chunks() -> Iterator[Case]:
    """Rules 3.4, 3.9: the framing of chunked bodies."""
    for body, text in {
        b"0\r\n\r\n": b"",
        b"3\r\nabc\r\n0\r\n\r\n": b"abc",
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n": b"abcde",
        b"0003\r\nabc\r\n000\r\n\r\n": b"abc",
        b"a\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
        b"A\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
        b"3;a\r\nabc\r\n0;b=c\r\n\r\n": b"abc",
        b'3;a="b;c"\r\nabc\r\n0\r\n\r\n': b"abc",
        b"3 \r\nabc\r\n0\t\r\n\r\n": b"abc",
        b"3 ;a\r\nabc\r\n0 x\r\n\r\n": b"abc",
        b'3;\x00\x01\x7f\xff"\r\nabc\r\n0;;\r\n\r\n': b"abc",
        b"0" * 30 + b"3\r\nabc\r\n" + b"0" * 30 + b"\r\n\r\n": b"abc",
        b"3\r\nabc\r\n0\r\nT: x\r\nU:\r\n\r\n": b"abc",
        b"0\r\nUpgrade: x\r\nConnection: close\r\nHost: b\r\n\r\n": b"",
        b"0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n": b"",
        b"0\r\nT\r\n: x\r\n T : x\r\n\ty\r\n\0\xff\r\n\r\n": b"",
        b"4\r\n\r\n\r\n\r\n0\r\n\r\n": b"\r\n\r\n",
        b"8\r\n\r\n\r\n\r\n\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n": b"\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n": b"\r\n",
    }.items():
        yield Case(f"3.4 {body!r}", CHUNKED + body, accepted(POSTED._replace(body=text)))
    for body in (
        *(b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n"),
        b"3\r\nabc\r\n0\r\nT: x\r\n",
    ):
        begun = POSTED._replace(body=body[3:6])
        yield Case(f"3.11 {body!r} and no more", CHUNKED + body, Transcript(unfinished=begun))
    begun = POSTED._replace(body=b"abc")
    raw = CHUNKED + b"%x\r\nabc" % (2**63 - 1)
    yield Case("3.9 the largest size", raw, Transcript(unfinished=begun))
    for body in (
        *(b"g\r\n", b" 3\r\nabc\r\n", b"+3\r\nabc\r\n", b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n"),
        *(b"3g\r\nabc\r\n", b"\r\n", b";a\r\nabc\r\n", b"3;a\nb\r\nabc\r\n", b"3\nabc\n0\n\n"),
        *(b"\r\n3\r\nabc\r\n", b"\xb2\r\nab\r\n", b"3,3\r\nabc\r\n", b"3\0\r\nabc\r\n", b"0\n\n"),
        *(b"3;a\rb\r\nabc\r\n", b"3\rabc\r\n", b"3\r\rabc\r\n", b"3 \nabc\r\n", b"0\r\n\n"),
        *(b"%x\r\n" % 2**63, b"f" * 16 + b"\r\n", b"1" + b"0" * 16 + b"\r\n", b"1" * 99 + b"\r\n"),
        *(b"0\r\nT: x\n\r\n", b"0\r\nT: a\rb\r\n\r\n", b"0\r\n\r\r\n", b"0\r\nT: a\r\r\n\r\n"),
    ):
        yield Case(f"3.9 {body!r}", CHUNKED + body, bad_body())
    for body in (
        *(b"3\r\nabcd\r\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nabc\r0\r\n\r\n", b"3\r\nabc0\r\n\r\n"),
        *(b"3\r\nabc\r\ng\r\n", b"3\r\nabc\r\n\r\n", b"3\r\nabc\r\n0\n\r\n"),
    ):
        yield Case(f"3.9 {body!r}", CHUNKED + body, bad_body(b"abc"))


def _pipelines() -> Iterator[Case]:
    """Rule 3.12: one after another, from one buffer."""
    counted = POST + b"Content-Length: 3\r\n\r\nabc"
    posted = POSTED._replace(variables=((b"HTTP_CONTENT_LENGTH", b"3"),), body=b"abc")
    chunked, got = CHUNKED + b"1\r\nx\r\n0\r\n\r\n", Message()
    dechunked = POSTED._replace(body=b"x")
    plain = GET + b"\r\n"
    yield Case("3.12 GET GET", plain * 2, accepted(got, got))
    yield Case("3.12 GET GET GET, other lines", plain + GET + b"X: 1\r\n\r\n" + plain,
               accepted(got, Message(variables=((b"HTTP_X", b"1"),)), got))  # fmt: skip
    yield Case("3.12 POST GET", counted + plain, accepted(posted, got))
    yield Case("3.12 POST POST", counted * 2, accepted(posted, posted))
    yield Case("3.12 chunked GET", chunked + plain, accepted(dechunked, got))
    yield Case("3.12 chunked chunked", chunked * 2, accepted(dechunked, dechunked))
    yield Case("3.12 CRLF after a body", counted + b"\r\n" + plain, accepted(posted, got))
    yield Case("3.12 bytes after a body", counted + b"x" + plain,
               Transcript((posted,), refused=Refused(400, "bad_request_line")))  # fmt: skip
    yield Case("3.12 the same head in 1.0 and 1.1", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n" + plain,
               accepted(Message(protocol=b"HTTP/1.0", keep_alive=False), got))  # fmt: skip
    yield Case("3.12 GET, then a bad one", plain + b"GET / HTTP/1.1\r\n\r\n",
               Transcript((got,), refused=Refused(400, "no_host")))  # fmt: skip
    yield Case("3.12 GET, then half of one", plain + GET, accepted(got))
    yield Case("3.12 POST, then half of one", counted + counted[:-1],
               Transcript((posted,), posted._replace(body=b"ab")))  # fmt: skip


CASES = [
    *_request_lines(),
    *_http_0_9(),
    *_header_lines(),
    *_once(),
    *_lenient_lines(),
    *_hosts(),
    *_connections(),
    *_framing(),
    *_chunks(),
    *_pipelines(),
]
