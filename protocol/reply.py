"""The backend's side: a reply head, and where the body behind it ends.

A uwsgi backend answers with HTTP (`HTTP/1.1 200 OK`) or CGI text (`Status: 200 OK`, or neither);
nginx accepts both, and so does this module (rules 4.1 to 4.20). What could split the response on
its way to the client is refused, where nginx would pass it on.
"""

import re
from typing import Protocol

from protocol.errors import ReplyError
from protocol.messages import Field, ReplyHead

# The code may have a fraction (`403.1`, as IIS sends it) and more than one space before it.
_STATUS_LINE = re.compile(rb"HTTP/[0-9]+\.[0-9]+ ++(([0-9]{3})(?:[ .][^\r\n]*)?)")
_END = re.compile(rb"\r?\n\r?\n")
_BAD_NAME = bytes(range(0x21)) + b"\x7f"
# Everything below space but tab, line feed and carriage return (those are judged by the line), DEL.
_CONTROL = bytes(sorted({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D}))

REASONS = {
    100: b"Continue", 101: b"Switching Protocols", 200: b"OK", 201: b"Created", 202: b"Accepted",
    204: b"No Content", 206: b"Partial Content", 301: b"Moved Permanently",
    302: b"Moved Temporarily", 303: b"See Other", 304: b"Not Modified",
    307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request",
    401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found",
    405: b"Not Allowed", 406: b"Not Acceptable", 408: b"Request Time-out", 409: b"Conflict",
    410: b"Gone", 411: b"Length Required", 412: b"Precondition Failed",
    413: b"Request Entity Too Large", 414: b"Request-URI Too Large",
    415: b"Unsupported Media Type", 416: b"Requested Range Not Satisfiable",
    421: b"Misdirected Request", 429: b"Too Many Requests",
    431: b"Request Header Fields Too Large", 500: b"Internal Server Error",
    501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Temporarily Unavailable",
    504: b"Gateway Time-out", 505: b"HTTP Version Not Supported", 507: b"Insufficient Storage",
}  # fmt: skip
"""nginx's reason phrases, for the replies that have none and for our own answers."""

# What becomes of each line (nginx rules 4.12 to 4.14). Names not listed are passed on as they are.
_CONSUMED = frozenset((b"connection", b"keep-alive"))
_FIRST_WINS = frozenset(
    (b"status", b"date", b"server", b"location", b"refresh", b"etag", b"expires", b"last-modified")
)
_SPECIAL = frozenset((b"content-type", b"content-length", b"transfer-encoding", b"upgrade"))


_REMEMBERED = 256
_REMEMBERED_BYTES = 1024


class ReplyRules(Protocol):
    """The knobs of this module; `proxy.settings` has them."""

    @property
    def max_head_bytes(self) -> int: ...
    @property
    def decode_chunked(self) -> bool: ...


class ReplyParser:
    """Parses reply heads under one set of rules; a head that comes again is not parsed again."""

    def __init__(self, rules: ReplyRules, allow_control: bool = False) -> None:
        self._limit = rules.max_head_bytes
        self._decode_chunked = rules.decode_chunked
        self._known: dict[bytes, ReplyHead] = {}
        self._refused = b"\0" if allow_control else _CONTROL

    def parse(self, data: bytes) -> tuple[ReplyHead, bytes] | None:
        """Parse the head at the start of `data`; return it and the bytes behind it.

        Returns None while the head is incomplete: call again with more.

        Raises:
            ReplyError: `bad_reply_head` or `reply_head_too_large`.
        """
        text, ended, rest = data.partition(b"\r\n\r\n")
        if ended and text and len(text) <= self._limit - 4:
            head = self._known.get(text)
            if head is not None:
                return head, rest
        end, after = _find_end(data)
        self._check_size(after or len(data) + 1)  # at least one byte is still to come
        if not after:
            return None
        text = data[:end]
        head = self._known.get(text)
        if head is None:
            head = self._parse_lines(text)
            self._remember(text, head)
        return head, data[after:]

    def _remember(self, text: bytes, head: ReplyHead) -> None:
        """Keep a parsed head: applications repeat many of theirs to the byte."""
        if len(text) <= _REMEMBERED_BYTES:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = head

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise ReplyError(
                "reply_head_too_large", f"reply head of {size} bytes or more, limit {self._limit}"
            )

    def _parse_lines(self, text: bytes) -> ReplyHead:
        if len(text.translate(None, self._refused)) != len(text):
            raise ReplyError("bad_reply_head", "a control character in the reply head")
        lines = text.split(b"\r\n") if text else []
        if text.count(b"\n") >= len(lines) > 0:
            lines = [line.removesuffix(b"\r") for line in text.split(b"\n")]
        started = _STATUS_LINE.fullmatch(lines[0]) if lines else None
        if started is None or started[2] == b"000":  # rule 4.5: 000 counts as none
            return self._finish(_split(lines), None)
        return self._finish(_split(lines[1:]), ReplyHead(int(started[2]), started[1]))

    def _finish(self, lines: list[tuple[bytes, Field]], head: ReplyHead | None) -> ReplyHead:
        bare = False
        if head is None:
            status, status_line, bare = _cgi_status(lines)
            head = ReplyHead(status, status_line)
        seen: set[bytes] = set()
        for name, field in lines:
            if name in _CONSUMED:
                head.closes |= b"close" in field[1].lower()
                continue
            if name in _FIRST_WINS:
                if name in seen:
                    continue
                seen.add(name)
                head.has_server |= name == b"server"
                head.has_date |= name == b"date"
                head.fields.append(field)
            elif name in _SPECIAL:
                self._read_special(head, name, field[1])
            elif name.startswith(b"x-accel-"):
                _read_accel(head, name, field)
            else:
                head.fields.append(field)
        if head.chunked and head.content_length is not None:
            raise ReplyError("bad_reply_head", "both Content-Length and Transfer-Encoding")
        head.chunked &= self._decode_chunked
        if bare and head.status == 204:
            _strip_no_content(head)
        return head

    def _read_special(self, head: ReplyHead, name: bytes, value: bytes) -> None:
        if name == b"content-type":
            if head.content_type is None:
                head.content_type = value
        elif name == b"content-length":
            if head.content_length is not None or not value.isdigit() or len(value) > 18:
                raise ReplyError("bad_reply_head", "Content-Length is repeated or not a number")
            head.content_length = int(value)
        elif name == b"transfer-encoding":
            if head.chunked or value.lower() != b"chunked":
                raise ReplyError("bad_reply_head", "a Transfer-Encoding other than chunked")
            head.chunked = True
        else:
            head.upgrade = value
            head.fields.append((b"Upgrade", value))


def _find_end(data: bytes) -> tuple[int, int]:
    """Return where the last header line ends and where the head does; 0 twice for nowhere."""
    if data.startswith((b"\n", b"\r\n")):
        return 0, data.index(b"\n") + 1  # no header at all (rule 4.3)
    end = data.find(b"\r\n\r\n")
    if end < 0 or data.find(b"\n\n", 0, end) >= 0 or data.find(b"\n\r\n", 0, end + 2) >= 0:
        match = _END.search(data)
        return match.span() if match else (0, 0)
    return end, end + 4


def _split(lines: list[bytes]) -> list[tuple[bytes, Field]]:
    """Return (name in lower case, field) for each header line."""
    fields = []
    for line in lines:
        name, _, value = line.partition(b":")
        if name.startswith(b"HTTP/"):
            continue  # rule 4.6: a second status line is skipped
        if not name or name.translate(None, _BAD_NAME) != name or b"\r" in value:
            raise ReplyError("bad_reply_head", f"not a header line: {line[:60]!r}")
        fields.append((name.lower(), (name, value.strip(b" "))))
    return fields


def _cgi_status(lines: list[tuple[bytes, Field]]) -> tuple[int, bytes, bool]:
    """Find the status of a reply without a status line (nginx rules 4.2, 4.3).

    Returns the code, code and reason, and whether the application gave a code without a reason.
    """
    for name, (_, value) in lines:
        if name == b"status":
            code = value[:3]
            if len(code) < 3 or not code.isdigit():
                raise ReplyError("bad_reply_head", f"not a status: {value[:60]!r}")
            status = int(code) or 200
            if value[3:4] == b" ":
                return status, value, False
            return status, b"%03d %s" % (status, REASONS.get(status, b"")), True
    if any(name == b"location" for name, _ in lines):
        return 302, b"302 " + REASONS[302], False
    return 200, b"200 OK", False


def _strip_no_content(head: ReplyHead) -> None:
    """Drop what describes a body: nginx does, if the status is its own to write (rule 4.26)."""
    head.content_type = head.content_length = None
    head.fields = [field for field in head.fields if field[0].lower() != b"last-modified"]


def _read_accel(head: ReplyHead, name: bytes, field: Field) -> None:
    """Take the headers that talk to the front end (nginx rules 4.12, 4.37 to 4.39)."""
    value = field[1]
    if name == b"x-accel-redirect":
        head.accel_redirect = head.accel_redirect or value
    elif name == b"x-accel-buffering":
        head.accel_buffering = {b"yes": True, b"no": False}.get(value.lower(), head.accel_buffering)
    elif name == b"x-accel-limit-rate":
        if head.accel_limit_rate is None and value.isdigit() and len(value) < 19:
            head.accel_limit_rate = int(value)
    elif name not in (b"x-accel-expires", b"x-accel-charset"):
        head.fields.append(field)
