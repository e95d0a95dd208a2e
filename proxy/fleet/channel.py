"""What supervisor and worker say to each other: JSON values over a pair of sockets, in order.

Each is a length of four bytes and that many bytes of JSON. Both ends are ours and of the same
version: what arrives is trusted. The end of the channel is the end of the other process, however it
ended: that is how a worker notices that its supervisor has gone.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from struct import Struct
from typing import Any, cast

Message = dict[str, Any]
"""One key says what it is; see `proxy.fleet.worker` and `proxy.fleet.member`."""

_LENGTH = Struct("!I")


class Channel(asyncio.Protocol):
    """One end. `on_message` gets each message, `on_end` is called once, at the end."""

    def __init__(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    @property
    def unsent_bytes(self) -> int:
        """What the other end has not taken yet: a process that hangs takes nothing."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, message: Message) -> None:
        """Send; in vain when the other end has gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    def close(self) -> None:
        """Send what is left, and end."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        for message in take(self._received):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_end()


async def connect(
    sock: socket.socket, on_message: Callable[[Message], None], on_end: Callable[[], None]
) -> Channel:
    """Begin to listen at one end, which is owned from here on."""
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_unix_connection(lambda: Channel(on_message, on_end), sock=sock)
    return channel


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text


def take(received: bytearray) -> list[Message]:
    """Take all whole messages off the front of what has been received."""
    messages, start = [], 0
    while len(received) >= start + _LENGTH.size:
        begin = start + _LENGTH.size
        end = begin + _LENGTH.unpack_from(received, start)[0]
        if len(received) < end:
            break
        messages.append(json.loads(received[begin:end]))
        start = end
    del received[:start]
    return messages
