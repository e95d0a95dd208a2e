"""A uWSGI that can be reloaded, stopped, killed, frozen and started again at the same address."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from protocol.uwsgi import PING, encode_packet
from tests.lifecycle.command import children
from tests.reload.journal import Journal
from tests.servers import DEADLINE_S, REPOSITORY, connect, wait_until

APP = "tests.reload.app:application"
Stop = Literal["SIGINT", "SIGQUIT", "SIGKILL"]
"""How all processes of an instance end. SIGKILL goes to the workers as well; the other two make the
master end at once, its workers in the middle of what they do."""

_PING = encode_packet(b"", PING)


class Instance:
    """One address, and the uWSGI that serves there, when one does.

    It is PyPI's uWSGI. A reload executes its program anew: `--binary-path` keeps that inside the
    virtual environment.
    """

    def __init__(
        self,
        journal: Journal,
        place: Path | socket.socket,
        *,
        name: str = "one",
        processes: int = 4,
        extra: Sequence[str] = (),
    ) -> None:
        """`place` is the path of the socket, or a TCP socket that is bound and keeps its port."""
        self.name = name
        self.processes = processes
        self.log_file = journal.file.with_name(f"{name}.log")
        self.fifo = journal.file.with_name(f"{name}.fifo")
        self.bound = str(place) if isinstance(place, Path) else _host_port(place)
        self.address = f"unix:{place}" if isinstance(place, Path) else self.bound
        self._journal = journal
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The master's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the master lives."""
        return self._process is not None and self._process.poll() is None

    def workers(self) -> set[int]:
        """Return the ids of its worker processes."""
        return set(children(self.pid))

    def start(self) -> None:
        """Start and return when the application is loaded and answers."""
        assert not self.is_running
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        wait_until(self._answers, f"{self.name} answers")

    def signal(self, number: int) -> None:
        """Send a signal to the master only."""
        os.kill(self.pid, number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the master and its workers."""
        os.killpg(self.pid, number)

    def stop(self, how: Stop) -> None:
        """End it and return when the master has ended."""
        if how == "SIGKILL":
            self.kill()
            return
        self.signal(signal.Signals[how])
        self.wait()

    def drain(self) -> None:
        """Let the workers finish what they do, and return when all have ended."""
        self.fifo.write_text("q")
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the master, and see to it that nothing else is left."""
        assert self._process is not None
        self._process.wait(DEADLINE_S)
        self.kill()

    def kill(self) -> None:
        """Kill the master and its workers."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self.signal_all(signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        self._process = None

    def log(self) -> str:
        """Return what it has written."""
        return self.log_file.read_text(errors="replace")

    def _command(self) -> list[str]:
        script = Path(sys.executable).with_name("pyuwsgi")
        return [
            *(str(script), "--binary-path", sys.executable),
            *("--master", "--need-app", "--no-orphans", "--processes", str(self.processes)),
            *("--master-fifo", str(self.fifo)),
            *("--pythonpath", str(REPOSITORY), "--wsgi", APP),
            *("--socket", self.bound, *self._extra),
        ]

    def _environment(self) -> dict[str, str]:
        own = {"JOURNAL": str(self._journal.file), "INSTANCE": self.name}
        return {**os.environ, **own, "PYTHONPATH": str(REPOSITORY)}

    def _answers(self) -> bool:
        """Ping it; whatever comes back, even an end of file, comes from a loaded application."""
        assert self.is_running, self.log()
        try:
            with connect(self.address, timeout_s=DEADLINE_S) as connection:
                connection.sendall(_PING)
                connection.recv(len(_PING))
        except OSError:
            return False
        return True


def reserve_port() -> socket.socket:
    """Return a socket that keeps a port for one instance after another.

    It does not listen: without an instance, connections are refused. As long as it is open, the
    kernel gives the port to nobody else, not even to a client for its own end.
    """
    keeper = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper


def _host_port(keeper: socket.socket) -> str:
    host, port = keeper.getsockname()
    return f"{host}:{port}"
