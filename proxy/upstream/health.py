"""How one backend is doing: what the fate of real requests, active checks and ejections make of it.

Five verdicts are kept side by side, and the worst that holds is the state: DOWN (active checks),
EJECTED (an outlier), ABSENT (nobody listens), PAUSED (nginx's max_fails), RECOVERING (slow start),
else UP. Keeping them apart is what lets one end without a word about the others.

Pure and clock-fed: `now` is in seconds, monotonic, and never goes back. Refuses to count, to pick
and to log: who asks `usable` and who is told of a change is the pool's business. Every `selected`
has to be followed by one `observe`: a trial that is never heard of would be the last.
"""

from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from proxy.settings import BackendSettings, HealthSettings

FIRST_TRIAL_S = 0.1
"""After a backend was found absent, until a live request tries it again. A connect that is refused
costs microseconds, so nginx's ban of 10 s would only make a restart longer for the clients."""

LAST_TRIAL_S = 1.0
"""The delay doubles with each trial that finds nobody, up to this."""

MIN_RAMP = 0.1
"""The share with which a slow start begins: with none at all a backend would never prove itself."""


class Outcome(Enum):
    """How the use of a backend ended, as far as the backend's health is concerned."""

    GOOD = auto()
    """A whole reply head came, whatever its status."""
    BAD = auto()
    """nginx's error, timeout or invalid_header; or a listed status that led to a retry."""
    ABSENT = auto()
    """Refused, or no such socket: nothing was sent."""
    BUSY = auto()
    """Its listen queue is full, which says nothing about its health: but somebody listens."""
    NEUTRAL = auto()
    """The client left, or it was our own fault, or it happened in the middle of the body."""


class State(Enum):
    """What holds of a backend; see the module."""

    UP = "up"
    RECOVERING = "recovering"
    PAUSED = "paused"
    ABSENT = "absent"
    EJECTED = "ejected"
    DOWN = "down"

    @property
    def is_healthy(self) -> bool:
        """Whether it may have more than single trials."""
        return self is State.UP or self is State.RECOVERING


@dataclass(frozen=True, slots=True)
class Change:
    """A backend's state has changed: one line of the log. `lasted_s` is how long `before` did."""

    before: State
    after: State
    lasted_s: float


class Health:
    """The health of one backend. Rule numbers are those of nginx's behaviour.

    `alone` is set by the pool while this is the only backend of its group: it is then never paused
    and never started slowly (6.14). `absent_since` is when the present absence began, None while
    there is none; `returns` counts those that have ended. `ejected_until` lies in the past, or is
    -inf, while it is not ejected. `ejections` counts those in a row, `ejected` all. `changes` and
    `changed_at` (None before the first) are what `news` has seen.
    """

    __slots__ = (
        "_accessed",
        "_born",
        "_checked",
        "_delay_s",
        "_down",
        "_down_from_start",
        "_recovered_at",
        "_rules",
        "_settings",
        "_told",
        "_try_at",
        "_try_duration_s",
        "_trying",
        "absent_since",
        "alone",
        "changed_at",
        "changes",
        "ejected",
        "ejected_until",
        "ejections",
        "fails",
        "returns",
    )

    def __init__(
        self,
        backend: BackendSettings,
        rules: HealthSettings,
        try_duration_s: float,
        born: float | None = None,
    ) -> None:
        """Begin as UP at the time `born`: only how long that has lasted is told by it."""
        self._settings = backend
        self._rules = rules
        self._try_duration_s = try_duration_s
        self.alone = False
        # nginx's memory of failures.
        self.fails = 0
        self._accessed = self._checked = -inf
        # Absence.
        self.absent_since: float | None = None
        self.returns = 0
        self._delay_s = 0.0
        self._try_at = 0.0
        self._trying = False
        # Ejection.
        self.ejections = self.ejected = 0
        self.ejected_until = -inf
        # Active checks.
        self._down = self._down_from_start = False
        # The last slow start: in the future, if it waits for the end of an ejection. It counts only
        # while nothing worse holds, so what is worse leaves it alone: the way back sets it anew.
        self._recovered_at: float | None = None
        # For `news`.
        self._born = born
        self._told = State.UP
        self.changes = 0
        self.changed_at: float | None = None

    def adopt(self, backend: BackendSettings) -> None:
        """Go by other settings from now on; what is known stays."""
        self._settings = backend
        if backend.slow_start_s <= 0:
            self._recovered_at = None  # how far a slow start is cannot be told without its length

    # -- questions ------------------------------------------------------------------------------

    def usable(self, now: float) -> bool:
        """Whether a request may go there now; true also if it would be a probe or a trial."""
        if self._down or now < self.ejected_until:
            return False
        if self.absent_since is not None:
            return not self._trying and now >= self._try_at
        # "More than" fail_timeout (6.10); nginx counts whole seconds, this clock is finer.
        return not self._paused or now - self._checked > self._settings.fail_timeout_s

    def usable_at(self, now: float) -> float:
        """When `usable` may turn true by itself, at the earliest; inf if time alone does not help.

        Who has requests waiting has to ask again then. The answer for a pause is a lower bound: the
        moment after it.
        """
        if self._down or self._trying:
            return inf
        when = now
        if self.absent_since is not None:
            when = self._try_at
        elif self._paused:
            when = self._checked + self._settings.fail_timeout_s
        return max(now, when, self.ejected_until)

    def state(self, now: float) -> State:
        """The worst that holds."""
        if self._down:
            return State.DOWN
        if now < self.ejected_until:
            return State.EJECTED
        if self.absent_since is not None:
            return State.ABSENT
        if self._paused:
            return State.PAUSED
        return State.UP if self._ramp(now) >= 1 else State.RECOVERING

    def ramp(self, now: float) -> float:
        """What its weight and its limit are to be multiplied with: 0.1 to 1 during a slow start."""
        if self._recovered_at is None or self.state(now) is not State.RECOVERING:
            return 1.0
        return self._ramp(now)

    def penalty(self, weight: int) -> int:
        """What one counted failure takes off the effective weight, which stops at 0 (6.17)."""
        max_fails = self._settings.max_fails
        return weight // max_fails if max_fails > 0 else 0

    def news(self, now: float) -> Change | None:
        """Return what has changed since the last call; None when nothing has.

        To be called after `observe`, `checked` and `eject`, and now and then (each second, say) for
        what time changes by itself: the end of an ejection, the end of a slow start.
        """
        state = self.state(now)
        if state is self._told:
            return None
        since = self._born if self.changed_at is None else self.changed_at
        change = Change(self._told, state, 0.0 if since is None else now - since)
        self._told = state
        self.changes += 1
        self.changed_at = now
        return change

    # -- what requests tell ---------------------------------------------------------------------

    def selected(self, now: float) -> None:
        """A request goes there. The first one after a pause keeps the others away (6.13)."""
        if self.absent_since is not None:
            self._trying = True
        if now - self._checked > self._settings.fail_timeout_s:
            self._checked = now

    def observe(self, outcome: Outcome, now: float) -> bool:
        """A request has come to its end there. Return whether that counted as a failure.

        A counted failure costs effective weight: see `penalty`.
        """
        if outcome is Outcome.GOOD:
            self._succeeded(now)
        elif outcome is Outcome.BAD:
            return self._failed(now)
        elif outcome is Outcome.ABSENT:
            if self._try_duration_s <= 0:
                return self._failed(now)
            self._found_nobody(now)
        elif outcome is Outcome.BUSY and self.absent_since is not None:
            self._recover(now)
        else:
            self._learned_nothing()
        return False

    def _succeeded(self, now: float) -> None:
        if self.absent_since is not None:
            # Only a trial counts. Another one was begun before the absence: a worker of an instance
            # that stops answers its last request while nobody listens any more.
            if self._trying:
                self._recover(now)
        elif self.fails and self._accessed < self._checked:  # 6.12
            if self._paused:
                self._recover(now)
            self.fails = 0

    def _failed(self, now: float) -> bool:
        if self.absent_since is not None:
            if not self._trying:
                return False  # as above: it died in the event that made the backend absent
            self._end_absence()
        if self.alone:
            return False
        is_on_probation = self.state(now) is State.RECOVERING
        self.fails += 1
        self._accessed = self._checked = now
        if is_on_probation:
            self.fails = max(self.fails, self._settings.max_fails)
        return True

    def _found_nobody(self, now: float) -> None:
        if self.absent_since is None:
            self.absent_since = now
            self._delay_s = FIRST_TRIAL_S
        elif self._trying:
            self._delay_s = min(2 * self._delay_s, LAST_TRIAL_S)
        else:
            return  # one of several that were refused at the same time
        self._try_at = now + self._delay_s
        self._trying = False

    def _learned_nothing(self) -> None:
        """A probe or trial that said nothing is given to the next request.

        nginx takes a probe whose client leaves for a success.
        """
        self._trying = False
        if self._paused and self._accessed < self._checked:
            self._checked = self._accessed

    # -- what checks and comparisons tell -------------------------------------------------------

    def checked(self, up: bool, now: float, *, is_new: bool = False) -> None:
        """Active checks have come to a verdict. A good one ends whatever else held.

        `is_new`: nothing was ever sent there. If such a one is down, and comes up, that is its
        start and no recovery.
        """
        if not up:
            if not self._down:
                self._down_from_start = is_new
            self._down = True
        elif not self.state(now).is_healthy:
            is_start = self._down and self._down_from_start
            self._down = False
            self.ejected_until = -inf
            self._recover(now)
            if is_start:
                self._recovered_at = None

    def eject(self, now: float) -> None:
        """Keep requests away for a while, longer each time; does nothing if it is ejected."""
        if now < self.ejected_until:
            return
        self.ejections += 1
        self.ejected += 1
        rules = self._rules
        self.ejected_until = now + min(rules.ejection_base_s * self.ejections, rules.ejection_max_s)
        self._start_slowly(self.ejected_until)

    def forgive(self, now: float) -> None:
        """An interval was good: the next ejection will be shorter by one step."""
        if now >= self.ejected_until:
            self.ejections = max(0, self.ejections - 1)

    # -- the parts ------------------------------------------------------------------------------

    @property
    def _paused(self) -> bool:
        return 0 < self._settings.max_fails <= self.fails and not self.alone

    def _recover(self, now: float) -> None:
        """It works again, after it did not: what was before is forgotten."""
        self.fails = 0
        self._end_absence()
        self._start_slowly(max(now, self.ejected_until))

    def _end_absence(self) -> None:
        self.returns += self.absent_since is not None
        self.absent_since = None
        self._trying = False

    def _start_slowly(self, when: float) -> None:
        self._recovered_at = when if self._settings.slow_start_s > 0 else None

    def _ramp(self, now: float) -> float:
        if self._recovered_at is None or self.alone:
            return 1.0
        elapsed_s = now - self._recovered_at
        return min(1.0, max(MIN_RAMP, elapsed_s / self._settings.slow_start_s))
