"""Reading one HTTP answer as a load generator has to: how it ends, and whether it is whole.

Pure: bytes in, facts out. Heads of servers under test repeat themselves, so they are remembered.
Chunked bodies go through llhttp (httptools), whose strictness is not ours to repeat.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import httptools

HEAD_LIMIT_BYTES: Final = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ?")
_NO_BODY: Final = (204, 304)
UNTIL_EOF: Final = -1
CHUNKED: Final = -2


class BadReply(Exception):
    """What came is no HTTP answer, or more than one."""


class Head(NamedTuple):
    """What of a response head matters here."""

    status: int
    body_bytes: int
    """Or UNTIL_EOF, or CHUNKED."""
    close: bool
    """Whether the server closes the connection after it."""


@lru_cache(maxsize=256)
def read_head(head: bytes) -> Head:
    """Read a head, its empty line included.

    Raises:
        BadReply: it is no response head.
    """
    status = _STATUS.match(head)
    if status is None:
        raise BadReply(repr(head[:200]))
    code = int(status[1])
    close = _CLOSE.search(head) is not None or head.startswith(b"HTTP/1.0")
    length = _LENGTH.search(head)
    if code in _NO_BODY or 100 <= code < 200:
        return Head(code, 0, close)
    if _CHUNKED.search(head):
        return Head(code, CHUNKED, close)
    if length is None:
        return Head(code, UNTIL_EOF, True)
    return Head(code, int(length[1]), close)


class Answer:
    """One answer that is being read."""

    __slots__ = ("_chunks", "_got", "_no_body", "bytes_in", "done", "head", "missing")

    def __init__(self, no_body: bool = False) -> None:
        self.head: Head | None = None
        self.missing = 0
        """Of the body; negative while its length is not known."""
        self.bytes_in = 0
        """All that came, heads included."""
        self.done = False
        self._got = b""
        self._chunks: httptools.HttpResponseParser | None = None
        self._no_body = no_body

    def feed(self, data: bytes) -> bool:
        """Take what came; return whether the answer is whole.

        Raises:
            BadReply: that is no HTTP answer, or goes on after its end.
        """
        self.bytes_in += len(data)
        if self.head is None:
            self._got = self._got + data if self._got else data
            while self.head is None:
                if not self._begin():
                    return False
        elif self._chunks is not None:
            self._feed_chunks(data)
        elif self.missing >= 0:
            self._count(len(data))
        return self.done

    def ended(self) -> bool:
        """Return whether the answer is whole now that the server has closed in good order."""
        return self.head is not None and self.missing == UNTIL_EOF and self._chunks is None

    def on_message_complete(self) -> None:
        """For httptools: the last chunk has come."""
        if self.done:
            raise BadReply("more than one answer")
        self.done = True

    def _begin(self) -> bool:
        end = self._got.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._got) > HEAD_LIMIT_BYTES:
                raise BadReply("endless head")
            return False
        head, rest = read_head(self._got[:end]), self._got[end:]
        if 100 <= head.status < 200:  # an interim answer, as after Expect: 100-continue
            self._got = rest
            return bool(rest)
        self.head = head
        if head.body_bytes == CHUNKED and not self._no_body:
            self.missing = CHUNKED
            self._chunks = httptools.HttpResponseParser(self)
            self._feed_chunks(self._got)
        elif head.body_bytes == UNTIL_EOF and not self._no_body:
            self.missing = UNTIL_EOF
        else:
            self.missing = 0 if self._no_body else head.body_bytes
            self._count(len(rest))
        self._got = b""
        return True

    def _count(self, size: int) -> None:
        self.missing -= size
        if self.missing < 0:
            raise BadReply("more than its length")
        self.done = not self.missing

    def _feed_chunks(self, data: bytes) -> None:
        assert self._chunks is not None
        if self.done:
            raise BadReply("more than its chunks")
        try:
            self._chunks.feed_data(data)
        except httptools.HttpParserError as error:
            raise BadReply(str(error)) from None
