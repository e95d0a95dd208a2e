"""How many descriptors are left, and what is said when clients have taken most of them.

The last of them are kept for backends, for files and for the admin address. A new descriptor is
always the lowest that is free: so when the number of a new client's is high, all below it are in
use, which is told for nothing. What that means for the client is up to its listener.
"""

import errno
import logging
import os
import resource

from proxy.errors import OUT_OF_DESCRIPTORS

TELL_S = 10.0
"""Between two lines in the log."""

FORGET_S = 60.0
"""Without a number that is too high, after which it is forgotten how many clients fit in."""

MAX_KEPT = 256
"""Descriptors that clients cannot have; a quarter of all, if that is less."""

log = logging.getLogger("proxy")


def highest_for_clients() -> int:
    """Return the highest descriptor that a client's connection may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 30
    return limit - min(MAX_KEPT, limit // 4) - 1


class Allowance:
    """How many clients of one listener there are descriptors for. Pure."""

    def __init__(self, highest: int) -> None:
        self.highest = highest
        """The highest descriptor that a client may have."""
        self._fitting: int | None = None
        """Clients that there is room for; None while that is not known."""
        self._known_at = 0.0

    def surplus(self, newest: int, clients: int, now: float) -> int:
        """Return how many clients are too many, now that one has come with the descriptor `newest`.

        How many fit in is known when somebody's is too high, and has to be remembered: when another
        has given way to that one, the next gets the low number of who has left, and tells nothing.
        """
        fitting = self._fitting
        if newest > self.highest:
            fitting, self._known_at = max(0, clients - (newest - self.highest)), now
        elif now - self._known_at > FORGET_S:
            fitting = None  # to be found out anew: others may need fewer by now
        self._fitting = fitting
        return 0 if fitting is None else max(0, clients - fitting)


class DescriptorWatch:
    """Says so when clients lack descriptors, or when there are none left for anything."""

    def __init__(self) -> None:
        self.gave_way = 0
        """Idle clients that had to leave, so far."""
        self.turned_away = 0
        """New clients that were not let in, so far."""
        self._told_at = -TELL_S
        self._told = 0, 0

    def note(self, *, gave_way: int, turned_away: bool) -> None:
        """A client has come when there were few left: so many gave way, or it was turned away."""
        self.gave_way += gave_way
        self.turned_away += turned_away

    def look(self, now: float) -> None:
        """Say what there is to say, and not too often; `now` is seconds, monotonic."""
        if now - self._told_at < TELL_S or not (what := self._what()):
            return
        self._told_at = now
        self._told = self.turned_away, self.gave_way
        log.error("%s: %s; next: %s", OUT_OF_DESCRIPTORS.word, what, OUT_OF_DESCRIPTORS.next_step)

    def _what(self) -> str:
        turned_away, gave_way = self.turned_away - self._told[0], self.gave_way - self._told[1]
        if turned_away or gave_way:
            return (
                f"clients have taken theirs: {turned_away:,} new ones were turned away, "
                f"{gave_way:,} idle ones gave way"
            )
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return f"none are left ({error.strerror}), new clients wait or are turned away"
        return ""
