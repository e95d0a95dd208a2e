"""Raw replies as data (section 4): what backends say, and what clients get to see of it.

The path of a request names the reply that the fake backend plays. The status is what nginx makes of
it; what the proxy must do instead, where that is intended, stands beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from proxy.testing import Close, Delay, Hang, Line, Pause, ReadBody, Received, Reset, Send, Step
from tests.differential.compare import Case
from tests.differential.corpus import request
from tests.differential.differences import (
    Differs,
    bad_gateway,
    chain,
    drops_interim,
    first_of,
    passes_interim,
    with_body,
    with_fate,
    with_header,
    with_status_line,
    without_header,
)

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 2\r\n\r\nok"

LARGE_BYTES = 16_000_000
"""More than all socket buffers between a backend and a client that does not read."""

_FREE = OK + b"\r\n"
_TEN = OK + b"Content-Length: 10\r\n\r\n"
_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n wo\r\n0\r\nT: 1\r\n\r\n"
_SWITCH = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """A reply and the request that it answers."""

    name: str
    steps: bytes | tuple[Step, ...]
    covers: str
    statuses: tuple[int, ...] | None = (200,)
    differs: tuple[Differs, ...] = ()
    method: bytes = b"GET"
    version: bytes = b"HTTP/1.1"
    lines: tuple[bytes, ...] = ()
    setting: str = "plain"

    @property
    def path(self) -> bytes:
        """By which it is asked for."""
        return b"/reply/" + self.name.encode()

    @property
    def case(self) -> Case:
        """The conversation."""
        raw = request(self.path, *self.lines, method=self.method, version=self.version)
        return Case(
            f"reply-{self.name}", raw, self.covers, self.statuses, self.differs, self.setting
        )

    @property
    def script(self) -> tuple[Step, ...]:
        """What the backend does once it has read the request."""
        return (Send(self.steps),) if isinstance(self.steps, bytes) else self.steps


@dataclass(frozen=True)
class Repeat:
    """Send the same data until the peer has had enough."""

    data: bytes

    def run(self, line: Line) -> None:
        """Do it."""
        while True:
            line.send(self.data)


def play(received: Received) -> Sequence[Step]:
    """Play the reply that the request's path names; any other request gets a plain one."""
    return SCRIPTS.get(received.value("PATH_INFO"), (Send(PLAIN),))


def _status_lines() -> Iterator[Reply]:
    """Rules 4.1, 4.5, 4.6."""
    for name, line, status in (
        ("ordinary", b"HTTP/1.1 404 Not Here", 404),
        ("http-1.0", b"HTTP/1.0 200 OK", 200),
        ("odd-version", b"HTTP/3.7 299 Odd", 299),
        ("long-version", b"HTTP/11.22 200 OK", 200),
        ("no-reason", b"HTTP/1.1 200", 200),
        ("empty-reason", b"HTTP/1.1 200 ", 200),
        ("reason-spaces", b"HTTP/1.1 200  two  words ", 200),
        ("reason-high-bytes", b"HTTP/1.1 200 \xc3\xa9", 200),
        ("code-600", b"HTTP/1.1 600 Six", 600),
        ("code-999", b"HTTP/1.1 999 Nine", 999),
        ("code-099", b"HTTP/1.1 099 Low", 99),
        ("code-000", b"HTTP/1.1 000 None", 200),
        ("error-500", b"HTTP/1.1 500 Mine", 500),
        ("error-502", b"HTTP/1.1 502 Mine", 502),
        ("error-503", b"HTTP/1.1 503 Mine", 503),
        ("error-413", b"HTTP/1.1 413 Mine", 413),
        ("error-401", b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic", 401),
        ("redirect", b"HTTP/1.1 301 Moved\r\nLocation: /x", 301),
        ("code-short", b"HTTP/1.1 20 X", 200),
        ("code-long", b"HTTP/1.1 2000 X", 200),
        ("extra-status-line", b"HTTP/1.1 201 Made\r\nX: 1\r\nHTTP/1.1 500 Later", 201),
    ):
        yield Reply(
            name, line + b"\r\nContent-Type: text/plain\r\n" + END, "4.1 4.5 4.6", (status,)
        )
    for name, head in {
        "garbage": b"garbage text\r\n\r\n",
        "html": b"<html>\r\n<p>an error page</p>\r\n\r\n",
        "lower-case": b"http/1.1 200 OK\r\n" + END,
        "no-version": b"HTTP 200 OK\r\n" + END,
    }.items():
        yield Reply(f"bad-{name}", (Send(head), Close()), "4.7", (502,))


def _cgi_status() -> Iterator[Reply]:
    """Rules 4.2 to 4.4: heads without a status line."""
    yield Reply("status-reason", b"Status: 201 Made\r\n" + END, "4.2 4.4", (201,))
    named = "a bare code gets the standard reason"
    for code, reason in (
        (b"201", b"Created"),
        (b"404", b"Not Found"),
        (b"413", b"Request Entity Too Large"),
    ):
        yield Reply(
            f"status-bare-{code.decode()}",
            b"Status: " + code + b"\r\n" + END,
            "4.2",
            (int(code),),
            (
                Differs(
                    named, with_status_line(b"HTTP/1.1 " + code + b" " + reason), until=(1, 25, 3)
                ),
            ),
        )
    yield Reply("status-late", b"X: 1\r\nstatus:   202 Fine\r\n" + END, "4.2", (202,))
    first = Differs(
        "of lines that may come once the first counts", first_of(b"Status"), until=(1, 23)
    )
    yield Reply(
        "status-twice", b"Status: 201 A\r\nStatus: 202 B\r\n" + END, "4.14 4.2", (201,), (first,)
    )
    yield Reply("status-short", (Send(b"Status: 20\r\n\r\n"), Close()), "4.2", (502,))
    yield Reply("status-text", (Send(b"Status: OK\r\n\r\n"), Close()), "4.2", (502,))
    yield Reply("status-empty", (Send(b"Status:\r\n\r\n"), Close()), "4.2", (502,))
    yield Reply("status-and-line", b"HTTP/1.1 203 Line\r\nStatus: 404 No\r\n" + END, "4.4", (203,))
    yield Reply("location-only", b"Location: /x\r\n" + END, "4.3 4.17", (302,))
    yield Reply("location-and-status", b"Location: /x\r\nStatus: 200 OK\r\n" + END, "4.3")
    yield Reply("no-status", b"Content-Type: text/plain\r\n" + END, "4.3")
    yield Reply("no-head", b"\r\nok", "4.3 4.36")
    yield Reply("no-head-lf", b"\nok", "4.3")


def _lines() -> Iterator[Reply]:
    """Rule 4.7: header lines, and ends of lines."""
    for name, line in {
        "space-in-name": b"X A: 1",
        "control-in-name": b"X\x01A: 1",
        "leading-space": b" X: 1",
        "folded": b"X: 1\r\n 2",
        "nul-in-value": b"X: a\x00b",
        "empty-name": b": 1",
        "space-before-colon": b"X : 1",
    }.items():
        yield Reply(f"line-{name}", (Send(OK + line + b"\r\n" + END), Close()), "4.7", (502,))
    for name, line in {
        "no-colon": b"Foo",
        "underscore": b"X_A: 1",
        "odd-name": b"X.B@!: 1",
        "high-bytes": b"X: \xc3\xa9\xff",
        "high-byte-name": b"X\xe9: 1",
        "spaces": b"X:   v w   ",
        "no-space": b"X:v",
        "empty": b"X:",
        "tab": b"X:\tv\tw\t",
    }.items():
        yield Reply(f"line-{name}", OK + line + b"\r\n" + END, "4.7")
    control = Differs("control characters never reach a response head", bad_gateway)
    yield Reply("line-control", OK + b"X: a\x01b\r\n" + END, "4.7", differs=(control,))
    yield Reply("line-delete", OK + b"X: a\x7fb\r\n" + END, "4.7", differs=(control,))
    yield Reply("line-cr", OK + b"X: a\rb\r\n" + END, "4.7", (502,))
    yield Reply("line-ends-lf", b"HTTP/1.1 200 OK\nX: 1\nContent-Length: 2\n\nok", "4.7")
    yield Reply("line-ends-mixed", b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 2\r\n\nok", "4.7")
    yield Reply("line-ends-status-lf", b"Status: 201 A\nContent-Length: 2\n\nok", "4.7", (201,))


def _sizes() -> Iterator[Reply]:
    """Rules 4.8, 4.9: how large a head may be, and how it may come."""
    room = 4096 - len(OK + b"X: \r\nContent-Length: 2\r\n\r\n")
    lost = Differs(
        "a body behind a head that fills the buffer is not lost",
        chain(with_body(b"ok"), with_fate("open")),
    )
    for name, size, status, differs in (
        ("fits", room, 200, (lost,)),
        ("too-large", room + 1, 502, ()),
        ("much-too-large", 6000, 502, ()),
    ):
        head = OK + b"X: " + b"x" * size + b"\r\n" + END
        yield Reply(f"head-{name}", (Send(head), Hang()), "4.8", (status,), differs)
    bare = OK + b"X: " + b"x" * room + b"\r\nContent-Length: 0\r\n\r\n"
    yield Reply("head-fits-alone", bare, "4.8")
    yield Reply("head-wide", b"", "4.8", setting="wide-head")
    yield Reply("head-drip", tuple(Send(PLAIN[i : i + 1]) for i in range(len(PLAIN))), "4.9")
    yield Reply(
        "head-drip-cgi",
        tuple(Send(bytes((byte,))) for byte in b"Status: 201 A\nX: 1\n\n"),
        "4.9",
        (201,),
    )
    yield Reply("head-empty", (Close(),), "4.9 4.41", (502,))
    yield Reply("head-cut-line", (Send(b"HTTP/1.1 20"), Close()), "4.9", (502,))
    yield Reply("head-cut-header", (Send(OK + b"X: 1\r\nY"), Close()), "4.9", (502,))
    yield Reply("head-cut-blank", (Send(OK + b"X: 1\r\n"), Close()), "4.9", (502,))


def _fields() -> Iterator[Reply]:
    """Rules 4.10 to 4.17: which lines reach the client, and in which order."""
    yield Reply(
        "order",
        OK + b'X-One: 1\r\nETag: "e"\r\nContent-Type: text/x\r\nX-TWO: 2\r\n'
        b"Last-Modified: y\r\nLocation: /z\r\nx-three: 3\r\n" + END,
        "4.10",
    )
    yield Reply("server", OK + b"Server: app/1\r\n" + END, "4.11")
    yield Reply("server-empty", OK + b"Server:\r\n" + END, "4.11")
    yield Reply("date", OK + b"X: 1\r\nDate: today\r\nY: 2\r\n" + END, "4.11")
    yield Reply("date-empty", OK + b"Date:\r\n" + END, "4.11")
    yield Reply(
        "accel-hidden",
        OK + b"X-Accel-Expires: 0\r\nX-Accel-Limit-Rate: 100000\r\n"
        b"X-Accel-Buffering: yes\r\nX-Accel-Charset: utf-8\r\nX-Accel-Other: 1\r\n"
        b"X-Sendfile: /x\r\n" + END,
        "4.12",
    )
    yield Reply("accel-unbuffered", OK + b"x-accel-buffering: NO\r\n" + END, "4.12 4.39")
    yield Reply(
        "hop-by-hop",
        OK + b"Connection: X-Named, close\r\nKeep-Alive: timeout=1\r\n"
        b"X-Named: 1\r\nTE: x\r\nTrailer: y\r\nProxy-Authenticate: z\r\n"
        b"Proxy-Connection: w\r\n" + END,
        "4.13",
    )
    yield Reply("upgrade-offer", OK + b"Upgrade: h2c\r\n" + END, "4.13")
    yield Reply(
        "kept-twice",
        OK + b"Set-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2\r\nX: 2\r\n"
        b"Cache-Control: a\r\nCache-Control: b\r\nLink: a\r\nLink: b\r\nVary: a\r\n"
        b"Vary: b\r\nWWW-Authenticate: a\r\nWWW-Authenticate: b\r\n"
        b"Content-Disposition: a\r\nContent-Disposition: b\r\n" + END,
        "4.14",
    )
    old = "of lines that may come once the first counts"
    for name in (
        b"Date",
        b"Server",
        b"Location",
        b"Refresh",
        b"ETag",
        b"Expires",
        b"Last-Modified",
    ):
        yield Reply(
            f"first-of-{name.decode()}",
            OK + name + b": a\r\nX: 1\r\n" + name + b": b\r\n" + END,
            "4.14",
            differs=(Differs(old, first_of(name), until=(1, 23)),),
        )
    yield Reply(
        "first-of-Content-Type",
        OK + b"Content-Type: a/b\r\nContent-Type: c/d\r\n" + END,
        "4.14",
        differs=(Differs(old, with_header(b"Content-Type", b"a/b"), until=(1, 23)),),
    )
    yield Reply("no-type", OK + END, "4.16")
    yield Reply("type-empty", OK + b"Content-Type:\r\n" + END, "4.16")
    yield Reply(
        "type-charset", OK + b'content-type: Text/HTML;  charset="UTF-8"; x=y\r\n' + END, "4.16"
    )
    yield Reply(
        "location-relative", b"HTTP/1.1 302 X\r\nLocation: x/../y\r\n" + END, "4.17", (302,)
    )
    yield Reply("location-root", b"HTTP/1.1 302 X\r\nLocation: /y\r\n" + END, "4.17", (302,))
    yield Reply(
        "accept-ranges",
        OK + b"Accept-Ranges: bytes\r\n" + END,
        "4.29",
        lines=(b"Range: bytes=0-0",),
    )
    yield Reply("conditional", OK + b'ETag: "x"\r\n' + END, "4.29", lines=(b'If-None-Match: "x"',))
    yield Reply(
        "content-encoding",
        OK + b"Content-Encoding: gzip\r\n" + END,
        "4.30",
        lines=(b"Accept-Encoding: gzip",),
    )
    yield Reply(
        "partial",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\n" + END,
        "4.29",
        (206,),
        lines=(b"Range: bytes=0-1",),
    )


def _framing() -> Iterator[Reply]:
    """Rules 4.18 to 4.22, 4.36: where the body ends."""
    free = OK + b"X: 1\r\n\r\nhello"
    keep = (b"Connection: keep-alive",)
    yield Reply("free-1.1", free, "4.18")
    yield Reply("free-1.0", free, "4.18", version=b"HTTP/1.0")
    yield Reply("free-1.0-keep", free, "4.18", version=b"HTTP/1.0", lines=keep)
    yield Reply("free-close", free, "4.18", lines=(b"Connection: close",))
    yield Reply("free-empty", OK + b"\r\n", "4.36")
    yield Reply("free-empty-1.0", OK + b"\r\n", "4.36", version=b"HTTP/1.0")
    yield Reply("free-large", OK + b"\r\n" + b"x" * 300_000, "4.18 4.32")
    yield Reply("length-1.0-keep", OK + END, "4.18", version=b"HTTP/1.0", lines=keep)
    yield Reply("length-large", OK + b"Content-Length: 3000000\r\n\r\n" + b"y" * 3_000_000, "4.35")
    yield Reply("length-zero", OK + b"Content-Length: 0\r\n\r\n", "4.18")
    yield Reply("length-zeros", OK + b"Content-Length: 002\r\n\r\nok", "4.19")
    unsound = Differs("a reply of unsound length is refused", bad_gateway, until=(1, 23))
    for name, lines in {
        "length-twice": b"Content-Length: 2\r\nContent-Length: 2",
        "length-empty": b"Content-Length:",
        "length-text": b"Content-Length: 2x",
        "length-negative": b"Content-Length: -2",
        "length-list": b"Content-Length: 2, 2",
        "length-and-coding": b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        "coding-gzip": b"Transfer-Encoding: gzip",
        "coding-list": b"Transfer-Encoding: gzip, chunked",
        "coding-twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    }.items():
        yield Reply(name, OK + lines + b"\r\n\r\nok", "4.19 4.20", differs=(unsound,))
    decoded = Differs("a chunked reply is decoded", with_body(b"hello wo"))
    yield Reply("chunked", OK + _CHUNKS, "4.20", differs=(decoded,))
    yield Reply("chunked-1.0", OK + _CHUNKS, "4.20", differs=(decoded,), version=b"HTTP/1.0")
    yield Reply("surplus", OK + END + b"EXTRA", "4.21")
    yield Reply("surplus-large", OK + END + b"E" * 20000, "4.21")
    yield Reply("length-held-open", (Send(OK + END), Hang()), "0.4")
    yield Reply("cut-short", (Send(OK + b"Content-Length: 10\r\n\r\nhi"), Close()), "4.22 4.43")
    yield Reply(
        "cut-short-1.0",
        (Send(OK + b"Content-Length: 10\r\n\r\nhi"), Close()),
        "4.22",
        version=b"HTTP/1.0",
    )
    yield Reply(
        "cut-short-large",
        (Send(OK + b"Content-Length: 200000\r\n\r\n" + b"x" * 100_000), Close()),
        "4.22",
    )
    yield Reply(
        "cut-short-streamed",
        (Send(OK + b"Content-Length: 10\r\n\r\nhi"), Close()),
        "4.22",
        setting="streamed-reply",
    )


def _bodiless() -> Iterator[Reply]:
    """Rules 4.25, 4.26: replies that have no body, whatever the application sends."""
    body = b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    free = b"Content-Type: text/plain\r\n\r\nhello"
    yield Reply("head-length", OK + body, "4.25", method=b"HEAD")
    yield Reply("head-length-only", OK + b"Content-Length: 5\r\n\r\n", "4.25", method=b"HEAD")
    yield Reply("head-free", (Send(OK + free), Hang()), "4.25 0.4", method=b"HEAD")
    yield Reply("head-free-1.0", OK + free, "4.25", method=b"HEAD", version=b"HTTP/1.0")
    yield Reply(
        "head-free-1.0-keep",
        OK + free,
        "4.25",
        method=b"HEAD",
        version=b"HTTP/1.0",
        lines=(b"Connection: keep-alive",),
    )
    yield Reply("head-error", b"HTTP/1.1 500 X\r\n" + body, "4.25", (500,), method=b"HEAD")
    standard = {
        b"204": Differs(
            "a bare code gets the standard reason, and 204 loses its length then",
            chain(
                with_status_line(b"HTTP/1.1 204 No Content"),
                without_header(b"Content-Type", b"Content-Length"),
            ),
            until=(1, 25, 3),
        ),
        b"304": Differs(
            "a bare code gets the standard reason",
            with_status_line(b"HTTP/1.1 304 Not Modified"),
            until=(1, 25, 3),
        ),
    }
    for code in (b"204", b"304"):
        name = code.decode()
        line = b"HTTP/1.1 " + code + b" N\r\n"
        yield Reply(f"{name}-body", line + body, "4.26", (int(code),))
        yield Reply(f"{name}-free", (Send(line + free), Hang()), "4.26 0.4", (int(code),))
        yield Reply(f"{name}-plain", line + b"X: 1\r\n\r\n", "4.26", (int(code),))
        yield Reply(f"{name}-cgi", b"Status: " + code + b" N\r\n" + body, "4.26", (int(code),))
        yield Reply(
            f"{name}-cgi-bare",
            b"Status: " + code + b"\r\n" + body,
            "4.26",
            (int(code),),
            (standard[code],),
        )
        yield Reply(f"{name}-1.0", line + b"\r\n", "4.26", (int(code),), version=b"HTTP/1.0")
    yield Reply("205", b"HTTP/1.1 205 Reset\r\n\r\n", "4.26", (205,))


def _interim() -> Iterator[Reply]:
    """Rule 4.27: 1xx."""
    final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
    proper = "an interim reply is one, and a final reply follows it"
    for code in (b"100", b"102", b"103"):
        change = drops_interim if code == b"100" else passes_interim
        yield Reply(
            f"interim-{code.decode()}",
            b"HTTP/1.1 " + code + b" Wait\r\nLink: </x>\r\n\r\n" + final,
            "4.27",
            (int(code), 200),
            (Differs(proper, change),),
        )


REPLIES: tuple[Reply, ...] = (
    *_status_lines(),
    *_cgi_status(),
    *_lines(),
    *_sizes(),
    *_fields(),
    *_framing(),
    *_bodiless(),
    *_interim(),
)


def _slowly(data: bytes, times: int, pause_s: float) -> tuple[Step, ...]:
    return (Delay(pause_s), Send(data)) * times


GATES = {
    f"gated-{setting}-{which}": (Event(), Event())
    for setting in ("plain", "streamed-reply")
    for which in ("nginx", "proxy")
}
"""Two events for each reply that waits for its test before it goes on."""


def _gated(name: str) -> tuple[Step, ...]:
    first, second = GATES[name]
    head = OK + b"X-Accel-Buffering: no\r\n\r\n" if "plain" in name else _FREE
    return (Send(head), Pause(first), Send(b"one"), Pause(second), Send(b"two"))


SCENES: dict[str, tuple[Step, ...]] = {
    "reset-length": (Send(_TEN + b"hi"), Reset()),
    "reset-free": (Send(_FREE + b"hi"), Reset()),
    "silence-half-close": (Hang(),),
    "silence-close": (Hang(),),
    "silence-reset": (Hang(),),
    "silence-pipelined": (Hang(),),
    "endless-plain": (Send(_FREE), Repeat(b"x" * 4096)),
    "endless-streamed-reply": (Send(_FREE), Repeat(b"x" * 4096)),
    "free-held-open": (Send(_FREE + b"hi"), Hang()),
    "silence": (Hang(),),
    **{name: _gated(name) for name in GATES},
    "tunnel": (Send(_SWITCH + b"hello"), ReadBody(4), Send(b"pong")),
    "tunnel-held-open": (Send(_SWITCH), Hang()),
    "chunked-held-open": (Send(OK + _CHUNKS), Hang()),
    "chunked-cut": (Send(OK + _CHUNKS[:-5]), Close()),
    "large": (
        Send(OK + b"Content-Length: %d\r\n\r\n" % LARGE_BYTES),
        *[Send(b"x" * 1_000_000)] * (LARGE_BYTES // 1_000_000),
    ),
    "drip-head": (Send(OK), *_slowly(b"X: 1\r\n", 12, 0.5), Send(END)),
    # Far from the time-out of a second: a busy machine makes pauses longer.
    "drip-body": (Send(OK + b"Content-Length: 12\r\n\r\n"), *_slowly(b"x", 12, 0.5)),
    "stall-length": (Send(_TEN + b"hi"), Hang()),
    "stall-free": (Send(_FREE + b"hi"), Hang()),
}
"""Replies that tests with a course of their own ask for."""

SCRIPTS = {
    **{reply.path: reply.script for reply in REPLIES},
    **{b"/reply/" + name.encode(): steps for name, steps in SCENES.items()},
}
"""What the fake backend plays, by path."""

CASES: tuple[Case, ...] = tuple(reply.case for reply in REPLIES)
