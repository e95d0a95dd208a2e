"""A backend's health against models: nginx's accounting, and what holds whatever happens."""

from math import inf, nextafter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.upstream.health import LAST_TRIAL_S, MIN_RAMP, Outcome, State
from tests.upstream.test_health import ABSENT, BAD, GOOD, make


class NginxPeer:
    """What nginx remembers of one peer, in whole seconds, as rules 6.10 to 6.13 and 6.17 put it."""

    def __init__(self, max_fails: int, fail_timeout: int, weight: int) -> None:
        self.max_fails, self.fail_timeout, self.weight = max_fails, fail_timeout, weight
        self.effective_weight = weight
        self.fails = self.accessed = self.checked = 0

    @property
    def disabled(self) -> bool:
        return self.max_fails > 0 and self.fails >= self.max_fails

    def eligible(self, now: int) -> bool:
        return not (self.disabled and now - self.checked <= self.fail_timeout)

    def chosen(self, now: int) -> None:
        if now - self.checked > self.fail_timeout:
            self.checked = now

    def freed(self, now: int, failed: bool) -> None:
        if failed:
            self.fails += 1
            self.accessed = self.checked = now
            if self.max_fails:
                self.effective_weight -= self.weight // self.max_fails
                self.effective_weight = max(self.effective_weight, 0)
        elif self.accessed < self.checked:
            self.fails = 0

    def freed_without_a_word(self) -> None:
        """Ours alone: nginx takes this for a success."""
        if self.disabled and self.accessed < self.checked:
            self.checked = self.accessed


class AgainstNginx(RuleBasedStateMachine):
    """Without try_duration, slow start, checks and ejections, the two never differ."""

    @initialize(
        max_fails=st.integers(0, 4), fail_timeout=st.integers(0, 12), weight=st.integers(1, 9)
    )
    def start(self, max_fails: int, fail_timeout: int, weight: int) -> None:
        self.peer = NginxPeer(max_fails, fail_timeout, weight)
        self.health = make(max_fails, fail_timeout)
        self.effective_weight = weight
        self.now = 1_000_000
        self.running = 0

    @rule(seconds=st.one_of(st.integers(0, 3), st.integers(0, 30)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: self.running < 5)
    @rule(even_if_out=st.booleans())
    def a_request_begins(self, even_if_out: bool) -> None:
        if even_if_out or self.peer.eligible(self.now):
            self.peer.chosen(self.now)
            self.health.selected(self.now)
            self.running += 1

    @precondition(lambda self: self.running)
    @rule(outcome=st.sampled_from(Outcome))
    def a_request_ends(self, outcome: Outcome) -> None:
        self.running -= 1
        failed = outcome in (BAD, ABSENT)
        if failed or outcome is GOOD:
            self.peer.freed(self.now, failed)
        else:
            self.peer.freed_without_a_word()
        assert self.health.observe(outcome, self.now) is failed
        if failed:
            penalty = self.health.penalty(self.peer.weight)
            self.effective_weight = max(0, self.effective_weight - penalty)

    @invariant()
    def they_agree(self) -> None:
        for ahead in range(15):
            now = self.now + ahead
            assert self.health.usable(now) is self.peer.eligible(now)
        assert self.health.fails == self.peer.fails
        assert self.effective_weight == self.peer.effective_weight
        assert (self.health.state(self.now) is State.PAUSED) is self.peer.disabled


class Everything(RuleBasedStateMachine):
    """With all that is added, some things hold whatever happens, in whatever order."""

    @initialize(max_fails=st.integers(0, 3), slow=st.sampled_from((0, 5)))
    def start(self, max_fails: int, slow: float) -> None:
        self.health = make(max_fails, 3, slow_start_s=slow, try_duration_s=10)
        self.now = 1000.0
        self.running = 0
        self.in_absence = 0  # begun in it

    @rule(seconds=st.one_of(st.floats(0, 1), st.floats(0, 40)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_request_begins(self) -> None:
        if self.health.usable(self.now):
            self.in_absence += self.health.absent_since is not None
            self.health.selected(self.now)
            self.running += 1

    @precondition(lambda self: self.running)
    @rule(outcome=st.sampled_from(Outcome))
    def a_request_ends(self, outcome: Outcome) -> None:
        self.running -= 1
        self.in_absence = 0  # the machine does not know whose this was; nor does Health
        self.health.observe(outcome, self.now)

    @rule(up=st.booleans())
    def a_verdict(self, up: bool) -> None:
        self.health.checked(up, self.now)
        self.in_absence = 0
        assert self.health.usable(self.now) is up
        assert self.health.state(self.now).is_healthy is up

    @rule()
    def an_ejection(self) -> None:
        self.health.eject(self.now)
        assert not self.health.usable(self.now)

    @rule()
    def a_good_interval(self) -> None:
        self.health.forgive(self.now)

    @invariant()
    def one_trial_at_a_time(self) -> None:
        assert self.in_absence <= 1

    @invariant()
    def a_healthy_one_is_usable(self) -> None:
        state = self.health.state(self.now)
        assert self.health.usable(self.now) or not state.is_healthy
        assert (state is State.RECOVERING) is (self.health.ramp(self.now) < 1)
        assert MIN_RAMP <= self.health.ramp(self.now) <= 1

    @invariant()
    def it_says_when_to_ask_again(self) -> None:
        when = self.health.usable_at(self.now)
        assert when >= self.now
        if when == inf:
            assert not self.health.usable(self.now + 1e9)
        else:
            assert self.health.usable(nextafter(when, inf) + 1e-9)
            if when > self.now:
                assert not self.health.usable((self.now + when) / 2)

    @invariant()
    def an_absence_is_tried_at_least_each_second(self) -> None:
        if self.health.state(self.now) is State.ABSENT and not self.in_absence:
            when = self.health.usable_at(self.now)
            assert when <= self.now + LAST_TRIAL_S

    @invariant()
    def after_news_there_are_none(self) -> None:
        before = self.health.changes
        change = self.health.news(self.now)
        assert self.health.changes == before + (change is not None)
        assert self.health.news(self.now) is None
        if change is not None:
            assert change.before is not change.after is self.health.state(self.now)
            assert change.lasted_s >= 0


for machine in (AgainstNginx, Everything):
    machine.TestCase.settings = settings(
        max_examples=100,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
TestAgainstNginx = AgainstNginx.TestCase
TestEverything = Everything.TestCase
