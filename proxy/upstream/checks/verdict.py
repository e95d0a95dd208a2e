"""What a check can find out about a backend, and what several findings amount to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """What one check says about its backend."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    """It is there, with all its workers occupied: neither good nor bad, the same again later."""
    UNKNOWN = "unknown"
    """The check could not be made, for reasons that are not the backend's (a stats server that
    does not answer, no descriptor left here): the other checks decide."""


class Finding(NamedTuple):
    """The verdict of one check, and why."""

    verdict: Verdict
    word: str = "ok"
    """One word: `ok`, a reason of `proxy.errors`, or one of the check's own."""
    detail: str = ""
    """One line for the operator."""
    warning: str = ""
    """What a good backend wants to be known: uWSGI's `uwsgi.set_warning_message(...)`."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding with its time, as an admin page shows it."""

    check: str
    """Which check: `ping`, `http /healthz`."""
    finding: Finding
    at: float
    """When it was found, in seconds of the server's clock."""
    duration_s: float
    """From connect to verdict."""

    def __str__(self) -> str:
        """Return one line: `http /healthz: bad, bad_status, 0.012 s (503 Service Unavailable)`."""
        found = self.finding
        text = f"{self.check}: {found.verdict.value}, {found.word}, {self.duration_s:.3f} s"
        if found.detail:
            text += f" ({found.detail})"
        return f"{text}, warning: {found.warning}" if found.warning else text


def combine(verdicts: Iterable[Verdict]) -> bool | None:
    """Return what the verdicts of one round say together: good, bad, or None for neither.

    One bad check makes a bad backend, whatever the others say (nginx Plus: any failing check).
    A busy one leaves its backend as it is: that it also listens proves nothing.
    """
    seen = set(verdicts)
    if Verdict.BAD in seen:
        return False
    if Verdict.BUSY in seen:
        return None
    return True if Verdict.GOOD in seen else None
