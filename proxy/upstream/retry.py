"""May a request that failed at one backend be given to another? And what does that say about it?

The rules are those of nginx's uwsgi_next_upstream (6.1 to 6.9, 6.11), with one trap less: a reply
that would be a reason for another try is passed on when no other backend could take that try (6.7:
nginx answers 502 there). Plus a budget, which nginx does not have: when everything fails, retries
must not multiply the load.

Decides only. A full listen queue is no failure, and asks nothing here: the request waits.
"""

from dataclasses import dataclass
from typing import Final

from proxy import errors
from proxy.errors import Reason
from proxy.settings import Condition, RetrySettings
from proxy.upstream.health import Outcome

NON_IDEMPOTENT: Final = frozenset((b"POST", b"LOCK", b"PATCH"))
"""Methods that may do something twice (6.3). All others are repeated, unknown ones as well."""

_REASONS: dict[str, Condition] = {
    **dict.fromkeys(
        (
            errors.SOCKET_MISSING.word,
            errors.PERMISSION_DENIED.word,
            errors.CONNECT_REFUSED.word,
            errors.CONNECT_FAILED.word,
            errors.BACKLOG_FULL.word,
            errors.EOF_BEFORE_HEADERS.word,
            errors.RESET_BEFORE_HEADERS.word,
            errors.EOF_MID_HEADERS.word,
            errors.NOT_UWSGI.word,
        ),
        "error",
    ),
    **dict.fromkeys(
        (errors.CONNECT_TIMEOUT.word, errors.SEND_TIMEOUT.word, errors.READ_TIMEOUT.word),
        "timeout",
    ),
    **dict.fromkeys(
        (errors.BAD_REPLY_HEAD.word, errors.REPLY_HEAD_TOO_LARGE.word), "invalid_header"
    ),
}

_STATUSES: dict[int, Condition] = {
    500: "http_500",
    503: "http_503",
    403: "http_403",
    404: "http_404",
    429: "http_429",
}


def condition_of(reason: Reason) -> Condition | None:
    """Return nginx's word for a failure (6.2); None for one that is not the backend's.

    What happens in the middle of a body has no word: it is too late then (6.5).
    """
    return _REASONS.get(reason.word)


def condition_of_status(status: int) -> Condition | None:
    """Return nginx's word for a reply's status (6.1); None if it never leads to another try."""
    return _STATUSES.get(status)


def outcome_of(reason: Reason) -> Outcome:
    """Return what a failure says about the backend's health (6.11), whether it is retried or not.

    A packet over the worker's limit is the client's doing: it must not take a backend out.
    """
    if reason is errors.CONNECT_REFUSED or reason is errors.SOCKET_MISSING:
        return Outcome.ABSENT
    if reason is errors.BACKLOG_FULL:
        return Outcome.BUSY
    return Outcome.BAD if condition_of(reason) else Outcome.NEUTRAL


def outcome_of_reply(status: int, *, retried: bool) -> Outcome:
    """Return what a whole reply head says (6.11): 403 and 404 are good even if they are retried."""
    return Outcome.BAD if retried and status in (500, 503, 429) else Outcome.GOOD


@dataclass(frozen=True, slots=True)
class Failure:
    """What a decision needs to know of the attempt that failed, and of its request."""

    condition: Condition | None
    """Why, in nginx's word; None for what is not the backend's."""
    method: bytes
    nothing_sent: bool
    """No byte of the request reached the backend."""
    tries: int
    """Attempts at this request, this one included."""
    elapsed_s: float
    """Since the first of them began."""
    others: int
    """Backends that have not been tried for this request, and could take it now."""
    is_repeatable: bool = True
    """The request can be sent again, body and all; not so while an upload passes through (6.4)."""
    is_answered: bool = False
    """A response has begun downstream."""


class RetryPolicy:
    """One upstream's rules."""

    __slots__ = ("_conditions", "_settings", "watched")

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._conditions = frozenset(settings.conditions)
        self.watched = frozenset(
            status for status, condition in _STATUSES.items() if condition in self._conditions
        )
        """The statuses of replies that may lead to another try: mostly a reply is passed on."""

    def allows(self, failure: Failure) -> bool:
        """Whether another backend may be tried."""
        return self._is_reason(failure) and self._is_harmless(failure) and self._has_room(failure)

    def _is_reason(self, failure: Failure) -> bool:
        condition = failure.condition
        return condition != "non_idempotent" and condition in self._conditions

    def _is_harmless(self, failure: Failure) -> bool:
        if failure.is_answered:
            return False
        if failure.nothing_sent:
            return True
        may_repeat = failure.method not in NON_IDEMPOTENT or "non_idempotent" in self._conditions
        return may_repeat and failure.is_repeatable

    def _has_room(self, failure: Failure) -> bool:
        tries, timeout_s = self._settings.tries, self._settings.timeout_s
        return (
            failure.others > 0
            and (tries <= 0 or failure.tries < tries)
            and (timeout_s <= 0 or failure.elapsed_s < timeout_s)
        )


class RetryBudget:
    """How many retries may run at a time, in relation to all requests (Envoy's retry budget).

    `running` do now; `refused` have been, in all.
    """

    __slots__ = ("_minimum", "_percent", "refused", "running")

    def __init__(self, percent: int, minimum: int) -> None:
        self._percent = percent
        self._minimum = minimum
        self.running = 0
        self.refused = 0

    def begin(self, active: int) -> bool:
        """Take a place for one retry if there is one; `active` requests run or wait.

        Each place that was taken has to be given back with `end`.
        """
        wanted = self.running + 1
        if wanted <= self._minimum or wanted * 100 <= self._percent * active:
            self.running = wanted
            return True
        self.refused += 1
        return False

    def end(self) -> None:
        """A retry has come to its end, good or bad."""
        assert self.running > 0, "more ends than begins"
        self.running -= 1
