"""Which backend is next, who waits, and what becomes of backends that fail."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.settings import (
    Address,
    BackendSettings,
    BalanceSettings,
    HealthSettings,
    QueueSettings,
    RetrySettings,
    StickySettings,
    UpstreamSettings,
)
from proxy.testing.fake_clock import FakeClock
from proxy.upstream import sticky
from proxy.upstream.backend import Backend, Lease
from proxy.upstream.balance.query import Query
from proxy.upstream.health import Outcome, State
from proxy.upstream.line import Waiter
from proxy.upstream.pool import LOOK_S, Outlook, Pool
from proxy.upstream.sticky import value_of
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import Wanted

NGINX = UpstreamSettings(
    retry=RetrySettings(try_duration_s=0.0), health=HealthSettings(panic_percent=0)
)
"""Neither patience nor panic."""

STICKY = replace(NGINX, balance=BalanceSettings(sticky=StickySettings(name="route")))


def address(number: int) -> Address:
    return Address(path=f"/{number}")


class World:
    """A pool and its clock."""

    def __init__(self, *backends: dict[str, object], settings: UpstreamSettings = NGINX) -> None:
        self.clock = FakeClock()
        clock = self.clock
        self.pool = Pool(settings, Timing(clock, clock.call_soon, clock.call_later, Random(1)))
        for number, options in enumerate(backends):
            self.pool.add(
                BackendSettings(address(number), **options),  # type: ignore[arg-type]
                address(number),
            )

    def __getitem__(self, number: int) -> Backend:
        return self.pool.backends[number]

    def pick(self, wanted: Wanted | None = None) -> Lease | None:
        return self.pool.pick(wanted or Wanted())

    def take(self, wanted: Wanted | None = None) -> Lease:
        lease = self.pick(wanted)
        assert lease is not None
        return lease

    def names(self, picks: int, outcome: Outcome = Outcome.GOOD) -> str:
        """Return the numbers of the backends that are picked, each given back at once."""
        out = []
        for _ in range(picks):
            lease = self.pick()
            out.append(lease.backend.name[-1] if lease else "-")
            if lease:
                lease.release(outcome)
        return "".join(out)

    def wait(self, wanted: Wanted | None = None, priority: int = 0) -> Waiter:
        waiter = Waiter(priority, wanted or Wanted(), lambda: None)
        assert self.pool.wait(waiter)
        return waiter


# -- which is next --------------------------------------------------------------------------------


def test_all_in_turn_by_weight() -> None:
    assert World({}, {}, {}).names(7) == "0120120"
    assert World({"weight": 5}, {}, {}).names(7) == "0010200"
    assert World({}).names(3) == "000"
    assert World().names(2) == "--"


def test_those_that_have_failed_a_request_are_passed_over() -> None:
    world = World({}, {}, {})
    wanted = Wanted(tried={world[1]: 0})
    picked = [world.take(wanted).backend.name for _ in range(4)]
    assert picked == ["unix:/0", "unix:/2", "unix:/0", "unix:/2"]


def test_a_pick_is_a_lease_until_it_is_given_back() -> None:
    world = World({}, {})
    lease = world.take()
    assert (world.pool.in_flight, world[0].in_flight, world[0].attempts) == (1, 1, 1)
    assert repr(world.pool) == "<Pool default: unix:/0 1 in flight, unix:/1 0 in flight>"
    lease.release(Outcome.GOOD)
    lease.release(Outcome.GOOD)
    assert world.pool.in_flight == 0


def test_a_backup_serves_when_nobody_else_can() -> None:
    """nginx rule 6.18."""
    world = World({"max_conns": 1}, {"backup": True})
    assert world.take().backend is world[0]
    assert world.take().backend is world[1]
    world.pool.drain(world[0])
    assert world.names(2) == "11"


def test_who_is_down_gets_nothing() -> None:
    """nginx rule 6.19."""
    world = World({"down": True}, {})
    assert world.names(3) == "111"
    world.pool.drain(world[1])
    assert world.names(1) == "-"
    assert world.pool.outlook(Wanted()) is Outlook.NOTHING


def test_a_puwsgi_socket_gets_no_bodies() -> None:
    world = World({"puwsgi": True, "keepalive": 1}, {})
    assert world.take(Wanted(has_body=True)).backend is world[1]
    assert world.take(Wanted(has_body=True)).backend is world[1]
    assert world.take().backend is world[0]


def test_a_lone_backend_is_never_paused() -> None:
    """nginx rule 6.14."""
    assert World({}).names(5, Outcome.BAD) == "00000"


def test_max_fails_and_fail_timeout() -> None:
    """nginx rules 6.10, 6.13 and 6.15."""
    world = World({}, {})
    assert world.names(1, Outcome.BAD) == "0"
    assert world.names(3) == "111"
    assert world.names(1, Outcome.BAD) == "1"
    assert world.names(2) == "--"  # no panic: nobody for ten seconds
    world.clock.advance(10.5)
    probes = [world.take(), world.take()]
    assert {probe.backend for probe in probes} == {world[0], world[1]}
    assert world.pick() is None  # one probe each
    for probe in probes:
        probe.release(Outcome.GOOD)
    assert Counter(world.names(4)) == {"0": 2, "1": 2}


def test_an_absent_backend_counts_as_failed_when_nobody_waits() -> None:
    world = World({}, {})
    assert world.names(4, Outcome.ABSENT) == "01--"


def test_failures_cost_weight() -> None:
    """nginx rule 6.17."""
    world = World({"weight": 5, "max_fails": 5}, {"weight": 5})
    world.take().release(Outcome.BAD)
    assert world[0].effective_weight == 4
    world.names(6)
    assert world[0].effective_weight == 5


def test_a_cookie_leads_back() -> None:
    world = World({}, {}, {"backup": True}, settings=STICKY)
    wanted = Wanted(Query(0.0, cookie=value_of(world[1])))
    assert {world.take(wanted).backend for _ in range(3)} == {world[1]}
    world.pool.drain(world[1])
    assert world.take(wanted).backend is world[1], "its own may still come (rule 6.19)"
    assert world.take().backend is world[0]
    world.pool.remove(world[1])
    assert world.take(wanted).backend is world[0]


def test_a_full_backend_that_drains_is_waited_for_by_its_own() -> None:
    world = World({"max_conns": 1}, {"max_conns": 1}, settings=STICKY)
    cookie = value_of(world[1])
    running = world.take(Wanted(Query(0.0, cookie=cookie)))
    world.pool.drain(world[1])
    world.take()
    plain, bound = world.wait(), world.wait(Wanted(Query(0.0, cookie=cookie)))
    running.release(Outcome.GOOD)
    assert plain.lease is None
    assert bound.lease is not None
    assert bound.lease.backend is world[1]


def test_who_waits_while_one_drains_is_not_looked_at_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a thousand in line that was 26 ms of CPU for each request, as long as it drained."""
    world = World({"max_conns": 1}, {"max_conns": 1}, {"max_conns": 1}, settings=STICKY)
    cookies = [value_of(world[number]) for number in range(3)]
    running = [world.take(Wanted(Query(0.0, cookie=cookie))) for cookie in cookies]
    world.pool.drain(world[0])
    kinds = ("", "unknown", *cookies)
    waiters = [world.wait(Wanted(Query(0.0, cookie=kinds[n % len(kinds)]))) for n in range(100)]
    looks, really_find = Counter[str](), sticky.find

    def find(members: Sequence[Backend], cookie: str) -> Backend | None:
        looks[cookie] += 1
        return really_find(members, cookie)

    monkeypatch.setattr(sticky, "find", find)
    running[1].release(Outcome.GOOD)
    assert [waiter.lease is not None for waiter in waiters[:2]] == [True, False]
    running[0].release(Outcome.GOOD)
    assert [waiter.lease is not None for waiter in waiters[:4]] == [True, False, True, False]
    assert sum(looks.values()) < 12


def test_a_backend_that_drains_is_something_to_wait_for_to_its_own_only() -> None:
    world = World({"max_conns": 1}, settings=STICKY)
    world.take()
    world.pool.drain(world[0])
    assert world.pool.outlook(Wanted(Query(0.0, cookie=value_of(world[0])))) is Outlook.ROOM
    assert world.pool.outlook(Wanted(Query(0.0, cookie="other"))) is Outlook.NOTHING
    assert world.pool.outlook(Wanted()) is Outlook.NOTHING


# -- panic ----------------------------------------------------------------------------------------


def test_when_none_is_left_health_is_ignored() -> None:
    world = World({}, {}, settings=UpstreamSettings())
    picked = world.names(8, Outcome.BAD)
    assert len(picked) == 8
    assert set(picked) == {"0", "1"}


def test_when_none_is_left_for_bodies_health_is_ignored_for_them() -> None:
    """A pause of the only ordinary socket beside a puwsgi socket refused all uploads for 10 s."""
    world = World({"puwsgi": True, "keepalive": 1}, {}, settings=UpstreamSettings())
    upload = Wanted(has_body=True)
    world.take(upload).release(Outcome.BAD)
    assert world[1].health.state(world.clock()) is State.PAUSED
    assert world.take().backend is world[0]
    assert world.pool.outlook(upload) is Outlook.ROOM
    assert world.pick() is None, "others still wait for the one that is well"
    assert world.take(upload).backend is world[1]


def test_a_threshold_ignores_health_sooner() -> None:
    settings = UpstreamSettings(health=HealthSettings(panic_percent=50))
    world = World({}, {}, {}, settings=settings)
    world.take().release(Outcome.BAD)
    assert set(world.names(4)) == {"1", "2"}  # two of three are healthy
    world.take().release(Outcome.BAD)
    assert set(world.names(6)) == {"0", "1", "2"}  # one of three is too few


# -- an outage ------------------------------------------------------------------------------------


def test_an_absence_is_tried_again_by_one_at_a_time() -> None:
    world = World({}, settings=UpstreamSettings())
    world.take().release(Outcome.ABSENT)
    assert world.pick() is None
    assert world.pool.outlook(Wanted()) is Outlook.RETURN
    world.clock.advance(0.1)
    trial = world.take()
    assert world.pick() is None
    trial.release(Outcome.GOOD)
    assert world.names(3) == "000"


def test_after_a_while_an_absence_is_nothing_to_wait_for() -> None:
    world = World({}, settings=UpstreamSettings())
    world.take().release(Outcome.ABSENT)
    world.clock.advance(10.0)
    assert world.take(Wanted()).backend is world[0]
    assert world.pool.outlook(Wanted(tried={world[0]: 0})) is Outlook.NOTHING


def test_the_paused_are_better_than_the_absent() -> None:
    world = World({}, {}, settings=UpstreamSettings())
    world.take().release(Outcome.ABSENT)
    world.take().release(Outcome.BAD)
    assert world.names(3) == "111"


# -- who waits ------------------------------------------------------------------------------------


def test_whoever_waits_is_next_when_a_lease_ends() -> None:
    world = World({"max_conns": 1})
    lease = world.take()
    assert world.pick() is None
    assert world.pool.outlook(Wanted()) is Outlook.ROOM
    first, second = world.wait(), world.wait()
    lease.release(Outcome.GOOD)
    assert first.lease is not None
    assert second.lease is None
    assert world.pick() is None, "nobody overtakes"
    first.lease.release(Outcome.GOOD)
    assert second.lease is not None


def test_when_all_are_cut_nobody_in_line_has_a_turn() -> None:
    world = World({"max_conns": 1})
    lease = world.pick()
    assert lease is not None
    waiter = Waiter(0, Wanted(), lambda: None)
    assert world.pool.wait(waiter)
    world.pool.end_line()
    lease.release(Outcome.NEUTRAL)
    world.clock.advance(10 * LOOK_S)
    assert not waiter.answered


def starting(starts: Callable[[Lease], bool], woken: list[int]) -> Waiter:
    """Return a waiter that starts as it is told to."""

    def begin() -> bool:
        assert waiter.lease is not None
        return starts(waiter.lease)

    waiter = Waiter(0, Wanted(), lambda: woken.append(1), begin)
    return waiter


def test_whoever_is_next_starts_before_a_lease_has_been_given_back() -> None:
    world, woken, started = World({"max_conns": 1}), list[int](), list[Lease]()

    def starts(lease: Lease) -> bool:
        started.append(lease)
        return True

    lease = world.take()
    for _ in range(2):
        assert world.pool.wait(starting(starts, woken))
    lease.release(Outcome.GOOD)
    assert len(started) == 1
    world.clock.settle()
    assert woken == [], "nobody is woken who has started"


def test_a_thousand_who_fail_at_once_are_a_loop() -> None:
    world, woken = World({"max_conns": 1}), list[int]()

    def starts(lease: Lease) -> bool:
        lease.release(Outcome.NEUTRAL)
        return False

    lease = world.take()
    for _ in range(1000):
        assert world.pool.wait(starting(starts, woken))
    lease.release(Outcome.GOOD)
    assert (len(world.pool.line), world.pool.in_flight) == (0, 0)
    world.clock.settle()
    assert len(woken) == 1000


def test_a_lease_that_nobody_takes_goes_to_the_next() -> None:
    world = World({"max_conns": 1})
    lease = world.take()
    first, second = world.wait(), world.wait()
    lease.release(Outcome.GOOD)
    world.pool.leave(first)
    assert second.lease is not None
    assert world[0].in_flight == 1


def test_who_cannot_use_a_slot_does_not_keep_others_from_it() -> None:
    world = World({"max_conns": 1}, {"max_conns": 1})
    leases = [world.take(), world.take()]
    picky, plain = world.wait(Wanted(tried={world[0]: 0})), world.wait()
    leases[0].release(Outcome.GOOD)
    assert (picky.lease, plain.lease is not None) == (None, True)
    leases[1].release(Outcome.GOOD)
    assert picky.lease is not None


def test_a_full_listen_queue_narrows_what_a_backend_gets() -> None:
    world = World({})
    running = [world.take() for _ in range(3)]
    world.take().release(Outcome.BUSY)
    assert world.pick() is None
    waiter = world.wait()
    running[0].release(Outcome.GOOD)
    assert waiter.lease is not None
    assert world[0].health.state(world.clock()) is State.UP
    assert world[0].failures == 0


def test_who_waits_for_a_full_listen_queue_gets_a_trial_in_time() -> None:
    world = World({})
    world.take().release(Outcome.BUSY)
    waiter = world.wait()
    world.clock.advance(0.06)
    assert waiter.lease is not None


@pytest.mark.parametrize("has_body", [False, True])
def test_a_long_line_costs_a_lease_no_more_than_a_short_one(has_body: bool) -> None:
    world = World({"max_conns": 1}, settings=UpstreamSettings())
    lease = world.take()
    waiters = [world.wait(Wanted(has_body=has_body)) for _ in range(500)]
    asked = 0
    choose = world.pool._choose

    def count(wanted: Wanted, now: float, panic: bool) -> Backend | None:
        nonlocal asked
        asked += 1
        return choose(wanted, now, panic)

    world.pool._choose = count  # type: ignore[method-assign]
    lease.release(Outcome.GOOD)
    assert asked <= 1
    assert [bool(one.lease) for one in waiters] == [True] + 499 * [False]


class Looks:
    """Calls of a timer's callbacks, counted."""

    def __init__(self, world: World) -> None:
        self.count = 0
        self._call_later = world.clock.call_later
        world.pool._timing.call_later = self.call_later

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.count += 1
        self._call_later(delay_s, callback)


def test_who_waits_for_a_lease_to_end_is_not_looked_at_all_the_time() -> None:
    world = World({"max_conns": 1, "max_fails": 3}, {"max_conns": 2})
    world.take().release(Outcome.BAD)
    world.take(Wanted(tried={world[0]: 0})).release(Outcome.BUSY)
    while world.pick():
        world.clock.advance(0.1)
    looks = Looks(world)
    world.wait()
    world.clock.advance(1.0)
    assert looks.count <= 1.0 / LOOK_S + 2


def test_a_rush_leaves_no_trouble_behind() -> None:
    world = World({})
    running = world.take()
    world.take().release(Outcome.BUSY)
    running.release(Outcome.GOOD)
    for _ in range(3):
        world.clock.advance(1.0)
        world.pool.tick()
    assert not world[0].troubled


def test_what_one_can_no_longer_wait_for_is_said() -> None:
    world = World({"max_conns": 1})
    lease = world.take()
    waiter = world.wait()
    world.pool.drain(world[0])
    assert waiter.hopeless
    lease.release(Outcome.GOOD)


def test_a_pool_that_is_emptied_may_be_filled_again() -> None:
    world = World({"max_conns": 1}, settings=UpstreamSettings())
    lease = world.take()
    waiters = [world.wait() for _ in range(3)]
    world.pool.drain(world[0])
    lease.release(Outcome.GOOD)
    world.clock.advance(5.0)
    assert not any(waiter.answered for waiter in waiters)
    world.pool.add(BackendSettings(address(7)), address(7))
    assert all(waiter.lease for waiter in waiters)


def test_a_pool_that_stays_empty_is_nothing_to_wait_for() -> None:
    world = World({"max_conns": 1}, settings=UpstreamSettings())
    world.take()
    waiter = world.wait()
    world.pool.remove(world[0])
    world.clock.advance(10.5)
    assert waiter.hopeless
    assert world.pool.outlook(Wanted()) is Outlook.NOTHING


def test_more_room_serves_at_once() -> None:
    world = World({"max_conns": 1})
    world.take()
    waiters = [world.wait() for _ in range(4)]
    world.pool.set_max_conns(world[0], 3)
    assert [bool(waiter.lease) for waiter in waiters] == [True, True, False, False]
    world.pool.add(BackendSettings(address(7)), address(7))
    assert all(waiter.lease for waiter in waiters)


def test_what_a_backend_says_of_itself_is_its_limit() -> None:
    world = World({}, {"max_conns": 1})
    for backend in world.pool.backends:
        world.pool.learn(backend, 2)
    while world.pick():
        pass
    assert [backend.in_flight for backend in world.pool.backends] == [2, 1]
    waiter = world.wait()
    world.pool.learn(world[0], 0)
    assert waiter.lease is not None


# -- checks, outliers, slow start -----------------------------------------------------------------


def test_checks_take_out_and_bring_back(caplog: pytest.LogCaptureFixture) -> None:
    world = World({}, {})
    with caplog.at_level("INFO", "proxy.upstream"):
        world.pool.checked(world[0], up=False)
        assert world.names(2) == "11"
        world.clock.advance(3.0)
        world.pool.checked(world[0], up=True)
    assert Counter(world.names(4)) == {"0": 2, "1": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "backend unix:/0 is down, after 0.0 s up",
        "backend unix:/0 is up, after 3.0 s down",
    ]
    assert not world[0].troubled


def test_outliers_are_ejected_and_come_back() -> None:
    rules = HealthSettings(outlier_failures=3, ejection_base_s=30.0)
    world = World({}, {}, settings=replace(NGINX, health=rules))
    for _ in range(3):
        lease = world.take(Wanted(tried={world[1]: 0}))
        lease.release(Outcome.GOOD, 503)
    assert world[0].health.state(world.clock()) is State.EJECTED
    assert world.names(3) == "111"
    world.clock.advance(30.5)
    world.pool.tick()
    assert Counter(world.names(4)) == {"0": 2, "1": 2}


def test_slow_start_grows_share_and_cap() -> None:
    world = World({"slow_start_s": 10.0, "max_conns": 10}, {"max_conns": 10})
    world.names(2)
    world.pool.checked(world[0], up=False)
    world.pool.checked(world[0], up=True)
    assert world[0].cap == 1
    assert world.names(20).count("0") < 5
    world.clock.advance(5.0)
    world.pool.tick()
    assert world[0].cap == 5
    world.clock.advance(5.0)
    world.pool.tick()
    assert (world[0].cap, world[0].troubled) == (10, False)


def test_trouble_is_told_of() -> None:
    world = World({}, {})
    seen: list[Backend] = []
    world.pool.on_trouble = seen.append
    world.take().release(Outcome.GOOD)
    world.take().release(Outcome.BAD)
    assert seen == [world[1]]


# -- anything in any order ------------------------------------------------------------------------

OUTCOMES = st.sampled_from(list(Outcome))


class AnyOrder(RuleBasedStateMachine):
    """Requests that come, wait, run and end in any way, while backends fail and change."""

    def __init__(self) -> None:
        super().__init__()
        queue = QueueSettings(max_waiting=8)
        health = HealthSettings(outlier_failures=4)
        settings = UpstreamSettings(queue=queue, health=health)
        self.world = World(
            {"max_conns": 2}, {"max_conns": 1, "slow_start_s": 5.0}, {}, settings=settings
        )
        self.pool = self.world.pool
        self.leases: list[Lease] = []
        self.waiters: list[Waiter] = []

    def collect(self) -> None:
        """Take what those who waited have been given, as their coroutines would."""
        self.world.clock.settle()
        for waiter in [one for one in self.waiters if one.answered]:
            self.waiters.remove(waiter)
            if waiter.lease is not None:
                self.leases.append(waiter.lease)

    @rule(tried=st.sets(st.integers(0, 2)), has_body=st.booleans(), priority=st.integers(-1, 1))
    def come(self, tried: set[int], has_body: bool, priority: int) -> None:
        present = self.pool.backends
        wanted = Wanted(has_body=has_body, tried={present[n]: 0 for n in tried if n < len(present)})
        lease = self.world.pick(wanted)
        if lease is not None:
            self.leases.append(lease)
        elif self.pool.outlook(wanted) is not Outlook.NOTHING:
            waiter = Waiter(priority, wanted, lambda: None)
            if self.pool.wait(waiter):
                self.waiters.append(waiter)
        self.collect()

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 100), outcome=OUTCOMES, status=st.sampled_from([200, 503]))
    def end(self, index: int, outcome: Outcome, status: int) -> None:
        self.leases.pop(index % len(self.leases)).release(outcome, status)
        self.collect()

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 100))
    def leave(self, index: int) -> None:
        self.pool.leave(self.waiters.pop(index % len(self.waiters)))
        self.collect()

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 11.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.pool.tick()
        self.collect()

    @precondition(lambda self: self.pool.backends)
    @rule(index=st.integers(0, 100), up=st.booleans())
    def check(self, index: int, up: bool) -> None:
        self.pool.checked(self.pool.backends[index % len(self.pool.backends)], up)
        self.collect()

    @precondition(lambda self: self.pool.backends)
    @rule(
        index=st.integers(0, 100),
        what=st.sampled_from(["drain", "enable", "remove", "weight", "conns", "learn"]),
        value=st.integers(1, 4),
    )
    def control(self, index: int, what: str, value: int) -> None:
        backend = self.pool.backends[index % len(self.pool.backends)]
        match what:
            case "drain":
                self.pool.drain(backend)
            case "enable":
                self.pool.enable(backend)
            case "remove":
                self.pool.remove(backend)
            case "weight":
                self.pool.set_weight(backend, value)
            case "conns":
                self.pool.set_max_conns(backend, value - 1)
            case "learn":
                self.pool.learn(backend, value)
        self.collect()

    @precondition(lambda self: len(self.pool.backends) < 4)
    @rule(number=st.integers(10, 20), max_conns=st.integers(0, 2))
    def add(self, number: int, max_conns: int) -> None:
        where = address(number)
        self.pool.add(BackendSettings(where, max_conns=max_conns), where)
        self.collect()

    @invariant()
    def every_lease_is_counted_once(self) -> None:
        held = Counter(lease.backend for lease in self.leases)
        for backend in self.pool.backends:
            assert backend.in_flight == held.pop(backend, 0)
        assert not held, "a backend has gone that still had requests"

    @invariant()
    def the_line_is_who_waits(self) -> None:
        assert list(self.pool.line) == sorted(self.waiters)
        assert len(self.pool.line) <= 8

    @invariant()
    def nobody_waits_while_a_slot_is_free(self) -> None:
        for waiter in self.pool.line:
            lease = self.pool._pick(waiter.wanted, self.world.clock())
            assert lease is None, f"{lease} could serve {waiter}"

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        for waiter in self.pool.line:
            assert self.pool.outlook(waiter.wanted) is not Outlook.NOTHING


class Caps(AnyOrder):
    """The same, looking at limits; where they are lowered, those that run may go on."""

    @rule(tried=st.sets(st.integers(0, 2), max_size=1))
    def come_twice(self, tried: set[int]) -> None:
        for _ in range(2):
            before = {backend: backend.in_flight for backend in self.pool.backends}
            self.come(tried, False, 0)
            for backend, in_flight in before.items():
                if backend.in_flight > in_flight and backend.cap:
                    assert backend.in_flight <= backend.cap


STEPS = hypothesis_settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = STEPS
TestCaps = Caps.TestCase
TestCaps.settings = STEPS


def test_all_wait_equally_long() -> None:
    """Fairness: a closed loop of many clients over few slots serves each in turn."""
    world = World({"max_conns": 2}, settings=UpstreamSettings())
    served: Counter[int] = Counter()
    running: list[tuple[int, Lease]] = []
    waiting: list[tuple[int, Waiter]] = []
    for client in range(50):
        lease = world.pick()
        if lease is not None:
            running.append((client, lease))
        else:
            waiting.append((client, world.wait()))
    for _ in range(1000):
        client, lease = running.pop(0)
        served[client] += 1
        lease.release(Outcome.GOOD)
        waiting.append((client, world.wait()))
        for one, waiter in list(waiting):
            if waiter.lease is not None:
                running.append((one, waiter.lease))
                waiting.remove((one, waiter))
    assert set(served.values()) == {1000 // 50}
