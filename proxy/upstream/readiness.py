"""Which backend sockets can be read or written: one epoll instance inside the event loop's own.

A backend connection lives for one request. Registering each with the event loop costs six system
calls under uvloop; registering it with an epoll instance of our own costs one, and closing the
socket unregisters it for free. The event loop watches only that instance's descriptor. Measured:
18 instead of 22 us per request (docs/decisions/0003-epoll-within-the-loop.md). Where there is no
epoll, the event loop watches the sockets themselves.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Final, Protocol

READ: Final = 1
WRITE: Final = 4
# The values of EPOLLIN and EPOLLOUT; errors and hang-ups are always reported, as both.
_BROKEN: Final = 0x008 | 0x010  # EPOLLERR, EPOLLHUP

OnReady = Callable[[int], None]
"""Called with READ, WRITE or both."""


class Readiness(Protocol):
    """Calls back when a descriptor is ready."""

    def watch(self, fd: int, events: int, on_ready: OnReady) -> None:
        """Begin to watch `fd` for `events`, also after `change` to none."""

    def change(self, fd: int, events: int) -> None:
        """Watch `fd` for other events; 0 for none."""

    def forget(self, fd: int) -> None:
        """Stop watching; to be called before `fd` is closed."""

    def close(self) -> None:
        """Stop watching everything. May be called twice."""


class EpollReadiness:
    """See the module."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, OnReady] = {}
        loop.add_reader(self._epoll.fileno(), self._dispatch)

    def watch(self, fd: int, events: int, on_ready: OnReady) -> None:
        self._watched[fd] = on_ready
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        if events:
            self._epoll.modify(fd, events)
        else:
            # With nothing to wait for, a hang-up would still be reported, again and again.
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        # Closing the descriptor, which follows, takes it out of the epoll instance.
        self._watched.pop(fd, None)

    def close(self) -> None:
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._watched.clear()

    def _dispatch(self) -> None:
        for fd, events in self._epoll.poll(0):
            # One callback may have closed another's descriptor since poll() returned.
            on_ready = self._watched.get(fd)
            if on_ready is not None:
                on_ready(READ | WRITE if events & _BROKEN else events)


class LoopReadiness:
    """The same by the event loop's own means, for systems without epoll."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[int, OnReady] = {}

    def watch(self, fd: int, events: int, on_ready: OnReady) -> None:
        self._watched[fd] = on_ready
        self.change(fd, events)

    def change(self, fd: int, events: int) -> None:
        on_ready = self._watched[fd]
        if events & READ:
            self._loop.add_reader(fd, on_ready, READ)
        else:
            self._loop.remove_reader(fd)
        if events & WRITE:
            self._loop.add_writer(fd, on_ready, WRITE)
        else:
            self._loop.remove_writer(fd)

    def forget(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)

    def close(self) -> None:
        for fd in list(self._watched):
            self.forget(fd)


def choose_readiness(loop: asyncio.AbstractEventLoop) -> Readiness:
    """Return the best that this system has."""
    return EpollReadiness(loop) if hasattr(select, "epoll") else LoopReadiness(loop)
