"""What an exchange may do with its client: take the request's body, give it a response.

Owns the framing of the response and the count of its bytes. Knows nothing of backends.
"""

from dataclasses import replace
from typing import Final

from protocol.errors import RequestError
from protocol.http1.reader import END_OF_BODY, NEED_DATA, RequestReader
from protocol.http1.writer import (
    CONTINUE,
    LAST_CHUNK,
    BodyFraming,
    ErrorPage,
    HeadWriter,
    error_page,
)
from protocol.messages import ConnectionFacts, HeaderBlock, ReplyHead, Request
from protocol.params import ConnectionVars
from protocol.uri import Target
from proxy import errors
from proxy.disclosure import Disclose
from proxy.errors import ClientGone, ProxyError
from proxy.record import Record
from proxy.spool import Spool
from proxy.stream import Stream
from proxy.waiting import Vigil

NO_REQUEST: Final = Request(b"", b"", Target(b"", b"", b"", None), b"", 1, HeaderBlock([]))
"""Stands in where there is no request, or none that could be parsed."""

OLD_REQUEST: Final = replace(NO_REQUEST, minor=None)
"""The same for HTTP/0.9."""

NO_RECORD: Final = Record(b"", 0.0)
"""Stands in between two requests."""

SMALL_BYTES: Final = 16 * 1024
"""Pieces up to this size are joined before they are written: cheaper than several."""


def client_error(error: RequestError) -> ProxyError:
    """Translate what is wrong with a client's bytes: the border for `protocol`'s errors."""
    return ProxyError(errors.BAD_REQUEST[error.reason], str(error), nothing_sent=True)


def page_for(status: int, retry_after_s: int = 0) -> ErrorPage:
    """Return the page that a client gets for a status of our own making.

    `retry_after_s` is for a 503 to tell; 0 for nothing.
    """
    told = status == 503 and retry_after_s
    return error_page(status, b"Retry-After: %d\r\n" % retry_after_s if told else b"")


class Downstream:
    """The client of the current exchange. `begin` and `record` are set for each one."""

    __slots__ = (
        "_framing",
        "_pending_head",
        "begun",
        "body_left",
        "disclose",
        "facts",
        "keep_alive",
        "packet",
        "reader",
        "record",
        "request",
        "requests",
        "stream",
        "told",
        "variables",
        "vigil",
        "writer",
    )

    def __init__(
        self,
        stream: Stream,
        reader: RequestReader,
        facts: ConnectionFacts,
        writer: HeadWriter,
        disclose: Disclose | None = None,
    ) -> None:
        self.stream = stream
        self.vigil: Vigil = stream.vigil
        self.reader = reader
        self.facts = facts
        self.writer = writer
        self.disclose = disclose
        self.request = NO_REQUEST
        self.record = NO_RECORD
        self.variables: ConnectionVars | None = None  # kept for the next request
        self.packet: tuple[Request | None, bytes] = (None, b"")  # of the last request, likewise
        self.keep_alive = False
        self.requests = 0
        self.begun = False
        self.told = False
        """Whether an interim reply of a backend has been passed on."""
        self.body_left = False
        self._framing = BodyFraming.NONE
        self._pending_head = b""

    def begin(self, request: Request, record: Record, keep_alive: bool) -> None:
        """Turn to the next request."""
        self.request = request
        self.record = record
        self.keep_alive = keep_alive
        self.requests += 1
        self.begun = self.told = False
        self.body_left = request.has_body
        self._pending_head = b""

    def forget(self) -> None:
        """Keep nothing of the last request: the connection may be idle for long."""
        self.request = NO_REQUEST
        self.variables = None
        self.packet = (None, b"")
        self.reader.forget()

    # -- the request's body ---------------------------------------------------------------------

    def send_continue(self) -> None:
        """Ask for the body, if the client waits to be asked (nginx rule 3.6)."""
        if self.request.wants_continue:
            self._send_interim(CONTINUE)

    def take_body(self) -> bytes:
        """Return body bytes that are there; empty for none, at the end for good.

        Raises:
            ProxyError: the body is malformed.
            ClientGone: there is no more of it, and it has not ended.
        """
        stream, reader = self.stream, self.reader
        while True:
            try:
                event = reader.next_event()
            except RequestError as error:
                raise client_error(error) from error
            if event is END_OF_BODY:
                self.body_left = False
                return b""
            if event is not NEED_DATA:
                assert isinstance(event, bytes)
                self.record.body_bytes += len(event)
                return event
            if not stream.has_data:
                if self.vigil.client_gone:  # also where it may leave: the rest will never come
                    raise ClientGone
                return b""
            reader.receive_data(stream.take())

    async def read_body(self, spool: Spool, max_bytes: int, timeout_s: float) -> int:
        """Read the whole body into `spool`; return its length in bytes.

        Raises:
            ProxyError: `body_too_large`, `client_body_timeout`, or it is malformed.
            ClientGone
        """
        size = 0
        while self.body_left:
            data = self.take_body()
            if data:
                size += len(data)
                if max_bytes and size > max_bytes:
                    raise ProxyError(errors.BODY_TOO_LARGE, f"more than {max_bytes} bytes")
                spool.put(data)
            elif self.body_left:
                self.vigil.arm(timeout_s)
                await self.vigil.wake
                self.vigil.check(errors.CLIENT_BODY_TIMEOUT)
        self.vigil.disarm()
        return size

    # -- the response ---------------------------------------------------------------------------

    def start(self, reply: ReplyHead, framing: BodyFraming) -> None:
        """Begin the response. The head goes out with the first bytes of the body, or `flush`.

        Until then the response has not begun as far as the client knows: another may be given.
        """
        if framing in (BodyFraming.CLOSE, BodyFraming.TUNNEL):
            self.keep_alive = False
        self.record.status, self.record.reply = reply.status, reply
        self._framing = framing
        if self.request.minor is not None:
            head = self.writer.head(reply, framing, self.keep_alive)
            if self.disclose is not None:  # behind the rest, which is the same for many
                head = head[:-2] + self.disclose(self.record, reply) + b"\r\n"
            self._pending_head = head

    def respond(self, reply: ReplyHead, framing: BodyFraming, body: bytes) -> None:
        """Give a whole response that is in hand, in one piece."""
        self.start(reply, framing)
        if framing is BodyFraming.LENGTH and len(body) <= SMALL_BYTES:
            head, self._pending_head = self._pending_head, b""
            data = head + body
            self.begun = True
            self.record.head_bytes += len(head)
            self.record.sent_bytes += len(data)
            self.stream.write(data)
        else:
            self.write_body(body, last=True)

    def interim(self, reply: ReplyHead) -> None:
        """Pass on a 1xx head; HTTP/1.0 clients do not know them."""
        if self.request.minor:
            self.told = True
            self._send_interim(self.writer.interim(reply))

    def write_body(self, data: bytes, last: bool) -> None:
        """Send body bytes; with `last`, end the response as well."""
        pieces = [self._take_head()] if self._pending_head else []
        if self._framing is BodyFraming.CHUNKED:
            if data:
                pieces += (b"%x\r\n" % len(data), data, b"\r\n")
            if last:
                pieces.append(LAST_CHUNK)
        elif data and self._framing is not BodyFraming.NONE:
            pieces.append(data)
        if not pieces:
            return
        if len(pieces) == 1:
            self._send(pieces[0])
        elif len(data) <= SMALL_BYTES:
            self._send(b"".join(pieces))
        else:
            self.begun = True
            self.record.sent_bytes += sum(map(len, pieces))
            self.stream.write_all(pieces)

    def flush(self) -> None:
        """Send the head now, if it has not gone out yet."""
        if self._pending_head:
            self._send(self._take_head())

    def send_page(self, page: ErrorPage) -> None:
        """Give an answer of our own, whole, instead of a response whose head has not gone out."""
        self._pending_head = b""
        self.record.status, self.record.reply = page.status, None
        head_only = self.request.method == b"HEAD"
        if self.request.minor is None:
            self._send(page.body)
            return
        if self.disclose is not None:
            page = page._replace(headers=page.headers + self.disclose(self.record, None))
        answer = self.writer.error(page, self.keep_alive, head_only)
        self.record.head_bytes += len(answer) - (0 if head_only else len(page.body))
        self._send(answer)

    def break_off(self) -> None:
        """End a response that has begun and cannot be completed, so that nobody takes it for whole.

        With a length or chunks the missing end shows by itself; where the end of the connection
        is the end of the body, only a reset does.
        """
        self.keep_alive = False
        if self._framing is BodyFraming.CLOSE:
            self.stream.reset()
        else:
            self.flush()
            self.stream.close()

    def _take_head(self) -> bytes:
        """Return the head, which is written now."""
        head, self._pending_head = self._pending_head, b""
        self.record.head_bytes += len(head)
        return head

    def _send(self, data: bytes) -> None:
        self.begun = True
        self.record.sent_bytes += len(data)
        self.stream.write(data)

    def _send_interim(self, head: bytes) -> None:
        self.record.sent_bytes += len(head)
        self.record.head_bytes += len(head)
        self.stream.write(head)


class ClientSource:
    """The request's body as it comes in, for an upload that is not buffered (`attempt.Source`)."""

    def __init__(self, client: Downstream, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._client = client
        self._taken = False

    @property
    def ended(self) -> bool:
        """Whether all of the body has been taken."""
        return not self._client.body_left

    def take(self) -> bytes:
        """Return the next bytes of the body; empty when there are none now."""
        self._taken = True
        return self._client.take_body() if self._client.body_left else b""

    def rewind(self) -> bool:
        """Nothing is kept of what has been taken."""
        return not self._taken


class SpoolSource:
    """A request's body that has been read before (`attempt.Source`)."""

    timeout_s = 0.0  # it never waits

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    @property
    def ended(self) -> bool:
        """Whether all of the body has been taken."""
        return not len(self._spool)

    def take(self) -> bytes:
        """Return the next bytes of the body."""
        return self._spool.take()

    def rewind(self) -> bool:
        """Begin again with the first byte."""
        self._spool.rewind()
        return True
