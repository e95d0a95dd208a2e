"""Where log lines go: an open descriptor, a file that can be reopened, syslog.

A destination may block and is used by one thread, that of `proxy.telemetry.writer`. What cannot be
written is lost and counted, never raised: a log must not stop the service.
"""

import contextlib
import logging
import os
import select
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Protocol, TextIO

from proxy.telemetry.syslog import DEFAULT_PORT, SyslogSpec, parse_syslog

SYSLOG_TIMEOUT_S = 1.0
"""To hand one line to syslog; then the batch is given up."""

log = logging.getLogger("proxy")

_MODE = 0o644
_STDOUT = 1


class Destination(Protocol):
    """Takes whole lines."""

    trouble: str
    """What went wrong last, for people; empty when nothing did."""

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines, without their ends; return how many were written."""

    def reopen(self) -> None:
        """Use the file that now has the name: the old one has been moved away."""

    def close(self) -> None:
        """Give back what is held."""

    def fileno(self) -> int:
        """Return the descriptor that is written to, -1 while there is none."""


class Descriptor:
    """A descriptor that belongs to somebody else: standard output or standard error."""

    def __init__(self, fd: int) -> None:
        self.trouble = ""
        self._fd = fd
        self._torn = False

    def write(self, lines: Sequence[bytes]) -> int:
        """Write all lines, with as few calls as keep them whole."""
        done = 0
        for part in self._parts(lines):
            written = self._write_at_once(part)
            done += written
            if written < len(part):
                break
        return done

    def _parts(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Split lines into what the kernel does not mix with what other processes write.

        Appending to a file is one step, however long; in a pipe `PIPE_BUF` bytes are. A longer line
        cannot be helped.
        """
        if not self._is_shared_stream:
            yield lines
            return
        start = size = 0
        for index, line in enumerate(lines):
            if size + len(line) + 1 > select.PIPE_BUF and index > start:
                yield lines[start:index]
                start, size = index, 0
            size += len(line) + 1
        yield lines[start:]

    @property
    def _is_shared_stream(self) -> bool:
        """Whether others may write to the same pipe or socket."""
        with contextlib.suppress(OSError):
            mode = os.fstat(self._fd).st_mode
            return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        return False

    def _write_at_once(self, lines: Sequence[bytes]) -> int:
        if not lines:
            return 0
        # What was cut off in the middle of a line must not swallow the next one.
        data = (b"\n" if self._torn else b"") + b"\n".join(lines) + b"\n"
        left = memoryview(data)
        try:
            while left:
                left = left[self._write_some(left) :]
        except OSError as error:
            self.trouble = error.strerror or str(error)
            done = data[: len(data) - len(left)]
            self._torn = (bool(done) or self._torn) and not done.endswith(b"\n")
            return done.count(b"\n", data.startswith(b"\n"))
        self._torn = False
        return len(lines)

    def _write_some(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # whoever shares the descriptor wants it so
                waiting = select.poll()
                waiting.register(self._fd, select.POLLOUT)
                waiting.poll()

    def reopen(self) -> None:
        """There is no name to open again."""

    def close(self) -> None:
        """It is not ours."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd


class File(Descriptor):
    """A file that lines are appended to."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            OSError: it cannot be made or written.
        """
        super().__init__(_open(path))
        self._path = path

    def reopen(self) -> None:
        """Go on with the old file if there can be no new one."""
        try:
            fd = _open(self._path)
        except OSError as error:
            self.trouble = f"cannot be reopened: {error.strerror}"
            log.error(
                "%s %s; it goes on in the old file; next: mend that, and send SIGUSR1 again",
                self._path,
                self.trouble,
            )
            return
        self.close()
        self._fd, self._torn = fd, False

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


class Syslog:
    """A syslog daemon: one datagram for each line (RFC 3164, as nginx sends them)."""

    def __init__(self, spec: SyslogSpec) -> None:
        self.trouble = ""
        self._spec = spec
        self._sock: socket.socket | None = None

    def write(self, lines: Sequence[bytes]) -> int:
        """Send lines until one cannot be sent: the next ones would only wait as long."""
        head = self._spec.head()
        for number, line in enumerate(lines):
            try:
                self._connected().send(head + line)
            except OSError as error:
                self.trouble = f"{self._spec.server}: {error.strerror or error}"
                self.close()  # the daemon may have been restarted
                return number
        return len(lines)

    def _connected(self) -> socket.socket:
        if self._sock is None:
            self._sock = self._connect()
        return self._sock

    def _connect(self) -> socket.socket:
        address = self._spec.server
        if address.path:
            sock, name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), address.path
            return _connect(sock, name)
        found = socket.getaddrinfo(
            address.host, address.port or DEFAULT_PORT, type=socket.SOCK_DGRAM
        )
        family, kind, protocol, _, where = found[0]
        return _connect(socket.socket(family, kind, protocol), where)

    def reopen(self) -> None:
        """Connect anew."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def fileno(self) -> int:
        """Return that of the socket, if there is one."""
        return -1 if self._sock is None else self._sock.fileno()


def _connect(sock: socket.socket, where: object) -> socket.socket:
    sock.settimeout(SYSLOG_TIMEOUT_S)
    try:
        sock.connect(where)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock


def _standard(stream: TextIO) -> Descriptor:
    """Return where a standard stream leads; one that a program has replaced leads there no more."""
    try:
        return Descriptor(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return Descriptor(_STDOUT)


def open_destination(name: str, standard: TextIO | None = None) -> Destination:
    """Return where lines go: `-` for a standard stream, `syslog:...`, or the path of a file.

    Raises:
        OSError: the file cannot be made or written.
        ValueError: the text behind `syslog:` is wrong.
    """
    if name == "-":
        return _standard(standard or sys.stdout)
    if name.startswith("syslog:"):
        return Syslog(parse_syslog(name))
    return File(name)
