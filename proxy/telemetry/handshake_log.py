"""TLS handshakes that failed, in the error log: one line each, and a count when they are many.

tls_handshake_failed WORD from CLIENT: what was seen; next: what to do
"""

import time
from logging import DEBUG, INFO, getLogger
from math import inf

from proxy.telemetry.repeats import WINDOW_S, Repeats
from proxy.tls.handshakes import Failure

log = getLogger("proxy.tls")


class HandshakeLog:
    """Of failures of the same kind, `burst` in a window are told; 0 for all."""

    def __init__(self, burst: int) -> None:
        self._repeats: Repeats[str] = Repeats(burst)

    def __call__(self, failure: Failure) -> None:
        """Write a line, if not too many have failed alike. They are the clients' own."""
        level = INFO if failure.begun else DEBUG  # without a byte: a port that is looked at
        if not log.isEnabledFor(level):
            return
        if self._repeats.admit(failure.result, time.monotonic()):
            log.log(
                level,
                "tls_handshake_failed %s from %s: %s; next: %s",
                failure.result,
                failure.client.decode(),
                failure.detail,
                failure.next_step,
            )

    def tick(self, now: float) -> None:
        """Tell what was held back; to be called a few times a second."""
        for result, count in self._repeats.due(now):
            text = "tls_handshake_failed %s: %s more like this in the last %d s"
            log.info(text, result, f"{count:,}", WINDOW_S)

    def close(self) -> None:
        """Tell what is left."""
        self.tick(inf)
