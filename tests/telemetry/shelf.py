"""A destination in memory, for the tests of what writes to one."""

import threading
from collections.abc import Sequence

WAIT_S = 20.0


class Shelf:
    """Keeps lines. It can be held up until `go` is set, and with some `trouble` it takes none."""

    def __init__(self, *, held: bool = False, trouble: str = "") -> None:
        self.trouble = trouble
        self.lines: list[bytes] = []
        self.before: list[bytes] = []
        """What came before the last `reopen`."""
        self.closed = False
        self.go = threading.Event()
        self.busy = threading.Event()
        if not held:
            self.go.set()

    def write(self, lines: Sequence[bytes]) -> int:
        self.busy.set()
        assert self.go.wait(WAIT_S)
        if self.trouble:
            return 0
        self.lines += lines
        return len(lines)

    def reopen(self) -> None:
        self.before += self.lines
        self.lines = []

    def close(self) -> None:
        self.closed = True

    def fileno(self) -> int:
        return -1
