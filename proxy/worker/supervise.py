"""Start, watch and stop the worker process and the private directory of its socket.

The socket is made here and inherited: it listens before the worker has loaded anything, so early
requests wait instead of failing. When the proxy is killed its worker ends, too, but the directory
with the socket file stays behind in the system's temporary directory.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from protocol.uwsgi import PING, encode_packet
from proxy.settings import Address, WorkerSettings
from proxy.worker.command import (
    Kind,
    Place,
    Uwsgi,
    command,
    environment,
    find_uwsgi,
    listen_queue,
)
from proxy.worker.target import WorkerError, check, is_loaded

LOADING_S = 1.0
"""To stop what still loads its application: uWSGI hears no signal then, and works on nothing."""

_POLL_S = 0.02
_STDERR = 2
_LONGEST_SOCKET_PATH = 100  # sun_path has 108 bytes on Linux, 104 elsewhere
_PING = encode_packet(b"", PING)


class Worker:
    """A running application server. Made by `start`; whoever starts it has to `stop` it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        place: Place,
        description: str,
        http_address: Address | None = None,
    ) -> None:
        self.description = description
        """For the log: which server, how many processes and threads."""
        self.address = Address(path=place.socket)
        """Its uwsgi socket, in a directory that only this user may enter."""
        self.http_address = http_address
        """Where it speaks HTTP itself, if it was asked to."""
        self._process = process
        self._place = place

    @property
    def pid(self) -> int:
        """The process id of the worker (of uWSGI: the master), which leads its own group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return None while it lives, then its exit code, or minus the signal that ended it."""
        return self._process.poll()

    def failure(self) -> str:
        """Return one line that says why it died; empty while it lives. Valid until `stop`."""
        code = self.poll()
        if code is None:
            return ""
        if left := self._left_behind():
            return left.partition("\n")[0]
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        return f"the worker {how}; what it said last is above"

    def traceback(self) -> str:
        """Return that of an application that has failed to load; else empty. Until `stop`."""
        return self._left_behind().partition("\n")[2]

    def _left_behind(self) -> str:
        try:
            return Path(self._place.failure_file).read_text(encoding="utf-8")
        except OSError:
            return ""

    def wait_ready(self, timeout_s: float, stopping: threading.Event | None = None) -> bool:
        """Wait until the application is loaded and a request would be answered.

        Returns False after `timeout_s` seconds, as soon as `stopping` is set, and at once when the
        worker has died: `failure` says why. Blocks: not for an event loop's thread.
        """
        deadline = time.monotonic() + timeout_s

        def may_wait() -> bool:
            if stopping is not None and stopping.is_set():
                return False
            return self.poll() is None and time.monotonic() < deadline

        while may_wait():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                if self._connected(connection) and self._answered(connection, may_wait):
                    return self.poll() is None
            time.sleep(_POLL_S)
        return False

    def stop(self, timeout_s: float) -> None:
        """Let running requests finish for `timeout_s` seconds, then kill; remove the directory.

        An idle uWSGI takes up to a second to end. Calling it again does nothing.
        """
        if self.poll() is None:
            if not is_loaded(self._place.failure_file):
                timeout_s = min(timeout_s, LOADING_S)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self.kill()
        self._process.wait()

    def kill(self) -> None:
        """End it at once and remove the directory, without waiting for anything."""
        # The whole group: of a uWSGI that was killed, its workers may still be there.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        shutil.rmtree(Path(self._place.socket).parent, ignore_errors=True)

    def _connected(self, connection: socket.socket) -> bool:
        connection.settimeout(_POLL_S)
        try:
            connection.connect(self.address.path)
            connection.sendall(_PING)
        except OSError:  # its queue is full, or it is ending
            return False
        return True

    def _answered(self, connection: socket.socket, may_wait: Callable[[], bool]) -> bool:
        """Wait for the answer to a ping: while the application is loaded, it stays in the queue."""
        while may_wait():
            try:
                connection.recv(len(_PING))  # an end of file is an answer, too: no ping plugin
            except TimeoutError:
                continue
            except OSError:  # a reset: it died, or is being reloaded
                return False
            return True
        return False


def start(
    settings: WorkerSettings, *, python_path: str = "", kind: Kind = "auto", http: bool = False
) -> Worker:
    """Start the worker for `settings.app` and return without waiting for its import.

    The socket listens already: requests wait in its queue until the application is loaded.
    Its log goes to our standard error, and so does what the application prints. On Linux it dies
    with the *thread* that calls this: call it from one that lives as long as the worker should.

    Args:
        settings: what to run, in how many processes and threads.
        python_path: where the application is looked for first; the working directory by default.
        kind: which worker: the best there is, only real uWSGI, or only the built-in one.
        http: whether uWSGI speaks HTTP as well, at `Worker.http_address`.

    Raises:
        WorkerError: there is no such module, its name is malformed, or (`kind="uwsgi"`) there is
            no uWSGI that works. An application that fails to load shows in `poll` and `failure`.
    """
    python_path = os.path.abspath(python_path or ".")
    check(settings.app, python_path)
    uwsgi = None if kind == "builtin" else find_uwsgi()
    if uwsgi is None and kind == "uwsgi":
        raise WorkerError("no uWSGI that works with this Python; try: pip install pyuwsgi")
    directory = private_directory()
    # Ours is closed once the worker has inherited it: a dead worker's socket must refuse.
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(f"{directory}/app.sock")
        listener.listen(listen_queue())
        listeners = [listener]
        place = Place(
            f"{directory}/app.sock", listener.fileno(), f"{directory}/failure", python_path
        )
        http_address = None
        if http:
            door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            door.listen(listen_queue())
            listeners.append(door)
            place = replace(place, http_listener=door.fileno())
            http_address = Address(*door.getsockname())
        try:
            process = _spawn(command(uwsgi, settings, place), listeners)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise WorkerError(f"cannot start {sys.executable}: {error}") from error
    return Worker(process, place, _describe(uwsgi, settings, kind), http_address)


def _spawn(command_line: list[str], listeners: list[socket.socket]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command_line,
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,  # standard output belongs to the access log
        env=environment(),
        pass_fds=[listener.fileno() for listener in listeners],
        start_new_session=True,  # Ctrl-C is for the proxy, which then stops the worker
    )


def private_directory() -> str:
    """Make a directory with mode 0700 whose name leaves room for a unix socket."""
    directory = tempfile.mkdtemp(prefix="uwsgi-frontend-")
    if len(os.fsencode(directory)) + len("/app.sock") > _LONGEST_SOCKET_PATH:
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix="uwsgi-frontend-", dir="/tmp")
    return directory


def _describe(uwsgi: Uwsgi | None, settings: WorkerSettings, kind: Kind) -> str:
    threads = _count(settings.threads, "thread")
    if uwsgi is not None:
        return f"{uwsgi}, {_count(settings.processes, 'process', 'es')} x {threads}"
    text = f"built-in worker, {threads}"
    if kind == "auto":
        text += "; for more, install uWSGI: pip install pyuwsgi"
    if settings.processes > 1:
        text += f" (one process only, not {settings.processes})"
    return text


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
