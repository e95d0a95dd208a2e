"""Announcements of backends, passed on to all workers: there is one socket, and all have to hear.

Nothing is decided here; each worker judges every datagram for itself, and so all come to the same
conclusions. What has come lately is remembered, so that a worker that is started later knows whom
it has; and none is waited for: a worker that does not listen misses what its queue has no room for,
until the next announcement.
"""

import asyncio
import contextlib
import socket
import time
from collections import deque

from proxy.exits import StartError
from proxy.settings import Address, DiscoverySettings
from proxy.upstream.discovery.mailbox import (
    ForwardedMailbox,
    SocketMailbox,
    pack,
    unpack_ack,
)
from proxy.upstream.discovery.receiver import MAX_PER_TURN

REMEMBERED = 200
"""Datagrams for a worker to come; about what the queue of its socket takes at once."""

_MAX_ACK_BYTES = 65536
_KIND = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_DGRAM)


class Announcements:
    """See the module."""

    def __init__(self, settings: DiscoverySettings, loop: asyncio.AbstractEventLoop) -> None:
        """Bind the socket.

        Raises:
            StartError: the address cannot be used.
        """
        assert settings.subscribe is not None
        try:
            self._mailbox = SocketMailbox(settings.subscribe)
        except OSError as error:
            why = f"cannot listen on --subscribe {settings.subscribe}: {error.strerror}"
            raise StartError(why) from error
        self._loop = loop
        self._tolerance_s = settings.subscribe_tolerance_s
        self._lately: deque[tuple[float, bytes]] = deque(maxlen=REMEMBERED)
        self._ends: dict[int, socket.socket] = {}
        loop.add_reader(self._mailbox.fileno(), self._pass_on)

    @property
    def address(self) -> Address:
        """Where they arrive."""
        return self._mailbox.address

    def open(self, number: int) -> tuple[ForwardedMailbox, int]:
        """Return the end for a worker, with what has come lately in it, and its descriptor."""
        self.close(number)  # whose worker could not be started
        ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
        for sock in (ours, theirs):
            sock.setblocking(False)
        self._ends[number] = ours
        self._loop.add_reader(ours.fileno(), self._acknowledge, number)
        since = time.monotonic() - self._tolerance_s
        for when, packed in self._lately:
            if when >= since:
                self._send(ours, packed)
        return ForwardedMailbox(theirs, self.address, acknowledges=number == 0), theirs.fileno()

    def close(self, number: int) -> None:
        """A worker has ended. May be called twice."""
        end = self._ends.pop(number, None)
        if end is not None:
            self._loop.remove_reader(end.fileno())
            end.close()

    def stop(self) -> None:
        """Pass on nothing more. May be called twice."""
        if self._mailbox.fileno() >= 0:
            self._loop.remove_reader(self._mailbox.fileno())
            self._mailbox.close()
        for number in list(self._ends):
            self.close(number)

    def _pass_on(self) -> None:
        for _ in range(MAX_PER_TURN):
            try:
                packed = pack(*self._mailbox.receive())
            except OSError:  # mostly because there is nothing left
                return
            self._lately.append((time.monotonic(), packed))
            for end in self._ends.values():
                self._send(end, packed)

    def _send(self, end: socket.socket, packed: bytes) -> None:
        with contextlib.suppress(OSError):
            end.send(packed)

    def _acknowledge(self, number: int) -> None:
        """Send what a worker wants to be sent: with the sender's address that is expected."""
        try:
            packed = self._ends[number].recv(_MAX_ACK_BYTES)
        except OSError:
            return
        if packed:
            self._mailbox.send(unpack_ack(packed))
        else:
            self.close(number)
