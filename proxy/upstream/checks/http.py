"""Does the application answer as it should? A request through uwsgi, as the traffic's are.

The only check that sees the application: a broken import answers 500, a deadlock not at all. The
reply has to have an expected status, headers and a body that match, and has to be whole as far as
it is read. Up to 256 KB of the body are read even if nobody asks for them: an application whose
reply is not read sees a write error, which uWSGI logs and counts as an exception.
"""

import re
from dataclasses import dataclass

from protocol.errors import ReplyError
from protocol.messages import ReplyHead
from protocol.reply import ReplyParser
from protocol.uri import parse_target
from protocol.uwsgi import encode_packet, encode_vars
from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import KIB, CheckSpec
from proxy.upstream.backend import Backend
from proxy.upstream.body import ReplyBody
from proxy.upstream.checks.probe import judge_strictly
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict

MAX_HEAD_BYTES = 64 * KIB
"""Of a reply head, those of interim replies before it included."""

MAX_BODY_BYTES = 256 * KIB
"""Of the body: matched against, and read at all (nginx Plus reads as much)."""


@dataclass(frozen=True, slots=True)
class _Rules:
    max_head_bytes: int = MAX_HEAD_BYTES
    decode_chunked: bool = True


class HttpCheck:
    """See `proxy.upstream.checks.probe.Check`.

    Raises:
        re.error: a pattern is none.
        RequestError: the URI is none.
    """

    def __init__(self, spec: CheckSpec, modifiers: tuple[int, int] = (0, 0)) -> None:
        """`modifiers` are those of the traffic's packets: they choose uWSGI's request handler."""
        self.label = f"http {spec.uri}"
        self._spec = spec
        self._packet = build_packet(spec, modifiers)
        self._headers = [(name, re.compile(pattern)) for name, pattern in spec.headers]
        self._body = re.compile(spec.body) if spec.body else None
        self._parser = ReplyParser(_Rules())

    def applies(self, backend: Backend) -> bool:
        return True

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        await talk.connect(subject.backend.address)
        await talk.send(self._packet)
        head, lines, rest = await read_head(talk, self._parser)
        status = head.status_line.decode("latin-1")
        if not any(low <= head.status <= high for low, high in self._spec.statuses):
            return Finding(Verdict.BAD, "bad_status", status)
        for name, pattern in self._headers:
            if not has_header(lines, name, pattern):
                return Finding(Verdict.BAD, "bad_header", f"{name} does not match; {status}")
        if subject.backend.settings.puwsgi and head.content_length is None and not head.chunked:
            body = rest  # nothing would mark its end on such a connection
        else:
            body = await self._read_body(talk, head, rest)
        if self._body is not None and not self._body.search(body.decode("utf-8", "replace")):
            return Finding(Verdict.BAD, "bad_body", f"{len(body)} bytes do not match; {status}")
        return Finding(Verdict.GOOD, detail=status)

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        return judge_strictly(failure, subject)

    async def _read_body(self, talk: Talk, head: ReplyHead, data: bytes) -> bytes:
        """Return the first part of the body; `data` has come with the head.

        Raises:
            ProxyError: it is cut off, late, or wrongly chunked.
        """
        if self._spec.method == "HEAD" or head.bodiless or head.status == 101:
            return b""
        body = ReplyBody(head)
        pieces = bytearray(body.feed(data))
        while not body.complete and len(pieces) < MAX_BODY_BYTES:
            data = await talk.receive(errors.READ_TIMEOUT_MID_BODY, errors.RESET_MID_BODY)
            if data:
                pieces += body.feed(data)
            else:
                body.finish(reset=False)
        return bytes(pieces[:MAX_BODY_BYTES])


async def read_head(talk: Talk, parser: ReplyParser) -> tuple[ReplyHead, bytes, bytes]:
    """Return the first head that is not interim, its text, and what came behind it.

    Raises:
        ProxyError: there is none.
    """
    received = b""
    total = 0
    while True:
        parsed = _parse(parser, received) if received else None
        if parsed is not None:
            head, rest = parsed
            if not head.interim:
                return head, received[: len(received) - len(rest)], rest
            received = rest
            continue
        if total > MAX_HEAD_BYTES:
            raise ProxyError(errors.REPLY_HEAD_TOO_LARGE, f"{total} bytes and no end")
        data = await talk.receive()
        if not data:
            reason = errors.EOF_MID_HEADERS if total else errors.EOF_BEFORE_HEADERS
            raise ProxyError(reason, f"closed after {total} bytes")
        total += len(data)
        received += data


def _parse(parser: ReplyParser, received: bytes) -> tuple[ReplyHead, bytes] | None:
    try:
        return parser.parse(received)
    except ReplyError as error:
        raise ProxyError(errors.ALL[error.reason], str(error)) from error


def build_packet(spec: CheckSpec, modifiers: tuple[int, int] = (0, 0)) -> bytes:
    """Return the request of an http check.

    Nothing in it comes from a client. HTTP_CONNECTION lets gunicorn close after its reply.
    """
    target = parse_target(spec.uri.encode())
    host = spec.host.encode()
    name, _, port = host.partition(b":") if not host.startswith(b"[") else (host, b"", b"")
    pairs = (
        (b"REQUEST_METHOD", spec.method.encode()),
        (b"REQUEST_URI", target.uri),
        (b"PATH_INFO", target.path),
        (b"QUERY_STRING", target.query),
        (b"SCRIPT_NAME", b""),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"SERVER_NAME", name),
        (b"SERVER_PORT", port or b"80"),
        (b"REMOTE_ADDR", b"127.0.0.1"),
        (b"HTTP_HOST", host),
        (b"HTTP_USER_AGENT", b"uwsgi-frontend-check"),
        (b"HTTP_CONNECTION", b"close"),
    )
    return encode_packet(encode_vars(pairs), *modifiers)


def has_header(lines: bytes, name: str, pattern: re.Pattern[str]) -> bool:
    """Whether one of the header lines called `name` has a value in which `pattern` is found."""
    wanted = name.lower()
    for line in lines.decode("latin-1").split("\n"):
        found, colon, value = line.partition(":")
        if colon and found.lower() == wanted and pattern.search(value.strip()):
            return True
    return False
