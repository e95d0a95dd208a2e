"""How many descriptors are left, and what is said when clients have taken most of them.

The last of them are kept for backends, for files and for the admin address. A new descriptor is
always the lowest that is free: so the number of a new client's tells how many are in use, for
nothing. What that means for the client is up to its listener.
"""

import errno
import logging
import os
import resource

from proxy.errors import OUT_OF_DESCRIPTORS

TELL_S = 10.0
"""Between two lines in the log."""

MAX_KEPT = 256
"""Descriptors that clients cannot have; a quarter of all, if that is less."""

log = logging.getLogger("proxy")


def highest_for_clients() -> int:
    """Return the highest descriptor that a client's connection may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 30
    return limit - min(MAX_KEPT, limit // 4) - 1


class DescriptorWatch:
    """Says so when clients lack descriptors, or when there are none left for anything."""

    def __init__(self) -> None:
        self._told_at = -TELL_S
        self._gave_way = 0
        self._turned_away = 0

    def note(self, *, gave_way: bool) -> None:
        """A client has come when there were few left: another gave way, or it was turned away."""
        if gave_way:
            self._gave_way += 1
        else:
            self._turned_away += 1

    def look(self, now: float) -> None:
        """Say what there is to say, and not too often; `now` is seconds, monotonic."""
        if now - self._told_at < TELL_S or not (what := self._what()):
            return
        self._told_at = now
        self._gave_way = self._turned_away = 0
        log.error("%s: %s; next: %s", OUT_OF_DESCRIPTORS.word, what, OUT_OF_DESCRIPTORS.next_step)

    def _what(self) -> str:
        if self._gave_way or self._turned_away:
            return (
                f"clients have taken theirs: {self._turned_away:,} new ones were turned away, "
                f"{self._gave_way:,} idle ones gave way"
            )
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return f"none are left ({error.strerror}), new clients wait or are turned away"
        return ""
