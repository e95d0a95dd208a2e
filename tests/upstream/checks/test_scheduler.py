"""When is which backend due: by examples, and for any course of events."""

import heapq
import random
from itertools import count
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.upstream.backend import Backend
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.ping import PingCheck
from proxy.upstream.checks.scheduler import MIN_GAP_S, Job, Scheduler
from tests.upstream.checks.bench import make_backend

CONNECT, PING = ConnectCheck(), PingCheck()
BOTH = (CONNECT, PING)


def take_all(scheduler: Scheduler, now: float) -> list[Job]:
    jobs = []
    while (job := scheduler.next_job(now)) is not None:
        jobs.append(job)
    return jobs


def test_a_round_is_all_checks_of_a_backend() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, BOTH, 10.0)
    assert scheduler.next_due() == 10.0
    assert scheduler.next_job(9.9) is None
    first, second = take_all(scheduler, 10.0)
    assert (first.check, second.check) == BOTH
    assert first.backend is second.backend is backend
    assert scheduler.next_due() is None
    assert not scheduler.end(second)
    assert scheduler.end(first)
    scheduler.plan(backend, 5.0, 11.0)
    assert scheduler.next_due() == 15.0


def test_a_round_that_took_longer_is_followed_at_once() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, (PING,), 0.0)
    (job,) = take_all(scheduler, 0.0)
    scheduler.end(job)
    scheduler.plan(backend, 1.0, 2.5)
    assert scheduler.next_due() == 2.5


def test_there_is_always_a_gap() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, (PING,), 0.0)
    (job,) = take_all(scheduler, 0.0)
    scheduler.end(job)
    scheduler.plan(backend, 0.0, 0.0)
    assert scheduler.next_due() == MIN_GAP_S


def test_no_more_than_the_slots_and_in_order_of_becoming_due() -> None:
    scheduler, backends = Scheduler(2), [make_backend() for _ in range(3)]
    for number, backend in enumerate(backends):
        scheduler.add(backend, BOTH, 3.0 - number)
    first = take_all(scheduler, 5.0)
    assert [job.backend for job in first] == [backends[2], backends[2]]
    scheduler.end(first[0])
    (third,) = take_all(scheduler, 5.0)
    assert third.backend is backends[1]
    assert scheduler.next_due() is None


def test_at_least_one_slot() -> None:
    scheduler = Scheduler(0)
    scheduler.add(make_backend(), BOTH, 0.0)
    assert len(take_all(scheduler, 0.0)) == 1


def test_who_has_gone_is_not_checked_and_gives_its_slots_back() -> None:
    scheduler, gone, other = Scheduler(1), make_backend(), make_backend()
    scheduler.add(gone, BOTH, 0.0)
    scheduler.add(other, (PING,), 0.0)
    (job,) = take_all(scheduler, 0.0)
    scheduler.remove(gone)
    assert not scheduler.end(job)
    (next_job,) = take_all(scheduler, 0.0)
    assert next_job.backend is other
    scheduler.remove(other)
    assert scheduler.next_due() is None


def test_who_has_gone_and_come_back_is_another() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, (PING,), 0.0)
    (old,) = take_all(scheduler, 0.0)
    scheduler.remove(backend)
    scheduler.add(backend, (PING,), 0.0)
    (new,) = take_all(scheduler, 0.0)
    assert not scheduler.end(old)
    assert scheduler.end(new)


def test_haste_brings_the_next_round_forward() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.hasten(backend, 1.0, 0.0)  # not known: nothing happens
    scheduler.add(backend, (PING,), 4.0)
    scheduler.hasten(backend, 1.0, 2.0)
    assert scheduler.next_due() == 2.0
    (job,) = take_all(scheduler, 2.0)
    scheduler.end(job)
    scheduler.plan(backend, 5.0, 2.0)
    assert scheduler.next_due() == 7.0
    scheduler.hasten(backend, 1.0, 2.3)
    assert scheduler.next_due() == 3.0, "no more than one in each fast interval"
    scheduler.hasten(backend, 1.0, 2.6)
    assert scheduler.next_due() == 3.0
    assert len(take_all(scheduler, 3.0)) == 1


def test_haste_never_delays() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, (PING,), 1.0)
    scheduler.hasten(backend, 1.0, 1.5)
    assert scheduler.next_due() == 1.0


def test_haste_in_the_middle_of_a_round_counts_for_the_next_one_only() -> None:
    scheduler, backend = Scheduler(8), make_backend()
    scheduler.add(backend, (PING,), 0.0)
    for began, expected in ((0.0, 1.0), (1.0, 6.0)):
        (job,) = take_all(scheduler, began)
        if not began:
            scheduler.hasten(backend, 1.0, began)
            assert not take_all(scheduler, began)
        scheduler.end(job)
        scheduler.plan(backend, 5.0, began)
        assert scheduler.next_due() == expected


# -- any course of events -------------------------------------------------------------------------

INTERVAL_S, FAST_S, JITTER, TIMEOUT_S = 5.0, 1.0, 0.1, 2.0
HORIZON_S = 60.0


class Simulation:
    """Backends that are checked for a minute, with checks of any length up to the timeout."""

    def __init__(self, slots: int, backends: int, checks: int, seed: int, churn: bool) -> None:
        self.chance = random.Random(seed)
        self.scheduler = Scheduler(slots)
        self.slots = slots
        self.checks = tuple(PingCheck() for _ in range(checks))
        self.running: set[tuple[Backend, PingCheck]] = set()
        self.ends: list[tuple[float, int, Job]] = []
        self.numbers = count()
        self.opened: dict[Backend, float] = {}
        self.longest_s = 0.0
        self.churn = churn
        self.now = 0.0
        for _ in range(backends):
            self.join()

    def join(self) -> None:
        backend = make_backend()
        self.opened[backend] = self.now
        self.scheduler.add(backend, self.checks, self.now + self.chance.uniform(0, FAST_S))

    def run(self) -> None:
        while self.now < HORIZON_S:
            if self.churn:
                self.disturb()
            for job in take_all(self.scheduler, self.now):
                self.begin(job)
            due = self.scheduler.next_due()
            assert due is None or due > self.now, "a runner would look again and again"
            times = [end for end, *_ in self.ends[:1]] + ([] if due is None else [due])
            assert times, "nothing would ever happen again"
            self.now = min(times)
            while self.ends and self.ends[0][0] <= self.now:
                self.end(heapq.heappop(self.ends)[2])

    def begin(self, job: Job) -> None:
        key = (job.backend, job.check)
        assert key not in self.running, "doubled"
        assert isinstance(job.check, PingCheck)
        self.running.add((job.backend, job.check))
        assert len(self.running) <= self.slots
        if job.check is self.checks[0]:
            waited = self.now - self.opened.get(job.backend, self.now)
            self.longest_s = max(self.longest_s, waited)
            self.opened[job.backend] = self.now
        length = self.chance.choice((0.0, self.chance.uniform(0, TIMEOUT_S), TIMEOUT_S))
        heapq.heappush(self.ends, (self.now + length, next(self.numbers), job))

    def end(self, job: Job) -> None:
        assert isinstance(job.check, PingCheck)
        self.running.remove((job.backend, job.check))
        if self.scheduler.end(job):
            interval = self.chance.choice((INTERVAL_S, FAST_S))
            jitter = 1 + self.chance.uniform(-JITTER, JITTER)
            self.scheduler.plan(job.backend, interval * jitter, self.now)

    def disturb(self) -> None:
        known = list(self.opened)
        if known and self.chance.random() < 0.3:
            self.scheduler.hasten(self.chance.choice(known), FAST_S, self.now)
        if len(known) > 1 and self.chance.random() < 0.05:
            gone = self.chance.choice(known)
            del self.opened[gone]
            self.scheduler.remove(gone)
            self.join()


@settings(deadline=None, max_examples=60)
@given(
    slots=st.integers(1, 6),
    backends=st.integers(1, 8),
    checks=st.integers(1, 3),
    seed=st.integers(0, 2**32),
    churn=st.booleans(),
)
def test_in_time_never_doubled_never_more_than_the_slots(
    slots: int, backends: int, checks: int, seed: int, churn: bool
) -> None:
    simulation = Simulation(slots, backends, checks, seed, churn)
    simulation.run()
    # Between two begins of a check lie an interval or the round before it, and the line for a slot:
    # at most everybody else's round, in as many turns as the slots allow.
    line_s = ceil(backends * checks / slots) * TIMEOUT_S
    allowed_s = max(INTERVAL_S * (1 + JITTER), line_s) + line_s
    if churn:
        allowed_s += 2 * line_s  # those who have gone keep their slots to the end of their checks
    assert simulation.longest_s <= allowed_s + 1e-6


@settings(deadline=None, max_examples=30)
@given(backends=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_with_slots_enough_nobody_waits_for_one(backends: int, seed: int) -> None:
    simulation = Simulation(backends, backends, 1, seed, False)
    simulation.run()
    assert simulation.longest_s <= INTERVAL_S * (1 + JITTER) + 1e-6
