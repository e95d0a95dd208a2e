"""Steps of a fake backend that tell the test how far it has come."""

import threading
from dataclasses import dataclass, field

from proxy.testing import Line


@dataclass(frozen=True, slots=True)
class Tell:
    """Set an event."""

    event: threading.Event

    def run(self, line: Line) -> None:
        """Do it."""
        self.event.set()


@dataclass(slots=True)
class SendCounted:
    """Send `data` piece by piece and count: for replies that somebody holds up."""

    data: bytes
    piece: int = 64 * 1024
    sent: int = field(default=0, init=False)
    """Bytes so far; other threads may look."""

    def run(self, line: Line) -> None:
        """Do it."""
        for start in range(0, len(self.data), self.piece):
            line.send(self.data[start : start + self.piece])
            self.sent = min(start + self.piece, len(self.data))
