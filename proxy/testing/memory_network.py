"""Backends in memory: twins of `proxy.upstream.channel`'s `Network` and `Channel`.

    test ── MemoryBackend ── MemoryChannel ── Attempt

A test decides how connecting goes, how much of a request the kernel takes, and what comes back
when. Readiness is level-triggered, as epoll's is: a channel that is ready for what it waits for
wakes its connection again and again, until somebody deals with it.
"""

import errno
from dataclasses import dataclass, field
from typing import Literal

from protocol.uwsgi import HEADER_BYTES, decode_header, decode_vars
from proxy.errors import BackendBusy, ProxyError, Reason
from proxy.settings import Address
from proxy.testing.fake_clock import FakeClock
from proxy.upstream.channel import RECEIVE_BYTES, Wake

Outcome = Literal["accept", "busy", "connecting"] | Reason
"""How a connect goes: made at once, queue full, undecided, or failed for a reason."""


class MemoryChannel:
    """One connection to a backend; see `proxy.upstream.channel.Channel` for the proxy's side."""

    def __init__(self, clock: FakeClock, address: Address, wake: Wake, connecting: bool) -> None:
        self.readable = False
        self.closed = False
        """The proxy has closed."""
        self.half_closed = False
        """The proxy has said that it will send nothing more."""
        self.sent = bytearray()
        """All that the proxy has sent."""
        self.window: int | None = None
        """How many more bytes the kernel takes; None for any number."""
        self._clock = clock
        self._address = address
        self._wake = wake
        self._connecting = connecting
        self._news = connecting  # that it is made, or has failed, is not known yet
        self._failure: Reason | None = None
        self._unread = bytearray()
        self._ended = False
        self._error: int | None = None
        self._wants = (False, False)
        clock.sources.append(self._deliver)

    # -- the proxy's side -------------------------------------------------------------------------

    def connected(self) -> bool:
        self._news = self._connecting
        if self._failure is not None:
            raise ProxyError(self._failure, str(self._address), nothing_sent=True)
        return not self._connecting

    def send(self, data: bytes | memoryview) -> int:
        assert not self.closed
        if self._ended or self._error is not None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        size = len(data) if self.window is None else min(self.window, len(data))
        self.sent += data[:size]
        if self.window is not None:
            self.window -= size
        return size

    def receive(self) -> bytes | None:
        assert not self.closed
        if self._unread:
            data = bytes(self._unread[:RECEIVE_BYTES])
            del self._unread[:RECEIVE_BYTES]
            self.readable = len(data) == RECEIVE_BYTES
            return data
        if self._error is not None:
            code, self._error, self._ended = self._error, None, True
            raise ConnectionResetError(code, "Connection reset by peer")
        self.readable = self._ended
        return b"" if self._ended else None

    def want(self, read: bool, write: bool) -> None:
        assert not self.closed
        self._wants = (read, write)

    def half_close(self) -> None:
        self.half_closed = True

    def rest(self, on_news: Wake) -> None:
        self._wake = on_news
        self.want(read=True, write=False)

    def resume(self, wake: Wake) -> None:
        assert not self.closed
        self._wake = wake

    def close(self) -> None:
        self.closed = True

    # -- the test's side --------------------------------------------------------------------------

    def accept(self) -> None:
        """Make a connection that was undecided."""
        self._connecting = False
        self._clock.settle()

    def refuse(self, reason: Reason) -> None:
        """Fail a connection that was undecided."""
        self._failure, self._connecting = reason, False
        self._clock.settle()

    def take(self, size: int | None = None) -> None:
        """Let this many bytes more be sent (0: no more from now on), or any number."""
        self.window = size
        self._clock.settle()

    def reply(self, data: bytes) -> None:
        """Send bytes to the proxy."""
        self._unread += data
        self._clock.settle()

    def end(self, data: bytes = b"") -> None:
        """Send `data`, then close: what is sent from now on fails with EPIPE."""
        self._unread += data
        self._ended = True
        self._clock.settle()

    def reset(self) -> None:
        """Reset. What was sent before can still be read."""
        self._error = errno.ECONNRESET
        self._clock.settle()

    @property
    def connecting(self) -> bool:
        """Whether the connection is undecided."""
        return self._connecting

    @property
    def complete(self) -> bool:
        """Whether the whole variable block has been sent."""
        return len(self.sent) >= HEADER_BYTES and len(self.sent) >= self._block_end

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        """The request's variables in wire order."""
        return decode_vars(bytes(self.sent[HEADER_BYTES : self._block_end]))

    @property
    def variables(self) -> dict[str, bytes]:
        """The request's variables by name."""
        return {name.decode(): value for name, value in self.pairs}

    @property
    def body(self) -> bytes:
        """The request's body, as far as it has been sent."""
        return bytes(self.sent[self._block_end :])

    @property
    def unread_bytes(self) -> int:
        """Replied, and not yet read by the proxy."""
        return len(self._unread)

    @property
    def _block_end(self) -> int:
        return HEADER_BYTES + decode_header(bytes(self.sent[:HEADER_BYTES])).size

    def _deliver(self) -> bool:
        if self.closed:
            self._clock.sources.remove(self._deliver)
            return False
        read, write = self._wants
        over = self._ended or self._error is not None
        readable = read and (over or bool(self._unread))
        room = over or self._news or self.window != 0
        writable = write and not self._connecting and room
        if readable:
            self.readable = True
        if readable or writable:
            self._wake()
        return readable or writable


@dataclass(slots=True, eq=False)
class MemoryBackend:
    """One address. `outcome` says how the next connects go; it may be changed at any time."""

    address: Address
    outcome: Outcome = "accept"
    window: int | None = None
    """`window` of new channels."""
    tries: int = 0
    """Connects so far, whatever became of them."""
    channels: list[MemoryChannel] = field(default_factory=list)
    """All connections that were made or begun, in order."""

    @property
    def channel(self) -> MemoryChannel:
        """The newest connection."""
        return self.channels[-1]


class MemoryNetwork:
    """Opens channels to `backends`; see `proxy.upstream.channel.Network`."""

    def __init__(self, clock: FakeClock, backends: list[MemoryBackend]) -> None:
        self.backends = {backend.address: backend for backend in backends}
        self._clock = clock

    def open(self, address: Address, wake: Wake) -> MemoryChannel:
        backend = self.backends[address]
        backend.tries += 1
        outcome = backend.outcome
        if outcome == "busy":
            raise BackendBusy
        if isinstance(outcome, Reason):
            raise ProxyError(outcome, str(address), nothing_sent=True)
        channel = MemoryChannel(self._clock, address, wake, outcome == "connecting")
        channel.window = backend.window
        backend.channels.append(channel)
        return channel
