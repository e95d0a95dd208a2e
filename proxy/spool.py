"""Bytes at rest: first in memory, then in a temporary file, both bounded.

A spool lets a fast side finish while a slow side catches up: a client's upload before a worker is
taken, a worker's reply before its client has read it. First in, first out.

File writes go to the page cache and are made on the event loop, as nginx makes them by default; a
disk that stalls therefore stalls the server. `--spool-dir` on a tmpfs, or no file at all, avoids
that (docs/limits.md).
"""

import tempfile
from collections import deque
from typing import IO

from proxy.errors import SPOOL_FAILED, ProxyError
from proxy.tally import SpoolTally

READ_BYTES = 64 * 1024
"""How much is read back from a file at a time."""


class Spool:
    """A queue of bytes.

    Args:
        memory_bytes: kept in memory at most; the rest goes to a file.
        file_bytes: of that file, at most; 0 for no file. It counts what was read from it, too,
            until all of it has been read: only then the file begins at its front again.
        directory: where the file is made; empty for the system's choice.
        tally: counts what rests here, together with others.
        keep: what has been taken stays, so that `rewind` can give it out again. All is put before
            any is taken then.
    """

    __slots__ = (
        "_directory",
        "_file",
        "_file_bytes",
        "_in_file",
        "_keep",
        "_pieces",
        "_read_at",
        "_taken",
        "_tally",
        "_written_at",
        "in_memory",
        "memory_limit",
    )

    def __init__(
        self,
        memory_bytes: int,
        file_bytes: int = 0,
        directory: str = "",
        tally: SpoolTally | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self.memory_limit = memory_bytes
        self._file_bytes = file_bytes
        self.in_memory = 0
        self._pieces: deque[bytes] = deque()
        self._keep = keep
        self._tally = tally or SpoolTally()
        self._taken: list[bytes] = []
        self._directory = directory or None
        self._file: IO[bytes] | None = None
        self._in_file = 0
        self._read_at = 0
        self._written_at = 0

    def __len__(self) -> int:
        return self.in_memory + self._in_file

    def __bool__(self) -> bool:  # or mypyc takes an empty one for true
        return len(self) > 0

    @property
    def in_file(self) -> int:
        """Bytes that rest in the file."""
        return self._in_file

    @property
    def has_room(self) -> bool:
        """Whether the bounds allow to put more (one `put` may go over by its own length)."""
        if not self._in_file and self.in_memory < self.memory_limit:
            return True
        return self._written_at < self._file_bytes

    def put(self, data: bytes) -> None:
        """Add bytes behind all others.

        Raises:
            ProxyError: `spool_failed`, when the file cannot be made or written.
        """
        if not self._in_file and self.in_memory + len(data) <= self.memory_limit:
            self._keep_in_memory(data)
        elif self._file_bytes:
            self._put_into_file(data)
        else:
            self._keep_in_memory(data)

    def _keep_in_memory(self, data: bytes) -> None:
        self._pieces.append(data)
        self.in_memory += len(data)
        self._tally.in_memory += len(data)

    def take(self, most: int | None = None) -> bytes:
        """Return and forget the first bytes, in the pieces that were put; empty for none.

        Args:
            most: how many bytes at the most, if that matters.

        Raises:
            ProxyError: `spool_failed`, when the file cannot be read.
        """
        if self._pieces:
            data = self._pieces.popleft()
            if most is not None and len(data) > most:
                self._pieces.appendleft(data[most:])
                data = data[:most]
            if self._keep:
                self._taken.append(data)
            else:
                self._tally.in_memory -= len(data)
            self.in_memory -= len(data)
            return data
        if not self._in_file:
            return b""
        return self._take_from_file(READ_BYTES if most is None else min(most, READ_BYTES))

    def rewind(self) -> None:
        """Give out everything again, from the first byte; for a spool that keeps."""
        self._pieces.extendleft(reversed(self._taken))
        self.in_memory += sum(map(len, self._taken))
        self._taken.clear()
        self._in_file += self._read_at
        self._read_at = 0

    def close(self) -> None:
        """Forget everything; remove the file."""
        self._tally.in_memory -= self.in_memory + sum(map(len, self._taken))
        self._tally.in_files -= self._written_at
        self._pieces.clear()
        self._taken.clear()
        self.in_memory = self._in_file = self._written_at = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put_into_file(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close()
                    prefix="uwsgi-frontend-", dir=self._directory, buffering=0
                )
                self._tally.files += 1
            self._file.seek(self._written_at)
            view = memoryview(data)
            while view:
                written = self._file.write(view)
                view = view[written:]
        except OSError as error:
            raise ProxyError(SPOOL_FAILED, str(error)) from error
        self._written_at += len(data)
        self._tally.in_files += len(data)
        self._in_file += len(data)

    def _take_from_file(self, most: int) -> bytes:
        assert self._file is not None
        try:
            self._file.seek(self._read_at)
            data = self._file.read(min(most, self._in_file))
        except OSError as error:
            raise ProxyError(SPOOL_FAILED, str(error)) from error
        self._read_at += len(data)
        self._in_file -= len(data)
        if not self._in_file and not self._keep:
            # Caught up: begin at the front again, so that the file stays as small as it can.
            self._tally.in_files -= self._written_at
            self._read_at = self._written_at = 0
        return data
