"""One try at one backend, once: connect, send, read the head, hand out the body.

    NOTHING_SENT ──send──► SENDING ──head──► REPLYING ──last byte──► closed

The state says what a failure means: in NOTHING_SENT nothing can be done twice, in REPLYING it is
too late to try again. This file classifies; `proxy.upstream.connector` decides. Facts about uWSGI
behind the rules here: a worker is pinned from accept to last byte; silence is its only failure
signal; and a write that fails with EPIPE does not mean that there is no reply (an application may
answer without reading its request body).
"""

from enum import Enum, auto
from typing import Final, Protocol

from protocol.errors import ReplyError
from protocol.http1.writer import BodyFraming
from protocol.messages import ReplyHead
from protocol.reply import ReplyParser
from proxy import errors
from proxy.errors import ProxyError
from proxy.record import AttemptRecord
from proxy.settings import UpstreamSettings
from proxy.upstream.backend import Lease
from proxy.upstream.body import ReplyBody
from proxy.upstream.channel import Channel, Network
from proxy.upstream.health import Outcome
from proxy.upstream.retry import outcome_of
from proxy.waiting import Vigil

DEFAULT_PACKET_BYTES = 4096 + 4
"""What uWSGI takes without --buffer-size; over it, a reset says nothing about the worker."""

PUWSGI_PATIENCE_S: Final = 1.0
"""After which a puwsgi connection is asked to end with its reply. An application that raises
before its reply leaves it open without a word, and so does one that sends less than it promised."""


_NOTHING: Final = memoryview(b"")


class Source(Protocol):
    """A request body on its way to a backend."""

    @property
    def ended(self) -> bool:
        """Whether `take` will return nothing more, ever."""

    @property
    def timeout_s(self) -> float:
        """How long it may have nothing, in seconds."""

    def take(self) -> bytes:
        """Return and forget the next bytes; empty when there are none now."""

    def rewind(self) -> bool:
        """Begin again with the first byte; False where that cannot be."""


class Phase(Enum):
    """How far an attempt has come."""

    NOTHING_SENT = auto()
    SENDING = auto()
    REPLYING = auto()


class Attempt:
    """See the module. Owns its lease; `record` is filled as things happen.

    The usual request is one packet to a unix socket and one read of the whole reply. So each step
    has a part that does not wait, and only what is left over is a coroutine.
    """

    __slots__ = (
        "_ended_clean",
        "_expects",
        "_half_closed",
        "_lease",
        "_parser",
        "_reply",
        "_rest",
        "_send_error",
        "_sent_all",
        "_settings",
        "_vigil",
        "backend",
        "body",
        "channel",
        "packet_bytes",
        "pending",
        "phase",
        "record",
        "reused",
    )

    def __init__(
        self,
        lease: Lease,
        settings: UpstreamSettings,
        parser: ReplyParser,
        vigil: Vigil,
    ) -> None:
        self.phase = Phase.NOTHING_SENT
        self.packet_bytes = 0
        self.record = AttemptRecord(lease.backend.name, vigil.now(), lease.backend.tally)
        self.channel: Channel
        self.body: ReplyBody
        self.backend = lease.backend
        self._lease = lease
        self._settings = settings
        self._parser = parser
        self._vigil = vigil
        self.pending = _NOTHING
        """What the kernel has not taken of what has to be sent."""
        self._expects = False
        self._rest = b""  # received behind a head
        self._send_error: OSError | None = None
        self._sent_all = False
        self._ended_clean = False
        self._half_closed = False
        self._reply: ReplyHead | None = None
        self.reused = False
        """Whether its connection had served another request before and has not spoken yet."""

    # -- connect --------------------------------------------------------------------------------

    def reuse(self) -> bool:
        """Take a connection that is kept open, if there is one."""
        channel = self.backend.idle.take(self._vigil.wake)
        if channel is None:
            return False
        self.channel = channel
        self.reused = True
        return True

    def open(self, network: Network) -> None:
        """Begin to connect; with a unix socket, `channel.connected()` is true at once.

        Raises:
            BackendBusy: the listen queue is full.
            ProxyError: no connection; nothing has been sent.
        """
        backend = self.backend
        if backend.puwsgi:  # one that rests holds the core that this one will need
            backend.idle.shrink(max(0, backend.cap - backend.in_flight))
        self.channel = network.open(backend.address, self._vigil.wake)

    async def finish_connecting(self) -> None:
        """Wait for the connection, until the deadline that the caller has set.

        Raises:
            ProxyError: no connection; nothing has been sent.
        """
        channel, vigil = self.channel, self._vigil
        while not channel.connected():
            channel.want(read=False, write=True)
            await vigil.wake
            try:
                vigil.check(errors.CONNECT_TIMEOUT)
            except ProxyError as error:
                error.nothing_sent = True
                error.detail = error.detail or self.record.backend
                raise

    # -- send -----------------------------------------------------------------------------------

    def send_at_once(self, packet: bytes) -> None:
        """Begin to send the request; what the kernel does not take is `pending`."""
        self.record.connected = self._vigil.now()
        self.record.packet = packet
        size = self.packet_bytes = len(packet)
        self.phase = Phase.SENDING
        try:
            sent = self.record.bytes_sent = self.channel.send(packet)
        except OSError as error:
            # There may be a reply all the same; `read_head` will tell.
            self._send_error = error
            sent = size
        if sent == size:
            self._sent_all = True
        else:
            self.pending = memoryview(packet)[sent:]

    async def send_rest(self, source: Source | None) -> None:
        """Send the rest and the body, until all is sent or a reply begins (nginx rule 3.16).

        If that reply is an interim one, what is `pending` then has to be sent behind it.

        Raises:
            ProxyError: `send_timeout`, or the client's fault while its body is streamed.
        """
        channel, pending = self.channel, self.pending
        while self._send_error is None and not self._rest:
            try:
                while pending and (sent := channel.send(pending)):
                    pending = pending[sent:]
                    self.record.bytes_sent += sent
            except OSError as error:
                self._send_error = error
                break
            if not pending:
                if source is None:
                    break
                pending = memoryview(source.take())
                if pending:
                    continue
                if source.ended:
                    break
            if channel.readable:
                break
            self.pending = pending
            await self._wait_to_send(bool(pending), source)
        self.pending = pending
        self._sent_all = not pending and (source is None or source.ended)

    async def _wait_to_send(self, blocked: bool, source: Source | None) -> None:
        vigil = self._vigil
        self.channel.want(read=True, write=blocked)
        if blocked or source is None:
            vigil.arm(self._settings.send_timeout_s)
            await vigil.wake
            vigil.check(errors.SEND_TIMEOUT)
        else:
            vigil.arm(source.timeout_s)
            await vigil.wake
            vigil.check(errors.CLIENT_BODY_TIMEOUT)

    # -- the reply's head -----------------------------------------------------------------------

    def expect_head(self) -> None:
        """Begin to wait for a reply head: from now on its time runs."""
        limit_s = self._settings.read_timeout_s
        if self.backend.puwsgi:
            limit_s = min(self.patience_s or limit_s, limit_s)
        self._vigil.arm(limit_s)
        self.channel.want(read=True, write=False)
        self._expects = True

    async def read_head(self) -> ReplyHead:
        """Read one reply head; behind a final one, `receive_body` goes on.

        Raises:
            ProxyError: there is none, or not one that may be passed on.
        """
        vigil, channel = self._vigil, self.channel
        if not self._expects:
            self.expect_head()
        self._expects = False
        received, self._rest = self._rest, b""
        try:
            parsed = self._parser.parse(received) if received else None
            while parsed is None:
                if vigil.expired or vigil.client_gone:
                    self._check_patience()
                if not channel.readable:
                    await vigil.wake
                elif data := self._receive(received):
                    received += data
                    parsed = self._parser.parse(received)
        except ReplyError as error:
            detail = f"{self.record.backend}: {error}"
            raise ProxyError(errors.ALL[error.reason], detail) from error
        head, self._rest = parsed
        if head.status != 400:  # which is also what an HTTP server makes of a uwsgi packet
            self.backend.replied = True
        if not head.interim:
            self._begin_reply(head)
        return head

    def _begin_reply(self, head: ReplyHead) -> None:
        self.record.status = head.status
        self.phase = Phase.REPLYING
        self._reply = head
        if head.content_length is None:
            self.ask_for_the_end()

    def _check_patience(self) -> None:
        """Find out whether to wait on for a head.

        Raises:
            ProxyError: `read_timeout`, or the client has left.
        """
        vigil, patience_s = self._vigil, self.patience_s
        limit_s = self._settings.read_timeout_s
        if vigil.expired and patience_s < limit_s and self.ask_for_the_end():
            vigil.arm(limit_s - patience_s)
        vigil.check(errors.READ_TIMEOUT)

    def _receive(self, so_far: bytes) -> bytes | None:
        """Return the next bytes of the head, None for none yet; at the end, say why."""
        try:
            data = self.channel.receive()
        except OSError as error:
            raise self._no_head(so_far, error) from error
        if data:
            record = self.record
            if record.first_byte is None:
                record.first_byte = self._vigil.now()
                self.reused = False  # it lives: what fails from now on is this request's
            record.bytes_received += len(data)
        elif data is not None:
            raise self._no_head(so_far, None)
        return data

    def _no_head(self, so_far: bytes, error: OSError | None) -> ProxyError:
        """Explain a connection that ended before its head was complete."""
        elapsed = self._vigil.now() - self.record.started
        detail = (
            f"{self.record.backend}: after {elapsed:.3f} s, packet of {self.packet_bytes} bytes"
        )
        upload = self.record.bytes_sent - self.packet_bytes
        if upload > 0:
            detail += f" and {upload:,} of an upload"
        if so_far:
            return ProxyError(errors.EOF_MID_HEADERS, f"{detail}, {len(so_far)} bytes of head")
        failed = error or self._send_error
        if failed is not None:
            return ProxyError(errors.RESET_BEFORE_HEADERS, f"{detail} ({failed.strerror})")
        return ProxyError(errors.EOF_BEFORE_HEADERS, detail)

    # -- the reply's body -----------------------------------------------------------------------

    def take_whole(self, head: ReplyHead, framing: BodyFraming) -> bytes | None:
        """Return the whole body if it came with the head, else None and see `begin_body`."""
        rest, length = self._rest, head.content_length
        if framing is BodyFraming.NONE:
            # uWSGI sends the bodies that it should not, so only gunicorn is taken at its word.
            self._ended_clean = not rest and not self.backend.puwsgi
            return b""
        if length is None or len(rest) < length or framing is BodyFraming.TUNNEL:
            return None
        if len(rest) == length:
            self._ended_clean = True
            return rest
        return rest[:length]

    def begin_body(self, head: ReplyHead) -> None:
        """Prepare for `receive_body`."""
        self.body = ReplyBody(head)

    def receive_body(self) -> bytes | None:
        """Return body bytes that are there; None when there are none now.

        When `body.complete` is true afterwards, these were the last.

        Raises:
            ProxyError: the reply was cut off, or its framing is malformed.
        """
        if self._rest:
            data, self._rest = self._rest, b""
            return self._feed(data)
        channel = self.channel
        if self.body.complete or not channel.readable:
            return None
        try:
            received = channel.receive()
        except OSError:
            self.body.finish(reset=True)
            return None
        if received:
            self.record.bytes_received += len(received)
            return self._feed(received)
        if received is not None:
            self.body.finish(reset=False)
        return None

    def _feed(self, data: bytes) -> bytes:
        body = self.body
        data = body.feed(data)
        self._ended_clean = body.complete and not body.has_excess
        return data

    def take_rest(self) -> bytes:
        """Return and forget what came behind the head: the bytes of another protocol."""
        rest, self._rest = self._rest, b""
        return rest

    # -- a connection that stays ----------------------------------------------------------------

    @property
    def patience_s(self) -> float:
        """How long a reply may make one wait before `ask_for_the_end`; 0 where that is no use."""
        return PUWSGI_PATIENCE_S if self.backend.puwsgi and not self._half_closed else 0.0

    def ask_for_the_end(self) -> bool:
        """Make a puwsgi connection end with this reply; False if that is no use, or done already.

        uWSGI does not say where such a reply ends, or that it never begins, unless it has a length:
        the connection would stay open. When our half is closed, it is closed behind the reply.
        """
        if self._half_closed or not self.backend.puwsgi:
            return False
        self._half_closed = True
        self.reused = False  # it has taken the request: its silence is not that of the dead
        self.channel.half_close()
        return True

    def _may_stay(self) -> bool:
        """Whether the connection is good for another request."""
        reply = self._reply
        return (
            self._ended_clean
            and self._sent_all
            and self._send_error is None
            and not self._half_closed
            and reply is not None
            and not reply.closes
            and not reply.chunked
            and (reply.content_length is not None or reply.bodiless)
            and self.backend.serves
        )

    # -- the end --------------------------------------------------------------------------------

    def fail(self, error: ProxyError) -> None:
        """End the attempt for a reason."""
        if self.record.ended is None:
            self.record.reason = error.reason
        self.close(self._judge(error))

    def _judge(self, error: ProxyError) -> Outcome:
        """Return what a failure says about the backend's health (nginx rule 6.11)."""
        if self.phase is Phase.REPLYING:
            return Outcome.GOOD  # it lives: what breaks in the middle of a body is no failure
        if error.reason is errors.RESET_BEFORE_HEADERS and self.packet_bytes > DEFAULT_PACKET_BYTES:
            # Most likely over --buffer-size, which any client can bring about.
            return Outcome.NEUTRAL
        return outcome_of(error.reason)

    def close(self, outcome: Outcome | None = None) -> None:
        """End the attempt, whatever its state, and give the lease back. May be called twice."""
        if self.record.ended is None:
            self.record.ended = self._vigil.now()
            channel = getattr(self, "channel", None)
            if channel is not None:
                idle = self.backend.idle
                if not (idle.limit and self._may_stay() and idle.put(channel)):
                    channel.close()
            if outcome is None:
                outcome = Outcome.GOOD if self.phase is Phase.REPLYING else Outcome.NEUTRAL
            self._lease.release(outcome, self.record.status or 0)
