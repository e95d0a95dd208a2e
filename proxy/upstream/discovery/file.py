"""Follows a file of backends: one on each line, written as behind --upstream.

    # the two machines of the office
    10.0.0.1:3031 weight=5
    unix:/run/app.sock backup    # a comment may follow, too

The file is looked at, by its stat, not listened to: that works on every file system, and sees a
file that is written in place, replaced by rename, or reached by a link that now leads elsewhere (as
Kubernetes does with a ConfigMap). Whatever goes wrong, the backends of the last good file stay:

- A file that has just changed is read when it has stood still for one interval. Half of a file that
  is being written may look like a good one.
- A file that cannot be read, for want of descriptors say, is tried again at each look.
- A file with one bad line is refused as a whole, with every line that is bad.
- A file without a backend is refused: an editor that failed, or a full disk, leaves such a file
  behind, and to take it for an order would be to end all service. The order is the one word `none`.
- A file that has gone is waited for.

At the start there is no last good file: there, all of these are errors.

Refuses to know what a line means, to resolve names and to change a pool: it is given `parse`, and
hands good lists to `use` (see `proxy.upstream.discovery.names`).
"""

import os
import re
import stat
from collections.abc import Callable
from logging import getLogger

from proxy.clock import CallLater
from proxy.settings import Address, BackendSettings

log = getLogger(__name__)

MAX_BYTES = 1024 * 1024
"""Larger files are refused: something else has been put there."""
NONE = "none"
"""The only word of a file that means to have no backend."""
MAX_COMPLAINTS = 10
"""Bad lines that are told; of others only the number."""

Parse = Callable[[str], BackendSettings]
"""Raises ValueError with one line that says what is wrong."""
Use = Callable[[tuple[BackendSettings, ...]], None]

Signature = tuple[int, ...]
_Found = dict[tuple[Address, str], tuple[BackendSettings, int]]
"""Each with the number of its line."""

_COMMENT = re.compile(r"(^|\s)#.*")


class BackendsFileError(ValueError):
    """The file is no list of backends; `complaints` has a line for each reason.

    `is_unread`: nobody knows what it is. Reading may succeed later although it does not change.
    """

    def __init__(self, *complaints: str, is_unread: bool = False) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints
        self.is_unread = is_unread


def parse_backends(path: str, text: str, parse: Parse) -> tuple[BackendSettings, ...]:
    """Return the backends of a file's text, in order; `path` is for messages.

    Raises:
        BackendsFileError: lines are bad, or there are none.
    """
    found: _Found = {}
    complaints = []
    is_meant = False
    for number, line in enumerate(text.splitlines(), 1):
        words = _COMMENT.sub("", line).strip()
        if not words:
            continue
        try:
            if words == NONE:
                is_meant = True
            else:
                _add(found, parse(words), number)
        except ValueError as error:
            complaints.append(f"{path}:{number}: {error}")
    if is_meant and found:
        complaints.append(f"{path}: has backends and says {NONE!r}")
    elif not is_meant and not found and not complaints:
        complaints.append(f"{path}: has no backend; if that is meant, write the word {NONE}")
    if complaints:
        more = len(complaints) - MAX_COMPLAINTS
        rest = [f"{path}: and {more} more"] if more > 0 else []
        raise BackendsFileError(*complaints[:MAX_COMPLAINTS], *rest)
    return tuple(backend for backend, _ in found.values())


def _add(found: _Found, backend: BackendSettings, number: int) -> None:
    _, line = found.setdefault((backend.address, backend.service), (backend, number))
    if line != number:
        raise ValueError(f"the same backend as on line {line}")


def read_backends(path: str, parse: Parse) -> tuple[BackendSettings, ...]:
    """Return the backends in a file, in order.

    Raises:
        BackendsFileError: it cannot be read, or is not good.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would be to wait for a writer
            raise BackendsFileError(f"{path}: not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BackendsFileError(f"{path}: {error.strerror}", is_unread=True) from None
    if len(data) > MAX_BYTES:
        raise BackendsFileError(f"{path}: more than {MAX_BYTES} bytes")
    try:
        return parse_backends(path, data.decode("utf-8-sig"), parse)
    except UnicodeDecodeError as error:
        raise BackendsFileError(f"{path}: not UTF-8: {error.reason}") from None


def sign(path: str) -> Signature | None:
    """Return what changes with a file or with what a link leads to; None when it cannot be seen."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


class FileWatch:
    """See the module. `use` gets each new good list, the first within `start`."""

    def __init__(
        self, path: str, parse: Parse, use: Use, interval_s: float, call_later: CallLater
    ) -> None:
        """`interval_s` lies between two looks; more than 0."""
        self._path = path
        self._parse = parse
        self._use = use
        self._interval_s = interval_s
        self._call_later = call_later
        self._backends: tuple[BackendSettings, ...] = ()
        self._seen: Signature | None = None
        self._read: Signature | None = None
        self._is_missed = False
        self._is_refused = False
        self._told = ""
        self._round = 0
        self._running = False

    def start(self) -> None:
        """Read the file and begin to follow it.

        Raises:
            BackendsFileError: there is no good list to begin with.
        """
        self._seen = sign(self._path)
        self._backends = read_backends(self._path, self._parse)
        self._use(self._backends)
        # `_read` stays None: if the file is just being written, the next look reads it again.
        self._running = True
        self._round += 1
        self._schedule(self._round)

    def stop(self) -> None:
        """Follow it no more."""
        self._running = False

    def _schedule(self, number: int) -> None:
        self._call_later(self._interval_s, lambda: self._look(number))

    def _look(self, number: int) -> None:
        if not self._running or number != self._round:
            return  # a timer of a life before
        before, self._seen = self._seen, sign(self._path)
        if self._seen is None:
            self._miss()
        elif self._seen == before and self._seen != self._read:
            self._read = self._seen
            self._read_again()
        self._schedule(number)

    def _miss(self) -> None:
        self._read = None
        if not self._is_missed:
            self._is_missed = True
            log.warning("%s cannot be seen any more; its backends stay", self._path)

    def _read_again(self) -> None:
        try:
            backends = read_backends(self._path, self._parse)
        except BackendsFileError as error:
            self._is_refused = True
            if not (error.is_unread and str(error) == self._told):
                every = "; ".join(error.complaints)
                log.error("%s; the backends of the last good file stay", every)
            if error.is_unread:
                self._read = None
            self._told = str(error)
            return
        self._told = ""
        is_news = self._is_missed or self._is_refused or backends != self._backends
        self._is_missed = self._is_refused = False
        if is_news:
            log.info("%s is followed: %d backends", self._path, len(backends))
        if backends != self._backends:
            self._backends = backends
            self._use(backends)
