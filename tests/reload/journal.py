"""What the application has executed, read from the journal that it keeps (`app.py`)."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One line."""

    event: str
    """`BEGIN` or `END`."""
    ident: str
    pid: int
    instance: str


class Journal:
    """The journal of all instances of one test."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "journal"
        self.file.touch()

    def entries(self) -> list[Entry]:
        """Return what has been written so far, oldest first."""
        lines = self.file.read_text().splitlines()
        return [
            Entry(event, ident, int(pid), instance)
            for event, ident, pid, instance in map(str.split, lines)
        ]

    def begun(self) -> Counter[str]:
        """Return how often each request has been begun."""
        return Counter(entry.ident for entry in self.entries() if entry.event == "BEGIN")

    def ended(self) -> Counter[str]:
        """Return how often each request has been executed to its end."""
        return Counter(entry.ident for entry in self.entries() if entry.event == "END")

    def running(self) -> dict[int, str]:
        """Return what each process has begun and not ended: the request by process id."""
        last = {entry.pid: entry for entry in self.entries()}
        return {pid: entry.ident for pid, entry in last.items() if entry.event == "BEGIN"}

    def open_gate(self, name: str) -> None:
        """Let the requests go on that wait at this gate, and all that come later."""
        (self.file.parent / name).touch()
