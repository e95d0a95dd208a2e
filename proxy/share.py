"""One process's part of what several share: slots at a backend, places in line, connections.

Each worker of `--workers` counts for itself, so a limit is divided among them. The parts of all
workers add up to the whole exactly, unless the whole is smaller than their number: then each gets
one, since a worker without any could serve nobody. `proxy.config` refuses such settings; what a
backend says of itself at run time can still be so small.
"""

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Share:
    """The part of worker `number` (from 0) of `of`."""

    number: int = 0
    of: int = 1

    def part(self, whole: int, name: str = "") -> int:
        """Return this worker's part of `whole`; 0, which stands for no limit, stays 0.

        `name` says whose limit it is: who gets the remainder differs from name to name, lest one
        worker gets more of everything.
        """
        if not whole:
            return 0
        equal, rest = divmod(whole, self.of)
        turn = (self.number - crc32(name.encode())) % self.of
        return max(1, equal + (turn < rest))
