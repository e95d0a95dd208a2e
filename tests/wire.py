"""What tests say on the wire, and an independent reader of what comes back: h11 as a client."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import h11

from protocol.identity import BeginSpan
from proxy.settings import (
    BufferSettings,
    ClientSettings,
    IdentitySettings,
    PacketSettings,
    RetrySettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from proxy.testing.harness import Harness

HOST = b"Host: a.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
"""A reply head whose body ends with the connection."""

DATE_LINES = b"Server: uwsgi-frontend\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
"""What the harness puts behind each status line."""


def request(
    line: bytes = b"GET / HTTP/1.1", *headers: bytes, body: bytes = b"", host: bool = True
) -> bytes:
    """Return a request; Content-Length is added when there is a body."""
    lines = [line, *([HOST[:-2]] if host else []), *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def reply(body: bytes = b"ok", status: bytes = b"200 OK") -> bytes:
    """Return a backend's reply with a length."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def chunked(*pieces: bytes) -> bytes:
    """Return the pieces as a chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def cut(data: bytes, points: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces that begin at these points, taken modulo its length."""
    edges = [0, *sorted({point % (len(data) + 1) for point in points}), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges) if begin < end]


AT_ONCE = RetrySettings(try_duration_s=0.0)
"""Nobody waits for a backend that is absent, as with nginx."""


def harness(
    *parts: object,
    backends: int = 1,
    max_fails: int = 1,
    begin_span: BeginSpan | None = None,
) -> Harness:
    """Return a harness whose settings differ from the defaults in the branches given.

    Its backends are known to speak uwsgi, so nobody asks them (`proxy.upstream.diagnosis`). Unless
    the test says how requests are tried again, they are as nginx does it: a single backend is tried
    once, and nobody waits for one that is absent.
    """
    names = {
        ClientSettings: "client",
        BufferSettings: "buffers",
        PacketSettings: "packet",
        UpstreamSettings: "upstream",
        ServerSettings: "server",
        IdentitySettings: "identity",
    }
    branches = {names[type(part)]: part for part in parts}
    upstream = branches.setdefault("upstream", UpstreamSettings())
    assert isinstance(upstream, UpstreamSettings)
    if upstream.retry == RetrySettings():
        retry = replace(AT_ONCE, tries=1) if backends == 1 else AT_ONCE
        branches["upstream"] = replace(upstream, retry=retry)
    settings = Settings(**branches)  # type: ignore[arg-type]
    wire = Harness(settings, backends=backends, max_fails=max_fails, begin_span=begin_span)
    for backend in wire.pool.backends:
        backend.replied = True
    return wire


@dataclass(frozen=True)
class Response:
    """One response as an independent client has understood it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    """It has come to its end."""


def read_responses(
    data: bytes, methods: Sequence[str] = ("GET",), *, ended: bool = False
) -> list[Response]:
    """Read responses to requests with these methods; 1xx are skipped.

    `ended` says that an orderly end of the connection followed the data.

    Raises:
        h11.RemoteProtocolError: this is not HTTP.
    """
    responses: list[Response] = []
    rest = data
    for method in methods:
        if not rest:
            break
        response, rest = _read_one(rest, method, ended)
        responses.append(response)
        if not response.whole:
            break
    return responses


def _read_one(data: bytes, method: str, ended: bool) -> tuple[Response, bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if ended:
        client.receive_data(b"")
    status, headers, body, whole = 0, {}, b"", False
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError as error:
            if ended and "clos" in str(error).lower():
                break
            raise
        if isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            whole = True
            break
        elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            break
    rest = client.trailing_data[0] if whole else b""
    return Response(status, headers, body, whole), rest
