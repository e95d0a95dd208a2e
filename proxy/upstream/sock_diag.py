"""What Linux tells about listening sockets, as bytes: NETLINK_SOCK_DIAG, see sock_diag(7).

Requests out of nothing, values out of replies. No socket here: `proxy.upstream.backlog` has it. The
numbers are those of <linux/netlink.h>, <linux/unix_diag.h> and <linux/inet_diag.h>; all of it is in
the byte order of the machine, except ports and IP addresses.
"""

import os
import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any

IP = IPv4Address | IPv6Address


class Kind(Enum):
    """What one dump is about; the value is the address family."""

    UNIX = 1
    TCP4 = 2
    TCP6 = 10


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A unix socket that listens.

    `name` is what it was bound to, as the one who bound it wrote it (a relative path stays
    relative), `\\0name` in the abstract namespace. `inode` and `device` are those of its file: the
    low 32 bits of st_ino, and the kernel's own form of st_dev (see `kernel_device`); None for a
    socket that has none.
    """

    name: bytes
    inode: int | None
    device: int | None
    pending: int
    limit: int


@dataclass(frozen=True, slots=True)
class TcpListener:
    """A TCP socket that listens. `interface` is 0, or the index of the only one it listens on."""

    host: IP
    port: int
    only_v6: bool
    interface: int
    pending: int
    limit: int


Listener = UnixListener | TcpListener


@dataclass(frozen=True, slots=True)
class Part:
    """What one datagram of a dump held; `done` in the last one."""

    listeners: tuple[Listener, ...]
    done: bool


class GarbledError(ValueError):
    """Not what the kernel sends."""


_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_UNIX_REQUEST = struct.Struct("=BBHIII8s")  # family, protocol, -, states, inode, show, cookie
_INET_REQUEST = struct.Struct("=BBBBI48s")  # family, protocol, extensions, -, states, socket id
_UNIX_REPLY = struct.Struct("=BBBBI8s")  # family, type, state, -, inode, cookie
_INET_REPLY = struct.Struct("=BBBB 2s2s16s16sI8s IIIII")
"""family, state, timer, retries; source port, other port, source, other, interface, cookie;
expires, receive queue, send queue, user, inode."""
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_TWO = struct.Struct("=II")
_ERRNO = struct.Struct("=i")

_SOCK_DIAG_BY_FAMILY = 20
_MAX_ERRNO = 4095
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_REQUEST_DUMP = 0x001 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_LISTEN = 10  # TCP_LISTEN, also of unix sockets
_SOCK_STREAM = 1
_IPPROTO_TCP = 6
_SHOW = 0x01 | 0x02 | 0x10  # UDIAG_SHOW_NAME, UDIAG_SHOW_VFS, UDIAG_SHOW_RQLEN
_UNIX_NAME, _UNIX_VFS, _UNIX_RQLEN = 0, 1, 4
_INET_ONLY_V6 = 11  # INET_DIAG_SKV6ONLY


def encode_dump(kind: Kind, sequence: int) -> bytes:
    """Return the request for all listening sockets of one kind in this network namespace."""
    states = 1 << _LISTEN
    if kind is Kind.UNIX:
        body = _UNIX_REQUEST.pack(kind.value, 0, 0, states, 0, _SHOW, b"\xff" * 8)
    else:
        body = _INET_REQUEST.pack(kind.value, _IPPROTO_TCP, 0, 0, states, bytes(48))
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, sequence, 0) + body


def decode(datagram: bytes, sequence: int) -> Part:
    """Return what one datagram of the dump with this number says; what belongs to others is left.

    Raises:
        OSError: the kernel's refusal.
        GarbledError: this is no such datagram.
    """
    found: list[Listener] = []
    done = False
    rest = memoryview(datagram)
    while rest:
        length, kind, _, number, _ = _unpack(_HEADER, rest)
        if not _HEADER.size <= length <= len(rest):
            raise GarbledError(f"a message of {length} bytes in {len(rest)}")
        body, rest = rest[_HEADER.size : length], rest[_align(length) :]
        if number != sequence:
            continue
        if kind in (_NLMSG_ERROR, _NLMSG_DONE):
            _raise_refusal(body)
            done = True
        elif kind == _SOCK_DIAG_BY_FAMILY:
            listener = _decode_listener(body)
            if listener is not None:
                found.append(listener)
    return Part(tuple(found), done)


def kernel_device(st_dev: int) -> int:
    """Return a `st_dev` of os.stat in the form of UNIX_DIAG_VFS: 12 bits and 20 bits."""
    return os.major(st_dev) << 20 | os.minor(st_dev)


def _raise_refusal(body: memoryview) -> None:
    """Both NLMSG_ERROR and NLMSG_DONE begin with 0 or a negative errno."""
    (code,) = _unpack(_ERRNO, body)
    if code < -_MAX_ERRNO:
        raise GarbledError(f"error number {code}")
    if code < 0:
        raise OSError(-code, os.strerror(-code))


def _decode_listener(body: memoryview) -> Listener | None:
    family = body[0] if body else 0
    if family == Kind.UNIX.value:
        return _decode_unix(body)
    if family in (Kind.TCP4.value, Kind.TCP6.value):
        return _decode_inet(body)
    raise GarbledError(f"a socket of family {family}")


def _decode_unix(body: memoryview) -> UnixListener | None:
    _, socket_type, state, _, _, _ = _unpack(_UNIX_REPLY, body)
    attributes = _attributes(body[_UNIX_REPLY.size :])
    name = bytes(attributes.get(_UNIX_NAME, b""))
    if socket_type != _SOCK_STREAM or state != _LISTEN or _UNIX_RQLEN not in attributes:
        return None
    if not name.startswith(b"\0"):
        name = name.removesuffix(b"\0")  # the kernel's own; a name may hold no other
    pending, limit = _unpack(_TWO, attributes[_UNIX_RQLEN])
    if _UNIX_VFS not in attributes:
        return UnixListener(name, None, None, pending, limit)
    inode, device = _unpack(_TWO, attributes[_UNIX_VFS])
    return UnixListener(name, inode, device, pending, limit)


def _decode_inet(body: memoryview) -> TcpListener | None:
    fields = _unpack(_INET_REPLY, body)
    family, state, _, _, port, _, source, _, interface = fields[:9]
    if state != _LISTEN:
        return None
    pending, limit = fields[11:13]
    attributes = _attributes(body[_INET_REPLY.size :])
    host: IP = IPv4Address(source[:4]) if family == Kind.TCP4.value else IPv6Address(source)
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    only_v6 = bytes(attributes.get(_INET_ONLY_V6, b"\0"))[:1] not in (b"\0", b"")
    return TcpListener(host, int.from_bytes(port, "big"), only_v6, interface, pending, limit)


def _attributes(rest: memoryview) -> dict[int, memoryview]:
    found = {}
    while rest:
        length, kind = _unpack(_ATTRIBUTE, rest)
        if not _ATTRIBUTE.size <= length <= len(rest):
            raise GarbledError(f"an attribute of {length} bytes in {len(rest)}")
        found[kind & 0x3FFF] = rest[_ATTRIBUTE.size : length]
        rest = rest[_align(length) :]
    return found


def _align(length: int) -> int:
    return length + 3 & ~3


def _unpack(form: struct.Struct, data: memoryview) -> tuple[Any, ...]:
    try:
        return form.unpack_from(data)
    except struct.error:
        raise GarbledError(f"{len(data)} bytes where {form.size} belong") from None
