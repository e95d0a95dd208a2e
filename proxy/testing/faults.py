"""Addresses at which no backend answers, each wrong in its own way, as context managers.

What cannot be scripted on an accepted connection is here, since these never accept. The errors
named are those of Linux.
"""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from proxy.settings import Address

Family = Literal["unix", "tcp"]

_CONNECT_S = 0.1  # on loopback a connect that does not end at once will not end
_FIRST_S = 10.0  # but for the first one, which has room, whatever keeps the machine busy


@contextlib.contextmanager
def refuse(family: Family = "unix") -> Iterator[Address]:
    """Yield the address of a socket that is bound but does not listen: ECONNREFUSED."""
    with _bound(family) as (_, address):
        yield address


@contextlib.contextmanager
def missing() -> Iterator[Address]:
    """Yield the path of a unix socket that does not exist: ENOENT."""
    with tempfile.TemporaryDirectory(prefix="uwsgi-") as directory:
        yield Address(path=str(Path(directory, "s")))


@contextlib.contextmanager
def full_backlog(family: Family = "unix") -> Iterator[Address]:
    """Yield the address of a listener that never accepts and whose queue is full.

    A unix socket answers EAGAIN to a non-blocking connect and lets a blocking one wait; TCP drops
    the SYN, so that a connect stays in progress.
    """
    with _bound(family) as (listener, address), contextlib.ExitStack() as waiting:
        listener.listen(0)
        timeout_s = _FIRST_S
        while True:
            visitor = waiting.enter_context(socket.socket(listener.family, socket.SOCK_STREAM))
            # A timeout makes the socket non-blocking underneath: EAGAIN or a connect in progress.
            visitor.settimeout(timeout_s)
            try:
                visitor.connect(listener.getsockname())
            except (BlockingIOError, TimeoutError):
                visitor.close()
                break
            timeout_s = _CONNECT_S
        yield address


@contextlib.contextmanager
def _bound(family: Family) -> Iterator[tuple[socket.socket, Address]]:
    if family == "tcp":
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind(("127.0.0.1", 0))
            yield sock, Address(host="127.0.0.1", port=sock.getsockname()[1])
        return
    with (
        tempfile.TemporaryDirectory(prefix="uwsgi-") as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock,
    ):
        path = str(Path(directory, "s"))
        sock.bind(path)
        yield sock, Address(path=path)
