"""One try at one backend, once: connect, send, read the head, hand out the body.

    NOTHING_SENT ──send──► SENDING ──head──► REPLYING ──last byte──► closed

The state says what a failure means: only in NOTHING_SENT may another backend be tried. This file
classifies; `proxy.exchange` decides. Facts about uWSGI behind the rules here: a worker is pinned
from accept to last byte; silence is its only failure signal; and a write that fails with EPIPE
does not mean that there is no reply (an application may answer without reading its request body).
"""

from enum import Enum, auto
from typing import Protocol

from protocol.errors import ReplyError
from protocol.http1.engine import Engine
from protocol.messages import ReplyHead
from protocol.reply import ReplyParser
from proxy import errors
from proxy.errors import ProxyError
from proxy.record import AttemptRecord
from proxy.settings import UpstreamSettings
from proxy.upstream.backend import Lease
from proxy.upstream.body import ReplyBody
from proxy.upstream.channel import Channel, Network
from proxy.waiting import Vigil


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


class Phase(Enum):
    """How far an attempt has come."""

    NOTHING_SENT = auto()
    SENDING = auto()
    REPLYING = auto()


class Attempt:
    """See the module. Owns its lease; `record` is filled as things happen."""

    __slots__ = (
        "_channel",
        "_engine",
        "_lease",
        "_parser",
        "_rest",
        "_send_error",
        "_settings",
        "_vigil",
        "body",
        "packet_bytes",
        "phase",
        "record",
    )

    def __init__(
        self,
        lease: Lease,
        settings: UpstreamSettings,
        parser: ReplyParser,
        engine: Engine,
        vigil: Vigil,
    ) -> None:
        self.phase = Phase.NOTHING_SENT
        self.packet_bytes = 0
        self.record = AttemptRecord(lease.backend.name, vigil.now())
        self.body: ReplyBody
        self._lease = lease
        self._channel: Channel | None = None
        self._settings = settings
        self._parser = parser
        self._engine = engine
        self._vigil = vigil
        self._rest = b""  # received behind a head
        self._send_error: OSError | None = None

    @property
    def channel(self) -> Channel:
        """The connection; a tunnel uses it directly."""
        if self._channel is None:
            raise RuntimeError("not connected")
        return self._channel

    async def connect(self, network: Network) -> None:
        """Connect. The caller has set the deadline, since waiting for a free queue counts too.

        Raises:
            BackendBusy: the listen queue is full.
            ProxyError: no connection; nothing has been sent.
        """
        vigil = self._vigil
        channel = network.open(self._lease.backend.address, vigil.wake)
        self._channel = channel
        while not channel.connected():
            channel.want(read=False, write=True)
            try:
                await vigil.wait(errors.CONNECT_TIMEOUT)
            except ProxyError as error:
                error.nothing_sent = True
                raise
        self.record.connected = vigil.now()

    async def send(self, packet: bytes, source: Source | None) -> None:
        """Send the request, until all is sent or the reply begins (nginx rule 3.16).

        Raises:
            ProxyError: `send_timeout`, or the client's fault while its body is streamed.
        """
        channel = self.channel
        self.packet_bytes = len(packet)
        self.phase = Phase.SENDING
        pending = memoryview(packet)
        while True:
            try:
                while pending and (sent := channel.send(pending)):
                    pending = pending[sent:]
            except OSError as error:
                # There may be a reply all the same; `read_head` will tell.
                self._send_error = error
                return
            if not pending:
                if source is None:
                    return
                pending = memoryview(source.take())
                if pending:
                    continue
                if source.ended:
                    return
            if channel.readable:
                return
            await self._wait_to_send(bool(pending), source)

    async def _wait_to_send(self, blocked: bool, source: Source | None) -> None:
        self.channel.want(read=True, write=blocked)
        if blocked or source is None:
            self._vigil.arm(self._settings.send_timeout_s)
            await self._vigil.wait(errors.SEND_TIMEOUT)
        else:
            self._vigil.arm(source.timeout_s)
            await self._vigil.wait(errors.CLIENT_BODY_TIMEOUT)

    async def read_head(self, bodiless: bool) -> ReplyHead:
        """Read one reply head; behind a final one, `receive_body` goes on.

        Args:
            bodiless: no body follows, whatever the head says (HEAD).

        Raises:
            ProxyError: there is none, or not one that may be passed on.
        """
        self._vigil.arm(self._settings.read_timeout_s)
        self.channel.want(read=True, write=False)
        received, self._rest = self._rest, b""
        while True:
            parsed = self._parse(received) if received else None
            if parsed is not None:
                break
            received += await self._receive(received)
        head, self._rest = parsed
        if not head.interim:
            self.record.status = head.status
            self.phase = Phase.REPLYING
            self.body = ReplyBody(head, bodiless=bodiless or head.bodiless, engine=self._engine)
        return head

    def _parse(self, received: bytes) -> tuple[ReplyHead, bytes] | None:
        try:
            return self._parser.parse(received)
        except ReplyError as error:
            detail = f"{self.record.backend}: {error}"
            raise ProxyError(errors.ALL[error.reason], detail) from error

    async def _receive(self, so_far: bytes) -> bytes:
        """Wait for the next bytes of the head; when there are no more, say why."""
        channel, record = self.channel, self.record
        while True:
            while not channel.readable:
                await self._vigil.wait(errors.READ_TIMEOUT)
            try:
                data = channel.receive()
            except OSError as error:
                raise self._no_head(so_far, error) from error
            if data:
                if record.first_byte is None:
                    record.first_byte = self._vigil.now()
                record.bytes_received += len(data)
                return data
            if data is not None:
                raise self._no_head(so_far, None)

    def _no_head(self, so_far: bytes, error: OSError | None) -> ProxyError:
        """Explain a connection that ended before its head was complete."""
        elapsed = self._vigil.now() - self.record.started
        detail = (
            f"{self.record.backend}: after {elapsed:.3f} s, packet of {self.packet_bytes} bytes"
        )
        if so_far:
            return ProxyError(errors.EOF_MID_HEADERS, f"{detail}, {len(so_far)} bytes of head")
        failed = error or self._send_error
        if failed is not None:
            return ProxyError(errors.RESET_BEFORE_HEADERS, f"{detail} ({failed.strerror})")
        return ProxyError(errors.EOF_BEFORE_HEADERS, detail)

    def receive_body(self) -> bytes | None:
        """Return body bytes that are there; None when there are none now.

        When `body.complete` is true afterwards, these were the last.

        Raises:
            ProxyError: the reply was cut off, or its framing is malformed.
        """
        if self._rest:
            data, self._rest = self._rest, b""
            return self.body.feed(data)
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
            return self.body.feed(received)
        if received is not None:
            self.body.finish(reset=False)
        return None

    def take_rest(self) -> bytes:
        """Return and forget what came behind the head: the bytes of another protocol."""
        rest, self._rest = self._rest, b""
        return rest

    def close(self, *, failed: bool = False) -> None:
        """End the attempt, whatever its state, and give the lease back. May be called twice."""
        if self.record.ended is None:
            self.record.ended = self._vigil.now()
        if self._channel is not None:
            self._channel.close()
        self._lease.release(failed=failed)
