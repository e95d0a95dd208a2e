"""The client's side of a connection in memory: a transport for `proxy.stream.Stream`, and a client.

    test ── MemoryClient ── MemoryTransport ── Stream ── Connection

It behaves as asyncio's socket transports do, with the kernel's part in the test's hands: how many
bytes the client takes, when it sends, and how it ends. What the event loop would report later
(`connection_lost`, room to write) is reported by the clock's next turn, never from within a call.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol

from proxy.testing.fake_clock import FakeClock

RECEIVE_BYTES = 256 * 1024
"""What asyncio's transports read at a time."""


class ByteProtocol(Protocol):
    """What a transport tells; `Stream` is one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, error: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class _Socket:
    """What `get_extra_info("socket")` returns: enough to ask for a reset."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.lingers = True

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER)
        self.lingers = False


class MemoryTransport(asyncio.Transport):
    """A connected socket's transport. Public attributes are for the client at the other end."""

    def __init__(self, clock: FakeClock, protocol: ByteProtocol, info: dict[str, Any]) -> None:
        super().__init__(info)
        self.delivered = bytearray()
        """Bytes that have reached the client."""
        self.window: int | None = None
        """How many more bytes the client's side takes; None for any number."""
        self.ended = False
        """The client has seen the end of the response bytes: an orderly one."""
        self.was_reset = False
        """The client has seen a reset instead."""
        self.lost = False
        self._socket: _Socket = info["socket"]
        self._clock = clock
        self._protocol = protocol
        self._unsent = bytearray()
        self._high = 64 * 1024
        self._low = 16 * 1024
        self._protocol_paused = False
        self._reading = True
        self._closing = False
        self._eof_written = False

    # -- what the stream calls --------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.lost or not data:
            return
        self._unsent += data
        self._deliver()
        if len(self._unsent) > self._high and not self._protocol_paused:
            self._protocol_paused = True
            self._protocol.pause_writing()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._eof_written = True
        self._deliver()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self._deliver()

    def abort(self) -> None:
        self._closing = True
        self._unsent.clear()
        self._lose(None)

    # -- what the kernel does ---------------------------------------------------------------------

    def open_window(self, size: int | None) -> None:
        """Let the client take this many bytes more, or any number."""
        self.window = size
        self._clock.call_soon(self._deliver)

    def break_off(self, error: Exception) -> None:
        """Lose the connection: the client has reset it."""
        self._closing = True
        self._unsent.clear()
        self._lose(error)

    def _deliver(self) -> None:
        size = len(self._unsent) if self.window is None else min(self.window, len(self._unsent))
        self.delivered += self._unsent[:size]
        del self._unsent[:size]
        if self.window is not None:
            self.window -= size
        if self._protocol_paused and len(self._unsent) <= self._low:
            self._protocol_paused = False
            self._clock.call_soon(self._resume_protocol)
        if not self._unsent:
            self.ended = self.ended or self._eof_written
            if self._closing:
                self._lose(None)

    def _resume_protocol(self) -> None:
        if not self._protocol_paused and not self.lost:
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.was_reset = error is not None or not self._socket.lingers
            self.ended = not self.was_reset
            self._clock.call_soon(lambda: self._protocol.connection_lost(error))


class MemoryClient:
    """A client, for a test: what it does takes its full effect before the call returns.

    `peername` and `sockname` are what the kernel would tell; strings mean a unix socket.
    """

    def __init__(
        self,
        clock: FakeClock,
        make_protocol: Callable[[], ByteProtocol],
        peername: tuple[str, int] | str = ("192.0.2.1", 40000),
        sockname: tuple[str, int] | str = ("192.0.2.99", 80),
    ) -> None:
        family = socket.AF_UNIX if isinstance(peername, str) else socket.AF_INET
        info = {"peername": peername, "sockname": sockname, "socket": _Socket(family)}
        self._clock = clock
        self._protocol = make_protocol()
        self._unread = bytearray()
        self._half_closed = False
        self._eof_told = False
        self._seen = 0
        self.transport = MemoryTransport(clock, self._protocol, info)
        clock.sources.append(self._deliver)
        self._protocol.connection_made(self.transport)
        clock.settle()

    def send(self, data: bytes) -> None:
        """Send bytes; they wait in the kernel while the server does not read."""
        self._unread += data
        self._clock.settle()

    def end(self) -> None:
        """Close the sending half."""
        self._half_closed = True
        self._clock.settle()

    def reset(self) -> None:
        """Go away for good."""
        if not self.transport.lost:
            self.transport.break_off(ConnectionResetError(104, "Connection reset by peer"))
        self._clock.settle()

    def take(self, size: int | None = None) -> None:
        """Let this many bytes more come in (0: no more from now on), or any number."""
        self.transport.open_window(size)
        self._clock.settle()

    def received(self) -> bytes:
        """Return what has come in since the last call."""
        data = bytes(self.transport.delivered[self._seen :])
        self._seen += len(data)
        return data

    @property
    def everything(self) -> bytes:
        """All bytes that have ever come in."""
        return bytes(self.transport.delivered)

    @property
    def unread_bytes(self) -> int:
        """Sent, and not yet read by the server."""
        return len(self._unread)

    @property
    def at_end(self) -> bool:
        """Whether the server has ended its bytes in an orderly way."""
        return self.transport.ended

    @property
    def was_reset(self) -> bool:
        """Whether the connection has ended in another way than that."""
        return self.transport.was_reset

    @property
    def closed(self) -> bool:
        """Whether the connection is over, both ways."""
        return self.transport.lost

    def _deliver(self) -> bool:
        """Deliver what the server reads; the clock's settling asks for it."""
        if self.transport.lost:
            self._clock.sources.remove(self._deliver)
        if not self.transport.is_reading() or self._eof_told:
            return False
        if self._unread:
            data = bytes(self._unread[:RECEIVE_BYTES])
            del self._unread[:RECEIVE_BYTES]
            self._protocol.data_received(data)
            return True
        if self._half_closed:
            self._eof_told = True
            if not self._protocol.eof_received():
                self.transport.close()
            return True
        return False
