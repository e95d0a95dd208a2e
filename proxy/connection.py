"""One client connection: parse, keep-alive loop, deadlines, the end.

    accept ─► HEAD ─► exchange ─┬─► IDLE ─► HEAD ...        keep-alive, pipelining
                                └─► LINGER ─► close         early answers: rules 3.8, 3.15

A connection is one coroutine (see `proxy.waiting`). What to do with a request is not decided here:
`serve` is given to it, by the public listeners and by the admin one.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from logging import getLogger
from typing import Any, Final

from protocol.errors import HeadlessError, RequestError
from protocol.http1.reader import NEED_DATA, RequestReader, State
from protocol.http1.writer import HeadWriter
from protocol.messages import ConnectionFacts, Request
from proxy import errors
from proxy.disclosure import Disclose
from proxy.downstream import NO_RECORD, NO_REQUEST, OLD_REQUEST, Downstream, client_error, page_for
from proxy.record import Record, Sink
from proxy.settings import ClientSettings
from proxy.stream import Stream

Serve = Callable[[Downstream], Coroutine[Any, Any, None]]
"""Serves the current request of a client; raises nothing."""

log = getLogger(__name__)

NewReader = Callable[[], RequestReader]


_numbers = count(1)
"""Of connections; they tell log lines of one connection from those of others."""

WAKEFUL_S: Final = 1.0
"""How long an idle connection remembers its last request, in case it is repeated."""


class Phase(Enum):
    """What a connection is doing; the server asks when it drains."""

    NEW = auto()
    """Nothing has come yet."""
    HEAD = auto()
    """A request head has begun."""
    EXCHANGE = auto()
    """A request is being served."""
    IDLE = auto()
    """Kept alive between two requests."""
    ASLEEP = auto()
    """The same, for a while: nothing of the last request is kept in memory."""
    CLOSING = auto()
    """Lingering, or writing the last bytes."""


@dataclass(slots=True)
class Terms:
    """What connections of one listener have in common."""

    settings: ClientSettings
    new_reader: NewReader
    writer: HeadWriter
    serve: Serve
    publish: Sink
    disclose: Disclose | None = None
    """What responses tell about how they were made."""
    parting: bool = False
    """Whether each response says that it is the last one of its connection."""
    draining: bool = False
    """Whether each response is that, whatever it has said."""


class Connection:
    """See the module."""

    __slots__ = (
        "_born",
        "_client",
        "_number",
        "_served",
        "_stream",
        "_terms",
        "_vigil",
        "head_started",
        "phase",
        "record",
    )

    def __init__(self, stream: Stream, facts: ConnectionFacts, terms: Terms) -> None:
        self.phase = Phase.NEW
        self.record: Record | None = None
        self._stream = stream
        self._vigil = stream.vigil
        self._terms = terms
        reader = terms.new_reader()
        self._client = Downstream(stream, reader, facts, terms.writer, terms.disclose)
        self._born = self.head_started = self._vigil.now()
        self._served = 0
        self._number = next(_numbers)

    async def run(self) -> None:
        """Serve requests until the connection ends; returns when it has ended."""
        try:
            self._vigil.arm(self._terms.settings.header_timeout_s)
            while (request := await self._next_request()) is not None:
                await self._serve(request)
                del request  # an idle connection should not hold it
                if not self._client.keep_alive or self._stream.lost:
                    break
                self._client.reader.next_request()
            await self._close()
        finally:
            self._vigil.disarm()
            self._stream.abort()

    def part(self) -> None:
        """Let the next response be the last one, if its head has not been sent already.

        Who idles may still ask: to close now could meet a request on its way.
        """
        if not self._client.begun:
            self._client.keep_alive = False

    def drain(self) -> None:
        """Finish what runs, then close; called when the server stops (nginx rules 8.1 to 8.3)."""
        self._client.keep_alive = False
        if self.phase in (Phase.IDLE, Phase.ASLEEP) or (
            self.phase is Phase.NEW and not self._stream.has_data
        ):
            self._stream.close()

    def cut(self) -> None:
        """End at once, whatever runs; half a response must not look like a whole one."""
        self._vigil.cut = True
        if self._stream.lost:
            self._vigil.wake()  # an exchange may go on without its client
        elif self.phase is Phase.EXCHANGE:
            self._stream.reset()
        else:
            self._stream.abort()

    @property
    def unsent_bytes(self) -> int:
        """Written and not yet taken by the kernel."""
        return self._stream.unsent_bytes

    @property
    def unread_bytes(self) -> int:
        """Received and not yet looked at."""
        return self._stream.unread_bytes + self._client.reader.buffered_bytes

    # -- heads ----------------------------------------------------------------------------------

    async def _next_request(self) -> Request | None:
        """Read the next head; None when there is none to come, answered or not."""
        stream, reader, vigil = self._stream, self._client.reader, self._vigil
        # What is pipelined comes first: with more taken in for each request, it would pile up.
        is_there = bool(reader.buffered_bytes)
        while True:
            try:
                event = reader.read(b"" if is_there else stream.take())
            except RequestError as error:
                self._refuse(error)
                return None
            if is_there and event is NEED_DATA:
                is_there = False
                continue
            head_begun = event is not NEED_DATA or reader.head_begun
            if head_begun and self.phase is not Phase.HEAD:
                self.head_started = vigil.now()
            if event is not NEED_DATA:
                assert isinstance(event, Request)
                return event
            if (vigil.client_gone or vigil.expired) and self._is_over():
                return None
            self._prepare_to_wait(head_begun)
            await vigil.wake

    def _is_over(self) -> bool:
        """Whether no head will come any more: the client has left, or its time is over."""
        if self._vigil.client_gone:
            self._abandon_head(errors.CLIENT_GONE, 400)
            return True
        if self._vigil.poll_expired() and not self._fall_asleep():
            self._abandon_head(errors.CLIENT_HEADER_TIMEOUT, 408)
            return True
        return False

    def _prepare_to_wait(self, head_begun: bool) -> None:
        """The time for a head runs from accept, then from the first byte of each (rule 5.1)."""
        settings = self._terms.settings
        if head_begun:
            if self.phase is not Phase.HEAD and self.phase is not Phase.NEW:
                self._vigil.arm(settings.header_timeout_s)
            self.phase = Phase.HEAD
        elif self.phase is Phase.EXCHANGE:
            self.phase = Phase.IDLE
            self._vigil.arm(min(WAKEFUL_S, settings.keepalive_timeout_s))

    def _fall_asleep(self) -> bool:
        """Use the first deadline of an idle connection to free memory; the second one ends it."""
        left_s = self._terms.settings.keepalive_timeout_s - WAKEFUL_S
        if self.phase is not Phase.IDLE or left_s <= 0:
            return False
        self.phase = Phase.ASLEEP
        self._client.forget()
        self._vigil.arm(left_s)
        return True

    def _refuse(self, error: RequestError) -> None:
        """Answer a request that cannot be parsed."""
        failure = client_error(self._explain(error))
        record = self._new_record()
        record.reason, record.detail = failure.reason, failure.detail
        record.line = self._client.reader.first_line
        request = OLD_REQUEST if isinstance(error, HeadlessError) else NO_REQUEST
        self._client.begin(request, record, keep_alive=False)
        self._client.body_left = True  # whatever follows is read away before the end
        self._client.send_page(page_for(error.status))
        self._publish(record)

    def _explain(self, error: RequestError) -> RequestError:
        """Recognise other protocols by their first bytes."""
        start = self._client.reader.first_line[:4]
        if start[:2] == b"\x16\x03":
            return RequestError(400, "tls_on_http_listener", "a TLS handshake, not HTTP")
        if start[:1] == b"\0" and len(start) == 4:
            return RequestError(400, "uwsgi_on_http_listener", "a uwsgi packet, not HTTP")
        return error

    def _abandon_head(self, reason: errors.Reason, status: int) -> None:
        """End a connection between requests; only half a head is worth a record (rule 2.34)."""
        if self._client.reader.head_begun:
            record = self._new_record()
            record.status, record.reason = status, reason
            record.line = self._client.reader.first_line
            self._publish(record)
        self._client.body_left = False

    # -- exchanges ------------------------------------------------------------------------------

    async def _serve(self, request: Request) -> None:
        client, terms = self._client, self._terms
        # Nothing had to be waited for since the last one: it was there already.
        pipelined = self.phase is Phase.EXCHANGE
        self.phase = Phase.EXCHANGE
        record = self.record = self._new_record()
        record.request, record.pipelined = request, pipelined
        record.request_bytes = request.head_bytes
        client.begin(request, record, keep_alive=self._may_keep_alive(request))
        if not self._stream.writable and not await self._wait_writable():
            self._give_up(record)
            return
        self._vigil.may_leave = terms.settings.ignore_client_abort
        try:
            await terms.serve(client)
        except Exception as error:
            log.exception("internal_error: this is a bug, please report it")
            self._fail(record, error)
        self._vigil.may_leave = False
        if terms.draining or client.body_left:
            client.keep_alive = False
        self.record = None
        client.record, client.request = NO_RECORD, NO_REQUEST
        self._publish(record)

    def _fail(self, record: Record, error: Exception) -> None:
        """End an exchange that a bug has struck."""
        record.reason, record.detail = errors.INTERNAL_ERROR, repr(error)
        self._client.keep_alive = False
        if self._client.begun:
            self._client.break_off()
        else:
            self._client.send_page(page_for(500))

    def _may_keep_alive(self, request: Request) -> bool:
        settings = self._terms.settings
        return (
            request.wants_keep_alive
            and settings.keepalive_timeout_s > 0
            and self._served < settings.keepalive_requests
            and self._vigil.now() - self._born < settings.keepalive_time_s
            and not (self._terms.parting or self._terms.draining)
        )

    async def _wait_writable(self) -> bool:
        """Let a client that pipelines without reading take its earlier responses first.

        Returns whether it has taken them, and is there for more.
        """
        stream = self._stream
        await self._wait_for_client(lambda: stream.writable)
        return stream.writable and not self._vigil.client_gone

    def _give_up(self, record: Record) -> None:
        """End the connection of a client that has not taken its earlier responses."""
        gone = self._vigil.client_gone
        record.reason = errors.CLIENT_GONE if gone else errors.CLIENT_SEND_TIMEOUT
        record.status = record.reason.status
        self._client.keep_alive = False
        self._stream.abort()
        self.record = None
        self._publish(record)

    async def _wait_for_client(self, over: Callable[[], bool]) -> None:
        """Wait until `over`, as long as the client takes something within each send timeout."""
        stream, vigil = self._stream, self._vigil
        timeout_s = self._terms.settings.send_timeout_s
        unsent = stream.unsent_bytes
        vigil.arm(timeout_s)
        while not over():
            await vigil.wake
            if vigil.poll_expired():
                if stream.unsent_bytes >= unsent:
                    break
                unsent = stream.unsent_bytes
                vigil.arm(timeout_s)
        vigil.disarm()

    def _new_record(self) -> Record:
        self._served += 1
        facts = self._client.facts
        record = Record(facts.remote_addr, self.head_started)
        record.facts = facts
        record.connection, record.connection_requests = self._number, self._served
        return record

    def _publish(self, record: Record) -> None:
        record.ended = self._vigil.now()
        self._terms.publish(record)

    # -- the end --------------------------------------------------------------------------------

    async def _close(self) -> None:
        """Close; read away what the client still sends, so that it can read its answer."""
        self.phase = Phase.CLOSING
        stream, settings = self._stream, self._terms.settings
        reader = self._client.reader
        pending = self._client.body_left or (
            reader.state is not State.HEAD and (reader.buffered_bytes or stream.has_data)
        )
        if pending and not self._vigil.client_gone and settings.lingering_time_s > 0:
            await self._linger(settings)
        stream.close()
        await self._wait_for_client(lambda: stream.lost)

    async def _linger(self, settings: ClientSettings) -> None:
        """Read and forget for a while (nginx rule 3.15).

        Without this, unread data would make the kernel reset the connection, and the reset would
        overtake the answer.
        """
        stream, vigil = self._stream, self._vigil
        stream.finish_writing()
        end = vigil.now() + settings.lingering_time_s
        while not vigil.client_gone and vigil.now() < end:
            stream.take()  # first of all: while bytes wait here, no others come
            vigil.arm(settings.lingering_timeout_s)
            await vigil.wake
            if vigil.poll_expired():
                return
