"""The built-in worker: a threaded uwsgi server for one WSGI application, standard library only.

    python -m proxy.worker.builtin --socket PATH|fd://N [--threads N] module:callable

It stands in where no uWSGI is installed. Each thread takes a connection from the listen queue,
serves its one request and closes it, so nothing is accepted that cannot be served at once. It reads
no UWSGI_ variable that would load code, and refuses every modifier1 but 0 and 100 (ping). SIGTERM
finishes what runs; SIGINT ends at once.
"""

import argparse
import contextlib
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType

from protocol.errors import PacketError
from protocol.uwsgi import (
    HEADER_BYTES,
    PING,
    PacketHeader,
    decode_header,
    decode_vars,
    encode_header,
)
from proxy.worker.command import IO_TIMEOUT_S
from proxy.worker.target import EXIT_NO_APP, WorkerError, load, report, report_loaded
from proxy.worker.wsgi import Application, Disconnected, Reply, environ

PACKET_TIMEOUT_S = 30.0
"""For a whole packet; the proxy sends it in one piece."""

_WSGI = 0
_PONG = encode_header(0, PING, 1)
_BACKLOG = 1024
_RETRY_ACCEPT_MS = 100


OnFailure = Callable[[str, BaseException], None]
"""Told of a request (`GET /path`) that its application has failed, and how."""


class Server:
    """Accepts on `listener` with a fixed number of threads until `stop` is called."""

    def __init__(
        self,
        listener: socket.socket,
        application: Application,
        threads: int,
        on_failure: OnFailure | None = None,
    ) -> None:
        self._listener = listener
        self._application = application
        self._threads = threads
        self._on_failure = on_failure
        self._running: list[threading.Thread] = []
        # Each thread polls the reading end; the byte in it is never taken, so it wakes them all.
        self._stopped, self._stop = os.pipe()
        os.set_blocking(self._stopped, False)
        os.set_blocking(self._stop, False)
        listener.setblocking(False)

    def run(self) -> None:
        """Serve until `stop`; return when running requests are finished."""
        self.start()
        select.select([self._stopped], [], [])  # signal handlers run meanwhile, unlike in join()
        self.join()

    def start(self) -> None:
        """Begin to serve."""
        self._running = [
            threading.Thread(target=self._serve, name=f"worker-{number}", daemon=True)
            for number in range(1, self._threads + 1)
        ]
        for thread in self._running:
            thread.start()

    def join(self, timeout_s: float | None = None) -> list[threading.Thread]:
        """Wait after `stop` for running requests; return the threads that still have one."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._running:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        stuck = [thread for thread in self._running if thread.is_alive()]
        if not stuck:  # else they have still to learn that they are stopped
            os.close(self._stopped)
            os.close(self._stop)
        return stuck

    def stop(self) -> None:
        """Accept nothing more. May be called from a signal handler, and more than once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._stop, b"x")

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._stopped in ready:
                return
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:  # another thread was faster
                continue
            except OSError as error:  # out of descriptors: try again when some may be free
                log(f"cannot accept: {error}")
                select.select([self._stopped], [], [], _RETRY_ACCEPT_MS / 1000)
                continue
            with connection:
                self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        """Serve one connection. Nothing that arrives on it may end the thread."""
        try:
            header, block = receive_packet(connection)
            if header.modifier1 == PING:
                connection.sendall(_PONG)
            elif header.modifier1 != _WSGI:
                log(f"refused a packet with modifier1 {header.modifier1}: only 0 is served here")
            else:
                self._answer(connection, decode_vars(block))
        except (OSError, PacketError, ValueError) as error:
            log(f"dropped a connection: {error}")

    def _answer(self, connection: socket.socket, variables: list[tuple[bytes, bytes]]) -> None:
        connection.settimeout(IO_TIMEOUT_S)
        call = environ(variables, connection, self._threads)
        reply = Reply(connection, call["REQUEST_METHOD"], call["SERVER_PROTOCOL"])
        what = f"{call['REQUEST_METHOD']} {call.get('REQUEST_URI') or call['PATH_INFO']!r}"
        try:
            reply.run(self._application, call)
        except Disconnected as error:
            log(f"{what}: {error}")
        except BaseException as error:  # also its SystemExit must not end the thread
            if self._on_failure is not None:
                self._on_failure(what, error)
            log(f"{what} failed:\n{traceback.format_exc().rstrip()}")
            if not reply.head_sent:
                reply.fail()


def receive_packet(connection: socket.socket) -> tuple[PacketHeader, bytes]:
    """Read one packet: its header and its variable block.

    Raises:
        PacketError: the connection ends before the packet does.
        OSError: it breaks, or the packet takes longer than PACKET_TIMEOUT_S.
    """
    deadline = time.monotonic() + PACKET_TIMEOUT_S
    header = decode_header(_receive(connection, HEADER_BYTES, deadline))
    return header, _receive(connection, header.size, deadline)


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        part = connection.recv(size - len(data))
        if not part:
            raise PacketError(f"the connection ended after {len(data)} of {size} bytes of a packet")
        data += part
    return bytes(data)


def log(message: str) -> None:
    """Write one message to standard error, in one piece even from several threads."""
    sys.stderr.write(f"worker: {message}\n")
    sys.stderr.flush()


def listen(address: str) -> socket.socket:
    """Return a listening unix socket: at a path, or `fd://N` that was inherited.

    A socket that an earlier process has left at the path is replaced.

    Raises:
        OSError: the socket cannot be made there, or there is no such descriptor.
        ValueError: the descriptor is no number.
    """
    if address.startswith("fd://"):
        return socket.socket(fileno=int(address.removeprefix("fd://")))
    path = address
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def main(arguments: list[str] | None = None) -> int:
    """Run the worker with command-line `arguments`; return its exit code."""
    options = _parser().parse_args(arguments)
    # Before the application is loaded, as uWSGI does: early requests wait instead of failing.
    with listen(options.socket) as listener:
        path = str(listener.getsockname())
        try:
            application = load(options.app, os.path.abspath(options.path))
            server = Server(listener, application, options.threads)
            _handle_signals(server, path)
            if options.failure:
                report_loaded(options.failure)
            server.run()
        except WorkerError as error:
            if options.failure:
                report(error, options.failure)
            else:
                log(str(error))
            return EXIT_NO_APP
        finally:
            _unlink(path)
    return 0


def _handle_signals(server: Server, path: str) -> None:
    def finish(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    def end(number: int, _frame: FrameType | None) -> None:
        _unlink(path)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGQUIT, end)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proxy.worker.builtin",
        description="Serve a WSGI application on a uwsgi socket with threads.",
    )
    parser.add_argument("app", metavar="MODULE:CALLABLE")
    parser.add_argument(
        "--socket", required=True, metavar="PATH", help="unix socket to serve on, or fd://N"
    )
    parser.add_argument("--threads", type=int, default=4, metavar="N")
    parser.add_argument("--path", default=".", metavar="DIR", help="where the module is looked for")
    parser.add_argument("--failure", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
