"""Tells when there are no descriptors left: uvloop closes new clients then, and says nothing.

Found out by taking one, now and then, and giving it back.
"""

import errno
import logging
import os

from proxy.errors import OUT_OF_DESCRIPTORS

TELL_S = 10.0
"""Between two lines in the log."""

log = logging.getLogger("proxy")


class DescriptorWatch:
    """Looks when it is told to."""

    def __init__(self) -> None:
        self._told_at = -TELL_S

    def look(self, now: float) -> None:
        """Say so if there are none left, and not too often; `now` is seconds, monotonic."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and now - self._told_at >= TELL_S:
                self._told_at = now
                step = OUT_OF_DESCRIPTORS.next_step
                log.error("no descriptors left, new clients are turned away; next: %s", step)
