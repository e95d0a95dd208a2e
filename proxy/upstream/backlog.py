"""How many connections wait in the listen queues of local backends, as the kernel says.

uWSGI always reports 0 for a unix socket, and a worker that is busy reports nothing at all; the
kernel knows, for unix and TCP, without the backend's help and without a privilege. It tells of
sockets in our own network namespace only: a backend in another container stays unseen, and that is
not an error. Nothing here raises into traffic: what is not known is None, and why is said once.

Refuses: other systems than Linux, backends on other machines, names that are not resolved.
"""

import errno
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Protocol, TypeVar

from proxy.clock import CallLater
from proxy.settings import Address
from proxy.upstream.local_listeners import find, is_here, kinds_of
from proxy.upstream.sock_diag import GarbledError, Kind, Listener, decode, encode_dump

log = getLogger(__name__)

BUDGET_S = 0.1
"""CPU time of one question; then it is broken off: traffic has waited for it."""
MAX_STRIKES = 3
"""Looks in a row that were broken off, after which no other is begun."""

_NETLINK_SOCK_DIAG = 4
_BUFFER_BYTES = 64 * 1024
"""The kernel fills 32 KiB at most."""
_FOR_GOOD = {
    errno.EACCES,
    errno.EAFNOSUPPORT,
    errno.ECONNREFUSED,
    errno.EINVAL,
    errno.ENOENT,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EPROTONOSUPPORT,
}
"""Forbidden (a seccomp filter, RestrictAddressFamilies=), or not in this kernel."""
_NAMES = {Kind.UNIX: "unix", Kind.TCP4: "TCP", Kind.TCP6: "TCP over IPv6"}


@dataclass(frozen=True, slots=True)
class Depth:
    """A listen queue: connections that wait to be accepted, and the limit of it.

    Linux accepts one connection more than the limit: the queue is full when pending > limit.
    """

    pending: int
    limit: int


class Listening(Protocol):
    """The part of a backend that matters here; `proxy.upstream.backend` imports this module."""

    @property
    def backlog(self) -> Depth | None: ...
    def note_backlog(self, depth: Depth | None) -> None: ...
    @property
    def address(self) -> Address: ...
    @property
    def name(self) -> str: ...
    @property
    def replied(self) -> bool: ...


class Group(Protocol):
    """The part of a pool that matters here."""

    @property
    def backends(self) -> Sequence[Listening]:
        """Those of this moment."""


B = TypeVar("B", bound=Listening)


def _open_netlink() -> socket.socket:
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, "only Linux tells listen queues")
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    return socket.socket(family, kind, _NETLINK_SOCK_DIAG)


class Kernel:
    """Asks the kernel, through one netlink socket that is opened with the first question.

    `refusals` has the kinds of sockets that are not asked for any more, each with its reason.
    `clock` tells CPU time: on a busy machine, or in a container with a quota, other time passes
    without anybody's fault.
    """

    def __init__(
        self,
        open_socket: Callable[[], socket.socket] = _open_netlink,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.refusals: dict[Kind, str] = {}
        self._open_socket = open_socket
        self._clock = clock
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._strikes = dict.fromkeys(Kind, 0)

    def watch(self, backends: Iterable[B]) -> dict[B, Depth]:
        """Return the listen queues of those backends whose socket is seen; takes no waiting."""
        backends = list(backends)
        found: list[Listener] = []
        for kind in _kinds(backends):
            if kind not in self.refusals:
                found += self._listeners(kind)
        chosen = {backend: find(backend.address, found) for backend in backends}
        return {backend: _depth(those) for backend, those in chosen.items() if those}

    def refuses(self, backends: Iterable[Listening]) -> bool:
        """Whether nothing will ever be known about these backends."""
        kinds = _kinds(backends)
        return bool(kinds) and all(kind in self.refusals for kind in kinds)

    def close(self) -> None:
        """Close the socket; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _listeners(self, kind: Kind) -> list[Listener]:
        try:
            found = self._dump(kind)
        except (OSError, GarbledError) as error:
            self.close()  # the rest of the answer goes with it
            self._judge(kind, error)
            return []
        self._strikes[kind] = 0
        return found

    def _dump(self, kind: Kind) -> list[Listener]:
        """Ask for all listeners of one kind and read to the end, or to the end of the budget.

        The kernel writes each part of the answer while it is read, so there is always one to read.
        """
        until = self._clock() + BUDGET_S
        if self._socket is None:
            self._socket = self._open_socket()
        self._sequence += 1
        self._socket.send(encode_dump(kind, self._sequence))
        found: list[Listener] = []
        while True:
            part = decode(self._socket.recv(_BUFFER_BYTES), self._sequence)
            found += part.listeners
            if part.done:
                return found
            if self._clock() > until:
                raise TimeoutError(f"there are too many to read in {BUDGET_S} s")

    def _judge(self, kind: Kind, error: OSError | GarbledError) -> None:
        """Find out whether to ask again. A lack of memory or descriptors, say, passes."""
        refused = isinstance(error, OSError) and error.errno in _FOR_GOOD
        if isinstance(error, TimeoutError | BlockingIOError | GarbledError):
            self._strikes[kind] += 1
            refused = self._strikes[kind] >= MAX_STRIKES
        if refused:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            self.refusals[kind] = f"the kernel does not tell {_NAMES[kind]} listen queues: {why}"


def _kinds(backends: Iterable[Listening]) -> list[Kind]:
    wanted = {kind for backend in backends for kind in kinds_of(backend.address)}
    return [kind for kind in Kind if kind in wanted]


def _depth(listeners: Sequence[Listener]) -> Depth:
    """Several share one address (SO_REUSEPORT): the kernel spreads connections over them."""
    return Depth(sum(one.pending for one in listeners), sum(one.limit for one in listeners))


class BacklogWatch:
    """Keeps `backlog` of the backends of a group up to date."""

    def __init__(
        self, pool: Group, kernel: Kernel, interval_s: float, call_later: CallLater
    ) -> None:
        """`interval_s` lies between two looks, 0 for none at all."""
        self._pool = pool
        self._kernel = kernel
        self._interval_s = interval_s
        self._call_later = call_later
        self._round = 0
        self._running = False
        self._seen: set[str] = set()
        self._told: set[str] = set()

    @property
    def is_running(self) -> bool:
        """Whether there will be another look."""
        return self._running

    def start(self) -> None:
        """Look now and from now on. Does nothing at interval 0, or while it runs."""
        if self._interval_s > 0 and not self._running:
            self._running = True
            self._round += 1
            self._look(self._round)

    def stop(self) -> None:
        """Look no more, and know nothing any more."""
        self._running = False
        self._kernel.close()
        for backend in self._pool.backends:
            backend.note_backlog(None)

    def _look(self, number: int) -> None:
        if not self._running or number != self._round:
            return  # a timer of a life before
        backends = self._pool.backends
        depths = self._kernel.watch(backends)
        for backend in backends:
            backend.note_backlog(depths.get(backend))
            self._note(backend)
        for reason in self._kernel.refusals.values():
            self._tell(reason)
        if self._kernel.refuses(backends):
            self.stop()
        else:
            self._call_later(self._interval_s, lambda: self._look(number))

    def _note(self, backend: Listening) -> None:
        """Say once that a backend which does serve has never been seen."""
        if backend.backlog is not None:
            self._seen.add(backend.name)
        elif backend.replied and backend.name not in self._seen and self._is_missed(backend):
            self._tell(
                f"the listen queue of {backend.name} is not seen: the backend seems to be in "
                "another network namespace (another container)"
            )

    def _is_missed(self, backend: Listening) -> bool:
        return is_here(backend.address) and not self._kernel.refuses([backend])

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.info("%s", text)
