"""A scriptable uwsgi backend on real sockets, for tests.

It accepts on a unix or TCP socket, plays a script (see `proxy.testing.steps`) on each connection
and records every request that came in. Threads and the standard library only, so it works under
any event loop, and in test suites that know nothing of this project's inside. It is not a server:
it trusts its peer, holds whole bodies in memory and takes a thread for each connection.
"""

import contextlib
import selectors
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

from protocol import uwsgi
from protocol.errors import PacketError
from proxy.settings import Address
from proxy.testing.steps import (
    READ,
    Ended,
    Play,
    Received,
    Script,
    Step,
    Turns,
    echo_variables,
)

Ending = Literal["closed", "eof", "reset", "stopped"]
"""Who ended a connection: the script, the peer in one of two ways, or the end of the test."""

STOP_TIMEOUT_S = 5.0
"""How long `stop` waits for its threads; steps of the standard kinds need a small part of it."""

_EVENT_SLICE_S = 0.02  # how long a pause may overlook that the backend is being stopped


class _Over(Exception):
    """The connection is over; the rest of the script has nobody to play to."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending: Ending = ending


class FakeBackend:
    """Listen, play a script on each connection, remember the requests.

    with FakeBackend(respond(body=b"hello")) as backend:
        ...  # let something send requests to backend.address
        backend.wait_for(1)
    """

    def __init__(
        self,
        script: Script | None = None,
        family: Literal["unix", "tcp"] = "unix",
        path: str | Path | None = None,
        backlog: int = 128,
    ) -> None:
        """Bind and listen; connections are taken from `start` on.

        Args:
            script: steps, or a function from a request (read with its body) to steps; by default
                the request is echoed as JSON.
            family: of the socket; TCP is 127.0.0.1 and a port that the kernel chooses.
            path: of the unix socket, or `\\0name`; a temporary directory is made when none is
                given.
            backlog: of the listen queue.
        """
        self.script: Script = echo_variables() if script is None else script
        self._directory = ""
        self._changed = threading.Condition()
        self._requests: list[Received] = []
        self._endings: dict[int, Ending] = {}
        self._accepted = 0
        self._lines: dict[threading.Thread, _Connection] = {}
        self._stopping = threading.Event()
        self._listener = self._bind(family, path)
        self._listener.listen(backlog)
        self._backlog = backlog
        self._accepting = threading.Lock()
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._accept_loop, name="fake-backend", daemon=True)
        self._started = False

    def _bind(self, family: str, path: str | Path | None) -> socket.socket:
        if family == "tcp":
            listener = socket.create_server(("127.0.0.1", 0))
            self.address = Address(host="127.0.0.1", port=listener.getsockname()[1])
            return listener
        if path is None:
            self._directory = tempfile.mkdtemp(prefix="uwsgi-")
            path = Path(self._directory, "s")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        self.address = Address(path=str(path))
        return listener

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Begin to accept."""
        self._started = True
        self._thread.start()

    def stop(self) -> None:
        """Close everything and wait for the threads. Safe to call again.

        Raises:
            RuntimeError: a step of the script did not return within `STOP_TIMEOUT_S`.
        """
        if self._stopping.is_set():
            return
        self._stopping.set()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        self._waker.send(b"!")
        if self._started:
            self._thread.join(STOP_TIMEOUT_S)
        with self._changed:
            lines = dict(self._lines)
        for thread, line in lines.items():
            line.interrupt()
            thread.join(max(0.0, deadline - time.monotonic()))
        for end in (self._listener, self._wake, self._waker):
            end.close()
        if self.address.path and not self.address.path.startswith("\0"):
            Path(self.address.path).unlink(missing_ok=True)
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
        stuck = [thread.name for thread in lines if thread.is_alive()]
        if stuck:
            raise RuntimeError(f"steps did not return in {STOP_TIMEOUT_S} s: {', '.join(stuck)}")

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Accept nothing meanwhile, and have a listen queue with no room: busy, EAGAIN.

        Raises:
            ValueError: the backend is on TCP, where a full queue looks like a network that is slow.
        """
        if not self.address.is_unix:
            raise ValueError("only the listen queue of a unix socket says that it is full")
        with self._accepting, contextlib.ExitStack() as visitors:
            self._listener.listen(0)
            filled = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    visitor = visitors.enter_context(socket.socket(socket.AF_UNIX))
                    visitor.setblocking(False)
                    visitor.connect(self.address.path)
                    filled += 1
            try:
                yield
            finally:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(filled):
                        self._listener.accept()[0].close()
                self._listener.listen(self._backlog)

    @property
    def requests(self) -> list[Received]:
        """What came in so far, in order of arrival. A connection without a byte is not in it."""
        with self._changed:
            return list(self._requests)

    @property
    def accepted(self) -> int:
        """How many connections were accepted so far."""
        with self._changed:
            return self._accepted

    @property
    def endings(self) -> dict[int, Ending]:
        """How each finished connection ended, by its number."""
        with self._changed:
            return dict(self._endings)

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[Received]:
        """Wait until `count` requests were recorded and return them all.

        Raises:
            TimeoutError: there were fewer.
        """
        self._wait(lambda: len(self._requests) >= count, f"{count} requests", timeout_s)
        return self.requests

    def wait_for_connections(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait until `count` connections were accepted, with or without a request on them.

        Raises:
            TimeoutError: there were fewer.
        """
        self._wait(lambda: self._accepted >= count, f"{count} connections", timeout_s)

    def wait_for_ending(self, connection: int, timeout_s: float = 10.0) -> Ending:
        """Wait until this connection has ended and return how.

        Raises:
            TimeoutError: it has not.
        """
        self._wait(lambda: connection in self._endings, f"the end of {connection}", timeout_s)
        return self.endings[connection]

    def _wait(self, holds: Callable[[], bool], what: str, timeout_s: float) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                raise TimeoutError(
                    f"no sign of {what} in {timeout_s} s: {self._accepted} connections, "
                    f"{len(self._requests)} requests, endings {self._endings}"
                )

    def _accept_loop(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._listener.setblocking(False)
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                with self._accepting, contextlib.suppress(BlockingIOError, ConnectionError):
                    self._begin(self._listener.accept()[0])

    def _begin(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            line = _Connection(sock, self._accepted, self._stopping, self._record)
            self._accepted += 1
            name = f"fake-backend connection {line.number}"
            thread = threading.Thread(target=self._serve, args=(line,), name=name, daemon=True)
            self._lines[thread] = line
            self._changed.notify_all()
        thread.start()

    def _serve(self, line: "_Connection") -> None:
        ending: Ending = "closed"
        try:
            script = self.script
            ending = line.play(script.take() if isinstance(script, Turns) else script)
        finally:  # also when a step fails
            with self._changed:
                self._endings[line.number] = ending
                del self._lines[threading.current_thread()]
                self._changed.notify_all()

    def _record(self, received: Received) -> None:
        with self._changed:
            self._requests.append(received)
            self._changed.notify_all()


class _Connection:
    """One accepted connection: the `Line` that steps run on."""

    def __init__(
        self,
        sock: socket.socket,
        number: int,
        stopping: threading.Event,
        record: Callable[[Received], None],
    ) -> None:
        self.number = number
        self._sock = sock
        self._stopping = stopping
        self._record = record
        self._head = uwsgi.PacketHeader(0, 0, 0)
        self._block = bytearray()
        self._body = bytearray()
        self._pending = False  # something has arrived that is not recorded yet

    def play(self, script: Play) -> Ending:
        """Run the script to its end, or to the connection's."""
        try:
            for step in self._steps(script):
                step.run(self)
            self.close()
        except _Over as over:
            self._settle("reset" if over.ending == "reset" else "eof")
            return over.ending
        finally:
            self._sock.close()
        raise AssertionError("close() always raises")

    def _steps(self, script: Play) -> Sequence[Step]:
        if not callable(script):
            return script
        for step in READ:
            step.run(self)
        return script(self._received("complete"))

    def interrupt(self) -> None:
        """Wake the thread, whatever it waits for. Called from another thread."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def read_packet(self, fraction: float = 1.0) -> None:
        """Read a packet, or only this fraction of its variables."""
        self._block, self._body = bytearray(), bytearray()
        header = bytearray()
        self._read_into(header, uwsgi.HEADER_BYTES)
        self._head = uwsgi.decode_header(bytes(header))
        self._read_into(self._block, int(self._head.size * fraction))

    def read_body(self, size: int | None) -> None:
        """Read `size` bytes of body; None stands for what CONTENT_LENGTH says."""
        self._read_into(self._body, self._announced() if size is None else size)
        self._settle("complete")

    def read_slowly(self, pieces: int, delay_s: float) -> None:
        """Read the announced body in equal pieces, each after a pause."""
        size = self._announced()
        for number in range(1, pieces + 1):
            if self._stopping.wait(delay_s):
                raise _Over("stopped")
            self._read_into(self._body, size * number // pieces)
        self._settle("complete")

    def _announced(self) -> int:
        text = self._received("complete").value("CONTENT_LENGTH")
        return int(text) if text.isdigit() else 0

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._settle("complete")
        try:
            self._sock.sendall(data)
        except OSError:
            raise self._over("reset") from None

    def wait(self, event: threading.Event) -> None:
        """Wait until `event` is set."""
        self._settle("complete")
        while not event.wait(_EVENT_SLICE_S):
            if self._stopping.is_set():
                raise _Over("stopped")

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._settle("complete")
        if self._stopping.wait(seconds):
            raise _Over("stopped")

    def hang(self) -> None:
        """Stay connected, reading away what comes, until the peer closes or the backend stops."""
        self._settle("complete")
        while True:
            self._receive(65536)

    def close(self, reset: bool = False) -> None:
        """End the connection here."""
        self._settle("complete")
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise _Over("closed")

    def _read_into(self, target: bytearray, size: int) -> None:
        while len(target) < size:
            target += self._receive(min(size - len(target), 1 << 20))
            self._pending = True

    def _receive(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size)
        except OSError:
            raise self._over("reset") from None
        if not data:
            raise self._over("eof")
        return data

    def _over(self, ending: Ending) -> _Over:
        return _Over("stopped" if self._stopping.is_set() else ending)

    def _settle(self, ended: Ended) -> None:
        """Record what has been read, once; a later packet on the connection is a new record."""
        if self._pending:
            self._pending = False
            self._record(self._received(ended))

    def _received(self, ended: Ended) -> Received:
        return Received(
            modifier1=self._head.modifier1,
            modifier2=self._head.modifier2,
            variables=self._variables(),
            body=bytes(self._body),
            connection=self.number,
            ended=ended,
        )

    def _variables(self) -> list[tuple[bytes, bytes]]:
        if len(self._block) < self._head.size:
            return []
        try:
            return uwsgi.decode_vars(bytes(self._block))
        except PacketError:
            return []
