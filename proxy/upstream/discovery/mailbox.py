"""Where announcements arrive: a socket for datagrams, UDP or unix, or what somebody passes on.

With several workers there is one socket for all, but all have to hear everything. So one process
reads it (`SocketMailbox`), packs each datagram together with its sender, and passes it on over a
pair of sockets, at whose other end each worker has a `ForwardedMailbox`.
"""

import contextlib
import json
import os
import socket
import stat
import struct
from ipaddress import ip_address
from typing import Protocol

from protocol.subscription import MAX_DATAGRAM_BYTES
from proxy.settings import Address
from proxy.upstream.discovery.admission import Sender, read_ip
from proxy.upstream.discovery.node import Ack

BUFFER_BYTES = 1024 * 1024
"""Asked of the kernel, which may give less: an instance with many keys announces all at once."""

_CREDENTIALS = struct.Struct("iII")  # struct ucred of Linux: pid, uid, gid
_PASSES_CREDENTIALS = hasattr(socket, "SO_PASSCRED") and hasattr(socket, "SCM_CREDENTIALS")
_HEAD = struct.Struct("!16sBHq")
"""Of what is passed on: IP address, its length, port, user; -1 for an unknown one."""


class Mailbox(Protocol):
    """See the module."""

    @property
    def address(self) -> Address:
        """Where datagrams arrive."""

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to `receive`."""

    def receive(self) -> tuple[bytes, Sender]:
        """Take one datagram. One that is longer than allowed is too long still.

        Raises:
            OSError: mostly because there is none.
            EOFError: there will never be one again.
        """

    def send(self, ack: Ack) -> None:
        """Send an acknowledgement, or not: nothing depends on it."""

    def close(self) -> None:
        """Receive no more. May be called twice."""


class SocketMailbox:
    """A socket of our own."""

    def __init__(self, address: Address) -> None:
        """Bind it. A unix socket that nobody serves is replaced.

        Raises:
            OSError: the address cannot be used.
        """
        self._sock = _bind(address)
        self._file = _identify(self.address)

    @property
    def address(self) -> Address:
        """Where it really listens: port 0 has become a real one."""
        name = self._sock.getsockname()
        if self._sock.family == socket.AF_UNIX:
            return Address(path=name if isinstance(name, str) else os.fsdecode(name))
        return Address(host=name[0], port=name[1])

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> tuple[bytes, Sender]:
        """Take one datagram; one byte more than allowed shows that it is too long."""
        size = MAX_DATAGRAM_BYTES + 1
        if self._sock.family != socket.AF_UNIX:
            datagram, peer = self._sock.recvfrom(size)
            return datagram, Sender(read_ip(peer[0].partition("%")[0]), peer[1])
        # Room for credentials and nothing else: descriptors that somebody passes are not taken.
        room = socket.CMSG_SPACE(_CREDENTIALS.size) if _PASSES_CREDENTIALS else 0
        datagram, ancillary, _, _ = self._sock.recvmsg(size, room)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return datagram, Sender(uid=_CREDENTIALS.unpack(data)[1])
        return datagram, Sender()

    def send(self, ack: Ack) -> None:
        """Send an acknowledgement, or not: nothing depends on it."""
        with contextlib.suppress(OSError):
            if not ack.to.is_unix and self._sock.family != socket.AF_UNIX:
                self._sock.sendto(ack.text, (ack.to.host, ack.to.port))
                return
            family = socket.AF_UNIX if ack.to.is_unix else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(ack.text, ack.to.path or (ack.to.host, ack.to.port))

    def close(self) -> None:
        if self._sock.fileno() < 0:
            return
        if self._file is not None and _identify(self.address) == self._file:
            with contextlib.suppress(OSError):
                os.unlink(self.address.path)
        self._sock.close()


class ForwardedMailbox:
    """The end at which somebody else's datagrams come out."""

    def __init__(self, sock: socket.socket, address: Address, acknowledges: bool) -> None:
        """Own `sock`; of all that hear the same, one only `acknowledges`."""
        self.address = address
        self._sock = sock
        self._acknowledges = acknowledges

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> tuple[bytes, Sender]:
        packed = self._sock.recv(_HEAD.size + MAX_DATAGRAM_BYTES + 1)
        if not packed:
            raise EOFError("whoever passes them on has gone")
        return unpack(packed)

    def send(self, ack: Ack) -> None:
        if self._acknowledges:
            with contextlib.suppress(OSError):
                self._sock.send(pack_ack(ack))

    def close(self) -> None:
        self._sock.close()


def pack(datagram: bytes, sender: Sender) -> bytes:
    """Return a datagram with its sender, to be passed on."""
    ip = b"" if sender.ip is None else sender.ip.packed
    uid = -1 if sender.uid is None else sender.uid
    return _HEAD.pack(ip, len(ip), sender.port, uid) + datagram


def unpack(packed: bytes) -> tuple[bytes, Sender]:
    """Return what was packed."""
    ip, length, port, uid = _HEAD.unpack_from(packed)
    found = ip_address(ip[:length]) if length else None
    return packed[_HEAD.size :], Sender(found, port, None if uid < 0 else uid)


def pack_ack(ack: Ack) -> bytes:
    """Return an acknowledgement to be sent by somebody else."""
    return json.dumps([ack.text.decode("latin-1"), ack.to.host, ack.to.port, ack.to.path]).encode()


def unpack_ack(packed: bytes) -> Ack:
    """Return what was packed."""
    text, host, port, path = json.loads(packed)
    return Ack(text.encode("latin-1"), Address(host=host, port=port, path=path))


def _bind(address: Address) -> socket.socket:
    if address.is_unix:
        _remove_stale(address.path)
        family = socket.AF_UNIX
    else:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if family == socket.AF_UNIX and _PASSES_CREDENTIALS:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sock.bind(address.path if address.is_unix else (address.host, address.port))
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket file that its server has left behind, and nothing else."""
    with contextlib.suppress(OSError, ValueError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)


def _identify(address: Address) -> tuple[int, int] | None:
    """Return what tells a socket file from another at the same path."""
    if address.path and not address.path.startswith("\0"):
        with contextlib.suppress(OSError):
            facts = os.stat(address.path)
            return facts.st_dev, facts.st_ino
    return None
