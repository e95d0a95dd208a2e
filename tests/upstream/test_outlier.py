"""Outliers: who is ejected and when, and that somebody always stays."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.settings import Address, BackendSettings, HealthSettings
from proxy.upstream.health import Health, Outcome, State
from proxy.upstream.outlier import Outliers, is_good, panicking

IN_A_ROW = HealthSettings(outlier_failures=3, max_ejected_percent=50)
BY_SHARE = HealthSettings(outlier_percent=50, outlier_min_requests=10, max_ejected_percent=50)


@dataclass(eq=False)
class Socket:
    """What `Outliers` asks of a backend."""

    health: Health = field(default_factory=lambda: Health(BackendSettings(Address()), IN_A_ROW, 10))
    serves: bool = True

    def is_ejected(self, now: float) -> bool:
        return self.health.state(now) is State.EJECTED


class Pool:
    """Some backends and their comparison, without the details of time."""

    def __init__(self, count: int, rules: HealthSettings) -> None:
        self.members = [Socket() for _ in range(count)]
        self.outliers = Outliers(rules)
        self.now = 0.0

    def tell(self, number: int, results: str) -> bool:
        """`+` good, `-` bad, `?` neither; return whether it was ejected by one of them."""
        words = {"+": True, "-": False, "?": None}
        told = [
            self.outliers.observe(self.members[number], words[result], self.now, self.members)
            for result in results
        ]
        return any(told)

    def sweep(self, seconds: float = 10) -> list[int]:
        self.now += seconds
        ejected = self.outliers.sweep(self.members, self.now)
        return [self.members.index(member) for member in ejected if isinstance(member, Socket)]

    @property
    def ejected(self) -> list[int]:
        return [n for n, member in enumerate(self.members) if member.is_ejected(self.now)]


@pytest.mark.parametrize(
    ("outcome", "status", "expected"),
    [
        (Outcome.GOOD, 200, True),
        (Outcome.GOOD, 404, True),
        (Outcome.GOOD, 429, True),
        (Outcome.GOOD, 501, True),
        (Outcome.GOOD, 500, False),
        (Outcome.GOOD, 502, False),
        (Outcome.GOOD, 503, False),
        (Outcome.GOOD, 504, False),
        (Outcome.BAD, 0, False),
        (Outcome.BAD, 429, False),
        (Outcome.ABSENT, 0, False),
        (Outcome.BUSY, 0, None),
        (Outcome.NEUTRAL, 0, None),
        (Outcome.NEUTRAL, 200, None),
    ],
)
def test_what_is_good(outcome: Outcome, status: int, expected: bool | None) -> None:
    assert is_good(outcome, status) is expected


@pytest.mark.parametrize(
    ("usable", "total", "percent", "expected"),
    [
        (0, 4, 1, True),
        (1, 4, 1, False),
        (0, 4, 0, False),
        (0, 0, 1, False),
        (1, 4, 50, True),
        (2, 4, 50, False),
        (3, 4, 100, True),
        (4, 4, 100, False),
    ],
)
def test_panic(usable: int, total: int, percent: int, expected: bool) -> None:
    assert panicking(usable, total, percent) is expected


# -- in a row -------------------------------------------------------------------------------------


def test_so_many_failures_in_a_row_eject_at_once() -> None:
    pool = Pool(3, IN_A_ROW)
    assert not pool.tell(0, "--+--?")
    assert pool.ejected == []
    assert pool.tell(0, "-")
    assert pool.ejected == [0]
    assert pool.members[0].health.ejected_until == 30


def test_it_comes_back_with_a_clean_slate() -> None:
    pool = Pool(3, IN_A_ROW)
    pool.tell(0, "---")
    assert not pool.tell(0, "-----")  # those that were still in flight
    pool.now = 30
    assert pool.ejected == []
    assert not pool.tell(0, "--")
    assert pool.tell(0, "-")
    assert pool.members[0].health.ejected_until == 90  # the second in a row lasts twice as long


def test_an_absence_is_not_counted_here() -> None:
    pool = Pool(2, IN_A_ROW)
    health = pool.members[0].health
    health.selected(0)
    health.observe(Outcome.ABSENT, 0)
    assert not pool.tell(0, "-----")
    health.selected(1)
    health.observe(Outcome.GOOD, 1)
    assert not pool.tell(0, "--")
    assert pool.tell(0, "-")


def test_off_is_off() -> None:
    pool = Pool(3, HealthSettings())
    assert not pool.outliers.is_on
    assert not pool.tell(0, "-" * 100)
    assert pool.sweep() == []
    assert Outliers(IN_A_ROW).is_on
    assert Outliers(BY_SHARE).is_on


# -- by share -------------------------------------------------------------------------------------


def test_a_share_of_failures_ejects_at_the_end_of_the_interval() -> None:
    pool = Pool(3, BY_SHARE)
    assert not pool.tell(0, "-+" * 10)
    pool.tell(1, "-++" * 10)
    pool.tell(2, "-" * 9)  # too few to say anything
    assert pool.sweep() == [0]
    assert pool.ejected == [0]


def test_each_interval_counts_for_itself() -> None:
    pool = Pool(2, BY_SHARE)
    pool.tell(0, "-" * 9)
    assert pool.sweep() == []
    pool.tell(0, "-" * 9)
    assert pool.sweep() == []
    pool.tell(0, "-" * 10)
    assert pool.sweep() == [0]


def test_an_interval_has_its_length_however_often_one_looks() -> None:
    pool = Pool(2, BY_SHARE)
    pool.sweep()
    pool.tell(0, "-" * 10)
    assert [pool.sweep(1) for _ in range(11)] == [[]] * 9 + [[0], []]


def test_the_worst_goes_first() -> None:
    pool = Pool(4, BY_SHARE)
    for number, results in enumerate(("-+" * 10, "--+" * 10, "---+" * 10, "-" * 10)):
        pool.tell(number, results)
    assert pool.sweep() == [3, 2]


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(1, 100, 0), (2, 0, 1), (2, 100, 1), (4, 50, 2), (5, 50, 2), (3, 10, 1), (10, 100, 9)],
)
def test_how_many_may_be_ejected(count: int, percent: int, expected: int) -> None:
    """At least one, never the last."""
    for rules in (IN_A_ROW, BY_SHARE):
        pool = Pool(count, replace(rules, max_ejected_percent=percent))
        for number in range(count):
            pool.tell(number, "-" * 20)
        pool.sweep(1)
        assert len(pool.ejected) == expected


def test_one_that_is_kept_by_the_limit_goes_as_soon_as_it_allows() -> None:
    pool = Pool(2, IN_A_ROW)
    pool.tell(0, "---")
    pool.tell(1, "---")
    assert pool.ejected == [0]
    pool.now = 30
    assert pool.tell(1, "-")
    assert pool.ejected == [1]


@pytest.mark.parametrize("trouble", ["paused", "absent", "down", "drained"])
def test_another_in_trouble_does_not_make_it_dispensable(trouble: str) -> None:
    pool = Pool(2, IN_A_ROW)
    other = pool.members[1]
    if trouble == "down":
        other.health.checked(False, 0)
    elif trouble == "drained":
        other.serves = False
    else:
        other.health.observe(Outcome.BAD if trouble == "paused" else Outcome.ABSENT, 0)
    pool.now = 11  # a probe or trial would be allowed by now
    assert not pool.tell(0, "-----")
    other.health.checked(True, 11)
    other.serves = True
    assert pool.tell(0, "-")


# -- forgiveness ----------------------------------------------------------------------------------


def test_each_good_interval_takes_one_ejection_back() -> None:
    pool = Pool(2, IN_A_ROW)
    health = pool.members[0].health
    pool.tell(0, "---")
    pool.now = 30
    pool.tell(0, "---")
    assert health.ejections == 2
    seen = []
    for _ in range(10):  # from 40 on; it is back at 90
        pool.sweep()
        seen.append((pool.now, health.ejections))
    assert seen[4:9] == [(80, 2), (90, 2), (100, 1), (110, 0), (120, 0)]


def test_an_interval_in_trouble_is_not_good() -> None:
    pool = Pool(2, IN_A_ROW)
    health = pool.members[0].health
    pool.tell(0, "---")
    pool.now = 30
    pool.sweep()
    health.checked(False, 40)
    pool.sweep()
    assert health.ejections == 1
    health.checked(True, 60)
    pool.sweep()
    assert health.ejections == 0


def test_those_that_left_are_forgotten() -> None:
    pool = Pool(3, BY_SHARE)
    pool.tell(0, "-" * 10)
    gone = pool.members.pop(0)
    assert pool.sweep() == []
    assert not gone.is_ejected(pool.now)
    pool.members.insert(0, gone)
    assert pool.sweep() == []


# -- whatever happens -----------------------------------------------------------------------------


class Whatever(RuleBasedStateMachine):
    """Never the last that works, never more than the share, except one."""

    @initialize(
        count=st.integers(1, 6),
        percent=st.sampled_from((0, 10, 34, 50, 100)),
        failures=st.integers(0, 3),
        share=st.sampled_from((0, 1, 50)),
    )
    def start(self, count: int, percent: int, failures: int, share: int) -> None:
        self.pool = Pool(
            count,
            HealthSettings(
                outlier_failures=failures,
                outlier_percent=share,
                outlier_min_requests=2,
                max_ejected_percent=percent,
            ),
        )

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.pool.now += seconds

    @rule(data=st.data(), results=st.text("-----+?", min_size=1, max_size=5))
    def requests(self, data: st.DataObject, results: str) -> None:
        number = data.draw(st.integers(0, len(self.pool.members) - 1))
        self.watch(lambda: self.pool.tell(number, results))

    @rule()
    def the_interval_ends(self) -> None:
        self.watch(lambda: self.pool.sweep(0))

    @precondition(lambda self: len(self.pool.members) > 1)
    @rule(data=st.data(), up=st.booleans())
    def a_verdict(self, data: st.DataObject, up: bool) -> None:
        member = data.draw(st.sampled_from(self.pool.members))
        member.health.checked(up, self.pool.now)

    def watch(self, happens: Callable[[], object]) -> None:
        pool = self.pool
        before, healthy = pool.ejected, self.healthy
        happens()
        if pool.ejected != before:
            assert len(before) < len(pool.ejected)
            assert self.healthy >= 1
            limit = pool.outliers._rules.max_ejected_percent * len(pool.members) / 100
            assert len(pool.ejected) <= max(1, limit)
        else:
            assert self.healthy == healthy

    @property
    def healthy(self) -> int:
        now = self.pool.now
        return sum(member.health.state(now).is_healthy for member in self.pool.members)

    @invariant()
    def ejections_are_counted(self) -> None:
        for number in self.pool.ejected:
            assert self.pool.members[number].health.ejections > 0


Whatever.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWhatever = Whatever.TestCase
