"""A backend connection as calls that never wait, and how one is opened.

`Network` and `Channel` are the border to the operating system: `proxy.testing` has their twins in
memory. Every `OSError` becomes a `ProxyError` here, with what an operator needs to know.
"""

import contextlib
import errno
import os
import pwd
import socket
import stat
from collections.abc import Callable
from typing import Final, Protocol

from proxy import errors
from proxy.errors import BackendBusy, ProxyError, Reason
from proxy.settings import Address
from proxy.upstream.readiness import READ, WRITE, Readiness

RECEIVE_BYTES: Final = 64 * 1024
"""Read from a backend at a time. Below malloc's mmap threshold: larger ones cost page faults."""

Wake = Callable[[], None]


class Channel(Protocol):
    """One connection to one backend."""

    readable: bool
    """Bytes or the end may be there; false once `receive` has found nothing."""

    def connected(self) -> bool:
        """Whether the connection is made; false while TCP is still at it.

        Raises:
            ProxyError: it failed.
        """

    def send(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes now; return how many bytes that were.

        Raises:
            OSError: the backend has closed (EPIPE, ECONNRESET).
        """

    def receive(self) -> bytes | None:
        """Return what has come; empty at the end, None while there is nothing.

        Raises:
            OSError: the backend has reset the connection.
        """

    def want(self, read: bool, write: bool) -> None:
        """Say what the next wait is for."""

    def close(self) -> None:
        """Close at once. May be called twice."""

    def half_close(self) -> None:
        """Say that nothing more will be sent; what comes can still be read."""

    def rest(self, on_news: Wake) -> None:
        """Call `on_news`, instead of whom it woke so far, when bytes or the end come."""

    def resume(self, wake: Wake) -> None:
        """Wake somebody again."""


class Network(Protocol):
    """Opens channels."""

    def open(self, address: Address, wake: Wake) -> Channel:
        """Begin to connect; `wake` is called whenever the channel may be able to go on.

        Raises:
            BackendBusy: a unix socket's listen queue is full.
            ProxyError: the connection failed at once.
        """


class SocketNetwork:
    """Real sockets, connected by hand.

    By hand, because asyncio's own connect functions hide a full listen queue: under the standard
    event loop they succeed with a socket that is not connected.
    """

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def open(self, address: Address, wake: Wake) -> "SocketChannel":
        if not address.path:
            return self._open_tcp(address, wake)
        sock = _new_socket(socket.AF_UNIX)
        try:
            sock.connect(address.path)
        except BlockingIOError as error:
            sock.close()
            raise BackendBusy from error
        except OSError as error:
            sock.close()
            raise explain_connect_error(error, address) from error
        return SocketChannel(sock, address, self._readiness, wake, connecting=False)

    def _open_tcp(self, address: Address, wake: Wake) -> "SocketChannel":
        sock = _new_socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((address.host, address.port))
            connecting = False
        except BlockingIOError:
            connecting = True
        except OSError as error:
            sock.close()
            raise explain_connect_error(error, address) from error
        return SocketChannel(sock, address, self._readiness, wake, connecting=connecting)


class SocketChannel:
    """See `Channel`."""

    __slots__ = (
        "_address",
        "_connecting",
        "_events",
        "_fd",
        "_readiness",
        "_sock",
        "_wake",
        "readable",
        "writable",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        address: Address,
        readiness: Readiness,
        wake: Wake,
        *,
        connecting: bool,
    ) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._address = address
        self._readiness = readiness
        self._wake = wake
        self._connecting = connecting
        self._events = 0
        self.readable = False
        self.writable = False

    def _on_ready(self, events: int) -> None:
        if events & READ:
            self.readable = True
        if events & WRITE:
            self.writable = True
        self._wake()

    def connected(self) -> bool:
        if not self._connecting:
            return True
        if not self.writable:
            return False
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            error = OSError(code, os.strerror(code))
            raise explain_connect_error(error, self._address) from error
        self._connecting = False
        return True

    def send(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            self.writable = False
            return 0

    def receive(self) -> bytes | None:
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            self.readable = False
            return None
        # A short read has emptied the socket: the next would only be told so.
        self.readable = len(data) == RECEIVE_BYTES or not data
        return data

    def want(self, read: bool, write: bool) -> None:
        events = (READ if read else 0) | (WRITE if write else 0)
        if events != self._events:
            if self._events:
                self._readiness.change(self._fd, events)
            elif events:
                self._readiness.watch(self._fd, events, self._on_ready)
            self._events = events

    def half_close(self) -> None:
        with contextlib.suppress(OSError):  # it has been reset: reading will tell
            self._sock.shutdown(socket.SHUT_WR)

    def rest(self, on_news: Wake) -> None:
        self._wake = on_news
        self.want(read=True, write=False)

    def resume(self, wake: Wake) -> None:
        self._wake = wake

    def close(self) -> None:
        if self._fd >= 0:
            self._readiness.forget(self._fd)
            self._fd = -1
            self._sock.close()


_NON_BLOCKING = getattr(socket, "SOCK_NONBLOCK", 0)


def _new_socket(family: int) -> socket.SocketType:
    """Make a non-blocking socket.

    Raises:
        ProxyError: the process or the system has no descriptor left.
    """
    try:
        # The type beneath socket.socket: one is made for every request, and the Python part of
        # socket.socket (makefile, timeouts) would be a tenth of what a request costs.
        sock = socket.SocketType(family, socket.SOCK_STREAM | _NON_BLOCKING)
        if not _NON_BLOCKING:
            sock.setblocking(False)
        return sock
    except OSError as error:
        full = error.errno in (errno.EMFILE, errno.ENFILE)
        reason = errors.OUT_OF_DESCRIPTORS if full else errors.CONNECT_FAILED
        raise ProxyError(reason, str(error), nothing_sent=True) from error


_BY_ERRNO: dict[int, Reason] = {
    errno.ENOENT: errors.SOCKET_MISSING,
    errno.ENOTDIR: errors.SOCKET_MISSING,
    errno.EACCES: errors.PERMISSION_DENIED,
    errno.EPERM: errors.PERMISSION_DENIED,
    errno.ECONNREFUSED: errors.CONNECT_REFUSED,
    errno.ETIMEDOUT: errors.CONNECT_TIMEOUT,
}


def explain_connect_error(error: OSError, address: Address) -> ProxyError:
    """Translate a failed connect into a reason, with what the operator has to compare."""
    reason = _BY_ERRNO.get(error.errno or 0, errors.CONNECT_FAILED)
    detail = f"{address}: {error.strerror or error}"
    if reason is errors.PERMISSION_DENIED:
        detail += f" ({_describe_access(address.path)})"
    return ProxyError(reason, detail, nothing_sent=True)


def _describe_access(path: str) -> str:
    """Say what stands in the way: the first part of the path that this user may not pass."""
    me = f"this process is uid {os.geteuid()} gid {os.getegid()}"
    parts = [path]
    while os.path.dirname(parts[-1]) != parts[-1]:
        parts.append(os.path.dirname(parts[-1]))
    for part in reversed(parts):
        needed = os.W_OK if part == path else os.X_OK
        with contextlib.suppress(OSError):
            if not os.access(part, needed, effective_ids=os.access in os.supports_effective_ids):
                facts = os.stat(part)
                mode = stat.filemode(facts.st_mode)
                return f"{part} is {mode} {_user(facts.st_uid)}:{facts.st_gid}, {me}"
    return me


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
