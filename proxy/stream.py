"""The client's byte stream: read, write, close. The only hot file that knows asyncio transports.

Nothing here waits. Received bytes gather in `Stream.take()`, up to a limit at which the transport
stops reading; `writable` says whether it is wise to write more. Whoever waits is told through the
`Vigil`.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from proxy.waiting import Vigil

MAX_UNREAD_BYTES: Final = 64 * 1024
"""Received and not yet taken, before reading pauses: pipelined requests, mostly."""

MAX_UNSENT_BYTES = 256 * 1024
"""Written and not yet taken by the kernel, before `writable` turns false."""

_LINGER_0 = struct.pack("ii", 1, 0)

OnConnect = Callable[["Stream"], None]
CallSoon = Callable[[Callable[[], None]], object]
"""Calls a function in the event loop's next turn."""


def at_once(call: Callable[[], None]) -> None:
    call()


class Stream:
    """One accepted connection. `on_connect` is called with it when it is ready.

    It is an `asyncio.Protocol` in all but its bases: what is compiled inherits from nothing else.
    """

    __slots__ = (
        "_call_soon",
        "_inbox",
        "_on_connect",
        "_paused",
        "lost",
        "transport",
        "vigil",
        "writable",
    )

    def __init__(self, vigil: Vigil, on_connect: OnConnect, call_soon: CallSoon = at_once) -> None:
        self.vigil = vigil
        self.writable = True
        self.lost = False
        self._on_connect: OnConnect | None = on_connect
        self._call_soon = call_soon
        self._inbox = b""
        self._paused = False
        self.transport: asyncio.Transport

    # -- called by asyncio ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES, low=0)
        on_connect, self._on_connect = self._on_connect, None
        assert on_connect is not None
        on_connect(self)

    def data_received(self, data: bytes) -> None:
        self._inbox = self._inbox + data if self._inbox else data
        self.vigil.wake()
        # Whoever could use the bytes has taken them by now; the rest must not grow.
        if len(self._inbox) > MAX_UNREAD_BYTES and not (
            self._paused or self.transport.is_closing()
        ):
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        # A client that half-closes has given up, as far as nginx is concerned (rule 5.15).
        self.vigil.client_gone = True
        self.vigil.wake()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = self.vigil.client_gone = True
        self.writable = True  # writes are void, and nobody must wait for them
        self.vigil.wake()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        # Not at once: asyncio's transport is in the middle of its own writing. Closed from here it
        # would report its end twice.
        self._call_soon(self.vigil.wake)

    # -- called by the connection ---------------------------------------------------------------

    @property
    def has_data(self) -> bool:
        """Whether `take` would return anything."""
        return bool(self._inbox)

    @property
    def unsent_bytes(self) -> int:
        """Written and not yet taken by the kernel."""
        return 0 if self.lost else self.transport.get_write_buffer_size()

    @property
    def unread_bytes(self) -> int:
        """Received and not yet taken."""
        return len(self._inbox)

    def take(self) -> bytes:
        """Return and forget what has been received; empty when that is nothing."""
        inbox, self._inbox = self._inbox, b""
        if self._paused and not self.lost:
            self._paused = False
            self.transport.resume_reading()
        return inbox

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it. Void once the connection is lost."""
        if not self.lost:
            self.transport.write(data)

    def write_all(self, pieces: list[bytes]) -> None:
        """Send several pieces without joining them."""
        if not self.lost:
            self.transport.writelines(pieces)

    def finish_writing(self) -> None:
        """Close the sending half once everything written is sent, where the transport can."""
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Close once everything written is sent."""
        if not self.lost:
            self.transport.close()

    def reset(self) -> None:
        """Close at once, and let a TCP client see that this was no ordinary end."""
        if not self.lost:
            sock = self.transport.get_extra_info("socket")
            if sock is not None and sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.transport.abort()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        if not self.lost:
            self.transport.abort()
