"""All checks of a pool: when they are made, what they tell, and what they leave alone."""

import logging
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from proxy import errors
from proxy.settings import Address, BackendSettings, CheckSettings, CheckSpec
from proxy.testing.fake_clock import LATE_S, FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryChannel, MemoryNetwork
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Wake
from proxy.upstream.checks.agent import StatsCheck
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.http import HttpCheck
from proxy.upstream.checks.ping import PingCheck
from proxy.upstream.checks.runner import LOOK_S, CheckMeans, Checks, Tally, make_check
from proxy.upstream.checks.verdict import Verdict
from tests.upstream.checks.bench import STATS, make_backend
from tests.upstream.checks.stats_text import text, worker

CONNECT, PING, HTTP, STATS_CHECK = (
    CheckSpec("connect"),
    CheckSpec("ping"),
    CheckSpec("http", "/healthz"),
    CheckSpec("stats"),
)
PONG = b"\x64\x00\x00\x01"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class RecordingPool:
    """What the checks tell, with the time."""

    def __init__(self, clock: FakeClock, backends: tuple[Backend, ...]) -> None:
        self.backends = backends
        self.told: list[tuple[float, str, bool]] = []
        self._clock = clock

    def checked(self, backend: Backend, up: bool) -> None:
        self.told.append((round(self._clock() - 1000.0, 1), backend.name, up))

    def learn(self, backend: Backend, conns: int) -> None:
        backend.learned_conns = conns

    @property
    def verdicts(self) -> list[bool]:
        return [up for _, _, up in self.told]


class Watching(MemoryNetwork):
    """Remembers when it was asked for what."""

    def __init__(self, clock: FakeClock, backends: list[MemoryBackend]) -> None:
        super().__init__(clock, backends)
        self.tries: dict[Address, list[float]] = {memory.address: [] for memory in backends}
        self.now = clock

    def open(self, address: Address, wake: Wake) -> MemoryChannel:
        self.tries[address].append(self.now() - 1000.0)
        return super().open(address, wake)


class Rig:
    """A pool of `size` backends in memory, and its checks; jitter is off unless asked for."""

    def __init__(
        self,
        *specs: CheckSpec,
        size: int = 1,
        stats: Address | None = None,
        modifiers: tuple[int, int] = (0, 0),
        **knobs: object,
    ) -> None:
        self.clock = FakeClock()
        self.memories = [MemoryBackend(Address(path=f"/run/{n}.sock")) for n in range(size)]
        self.stats = MemoryBackend(STATS)
        self.network = Watching(self.clock, [*self.memories, self.stats])
        backends = tuple(
            make_backend(BackendSettings(memory.address, stats=stats), memory.address)
            for memory in self.memories
        )
        self.pool = RecordingPool(self.clock, backends)
        knobs = {"jitter_percent": 0, **knobs}
        settings = CheckSettings(specs, **knobs)  # type: ignore[arg-type]
        means = CheckMeans(
            self.network,
            self.clock.deadlines,
            self.clock,
            self._call_later,
            random.Random(7),
            modifiers,
        )
        self.checks = Checks(settings, self.pool, means)
        self.timers = 0
        self.turns: list[int] = []
        """How many connections each timer has begun."""

    def _call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        def ring() -> None:
            self.timers -= 1
            before = self.memory.tries
            callback()
            self.turns.append(self.memory.tries - before)

        self.timers += 1
        self.clock.call_later(delay_s, ring)

    def started(self) -> "Rig":
        self.checks.start()
        self.clock.advance(0.0)
        return self

    def live(self, seconds: float, respond: Callable[[bytes], bytes]) -> None:
        """Let time pass while every request is answered: respond() gets the bytes of one."""
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)
            for channel in [c for memory in self.memories for c in memory.channels if not c.closed]:
                channel.end(respond(bytes(channel.sent)))

    @property
    def backend(self) -> Backend:
        return self.pool.backends[0]

    @property
    def memory(self) -> MemoryBackend:
        return self.memories[0]

    def times(self, number: int = 0) -> list[float]:
        return [round(when, 1) for when in self.network.tries[self.memories[number].address]]


# -- intervals ------------------------------------------------------------------------------------


def test_a_backend_that_stays_up_is_checked_at_its_interval_and_nothing_is_told() -> None:
    rig = Rig(CONNECT).started()
    rig.clock.advance(31.0)
    assert rig.times()[0] == 0.0
    gaps = [later - earlier for earlier, later in pairwise(rig.network.tries[rig.memory.address])]
    assert 0.0 < gaps[0] <= 5.0, "the second is anywhere in the interval"
    assert gaps[1:] == pytest.approx([5.0] * (len(gaps) - 1))
    assert len(gaps) >= 6
    assert not rig.pool.told


def test_fall_and_rise() -> None:
    rig = Rig(CONNECT, rise=2, fall=3).started()
    rig.clock.advance(6.0)
    rig.memory.outcome = errors.CONNECT_REFUSED
    before = rig.times()
    first = before[-1] + 5.0
    rig.clock.advance(20.0)
    # Fast while it is changing, then as for one that is down.
    down_at = first + 2.0
    assert rig.times()[len(before) : len(before) + 5] == pytest.approx(
        [first, first + 1.0, down_at, down_at + 2.0, down_at + 4.0]
    )
    assert rig.pool.told == [(round(down_at, 1), "unix:/run/0.sock", False)]
    rig.memory.outcome = "accept"
    seen = len(rig.times())
    rig.clock.advance(5.0)
    assert rig.pool.verdicts == [False, True]
    first_good, second_good = rig.times()[seen : seen + 2]
    assert rig.pool.told[1][0] == second_good == pytest.approx(first_good + 1.0)


def test_intervals_vary_by_the_jitter() -> None:
    rig = Rig(CONNECT, jitter_percent=20).started()
    rig.clock.advance(200.0)
    times = rig.network.tries[rig.memory.address][1:]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(4.0 - 1e-6 <= gap <= 6.0 + 1e-6 for gap in gaps)
    assert max(gaps) - min(gaps) > 1.0


def test_starts_are_spread_and_stay_so() -> None:
    rig = Rig(CONNECT, size=20, jitter_percent=10).started()
    rig.clock.advance(30.0)
    starts = sorted(rig.network.tries[memory.address][0] for memory in rig.memories)
    assert starts == pytest.approx([number / 20 for number in range(20)], abs=0.01)
    every = [when for memory in rig.memories for when in rig.network.tries[memory.address]]
    busiest = max(sum(10 + s <= when < 11 + s for when in every) for s in range(15))
    assert busiest <= 9, "of 20 in 5 seconds; in step, it would be all of them"


# -- verdicts -------------------------------------------------------------------------------------


def test_the_first_check_decides_over_an_assumption() -> None:
    rig = Rig(CONNECT)
    rig.memory.outcome = errors.CONNECT_REFUSED
    rig.started()
    assert rig.pool.told == [(0.0, "unix:/run/0.sock", False)]


def test_down_until_the_first_good_check() -> None:
    rig = Rig(CONNECT, initial="down")
    rig.memory.outcome = errors.SOCKET_MISSING
    rig.started()
    assert rig.pool.told == [(0.0, "unix:/run/0.sock", False)]
    rig.clock.advance(10.0)
    assert rig.pool.verdicts == [False]
    rig.memory.outcome = "accept"
    tries = rig.memory.tries
    rig.clock.advance(1.01)
    assert rig.memory.tries == tries + 1
    assert rig.pool.verdicts == [False, True], "one good check is enough"
    rig.memory.outcome = errors.SOCKET_MISSING
    rig.clock.advance(10.0)
    rig.memory.outcome = "accept"
    rig.clock.advance(20.0)
    assert rig.pool.verdicts == [False, True, False, True]


def test_who_is_not_checked_does_not_wait_for_a_check() -> None:
    rig = Rig(STATS_CHECK, initial="down").started()
    rig.clock.advance(5.0)
    assert not rig.pool.told
    assert not rig.checks.results(rig.backend)


def test_one_failing_check_is_enough_whatever_the_others_say() -> None:
    rig = Rig(CONNECT, PING, HTTP, fall=3)
    rig.started()
    rig.live(6.0, lambda sent: PONG if sent[0] == 100 else OK)
    assert not rig.pool.told
    rig.live(10.0, lambda sent: PONG if sent[0] == 100 else FAILED)
    assert rig.pool.verdicts == [False]
    words = [(r.check, r.finding.verdict) for r in rig.checks.results(rig.backend)]
    assert words == [
        ("connect", Verdict.GOOD),
        ("ping", Verdict.GOOD),
        ("http /healthz", Verdict.BAD),
    ]


def test_a_round_with_several_good_checks_counts_once() -> None:
    rig = Rig(CONNECT, PING, rise=3, fall=1)
    rig.memory.outcome = errors.CONNECT_REFUSED
    rig.started()
    rig.clock.advance(0.01)
    rig.memory.outcome = "accept"
    refused = rig.memory.tries
    rig.live(20.0, lambda sent: PONG)
    (_, _, down), (up_at, _, up) = rig.pool.told
    assert (down, up) == (False, True)
    good = [when for when in rig.times()[refused:] if when <= up_at]
    assert len(good) == 6, "three rounds of two checks"


def test_busy_is_neither_good_nor_bad() -> None:
    rig = Rig(CONNECT, fall=1).started()
    rig.clock.advance(6.0)
    rig.memory.outcome = "busy"
    rig.clock.advance(20.0)
    assert not rig.pool.told
    assert rig.checks.results(rig.backend)[0].finding.verdict is Verdict.BUSY
    rig.memory.outcome = errors.CONNECT_REFUSED
    rig.clock.advance(6.0)
    rig.memory.outcome = "busy"
    rig.clock.advance(20.0)
    assert rig.pool.verdicts == [False]


def test_why_a_backend_is_taken_down_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(CONNECT)
    rig.memory.outcome = errors.CONNECT_REFUSED
    with caplog.at_level(logging.INFO, "proxy.upstream"):
        rig.started()
    assert [record.getMessage() for record in caplog.records] == [
        "checks take unix:/run/0.sock down: "
        "connect: bad, connect_refused, 0.000 s (unix:/run/0.sock)"
    ]


# -- bounds ---------------------------------------------------------------------------------------


def test_no_more_than_max_running_at_a_time() -> None:
    rig = Rig(PING, size=10, max_running=3, timeout_s=2.0).started()
    most = 0
    for _ in range(200):
        rig.clock.advance(0.1)
        open_ones = sum(not c.closed for memory in rig.memories for c in memory.channels)
        assert rig.checks.running == open_ones
        most = max(most, open_ones)
    assert most == 3
    assert min(memory.tries for memory in rig.memories) >= 2, "everybody has a turn"


def test_a_check_that_runs_is_not_doubled() -> None:
    rig = Rig(PING, HTTP, timeout_s=60.0, interval_s=1.0, fast_interval_s=1.0).started()
    rig.clock.advance(50.0)
    rig.checks.hasten(rig.backend)
    rig.clock.advance(5.0)
    assert rig.memory.tries == 2


def test_a_turn_of_the_loop_starts_no_more_than_max_running() -> None:
    """Checks that end at once hold no slot, so slots alone would not bound them."""
    rig = Rig(*[CONNECT] * 10, max_running=4).started()
    rig.clock.advance(0.01)
    assert rig.turns == [4, 4, 2]


def test_timers_do_not_pile_up() -> None:
    rig = Rig(CONNECT, size=3, interval_s=30.0).started()
    rig.clock.advance(31.0)
    for _ in range(50):
        rig.clock.advance(LOOK_S / 2)
        for backend in rig.pool.backends:
            rig.checks.hasten(backend)
    assert rig.timers < 10
    rig.clock.advance(2 * LOOK_S)
    assert rig.timers == 1


def test_no_lease_is_taken() -> None:
    rig = Rig(PING, HTTP).started()
    assert rig.checks.running == 2
    assert rig.backend.in_flight == rig.backend.attempts == 0


def test_without_checks_nothing_happens() -> None:
    rig = Rig().started()
    rig.checks.hasten(rig.backend)
    assert not rig.timers
    assert rig.checks.results(rig.backend) == ()


# -- haste ----------------------------------------------------------------------------------------


def test_a_failed_request_brings_the_check_forward() -> None:
    rig = Rig(CONNECT, interval_s=30.0).started()
    rig.clock.advance(31.0)
    tries = rig.memory.tries
    rig.clock.advance(2.0)
    assert rig.memory.tries == tries
    rig.memory.outcome = errors.CONNECT_REFUSED
    rig.checks.hasten(rig.backend)
    assert rig.memory.tries == tries, "not while the caller waits"
    rig.clock.advance(0.01)
    assert rig.memory.tries == tries + 1
    rig.clock.advance(2.01)
    assert rig.pool.verdicts == [False], "and fast from then on"


def test_many_failed_requests_bring_no_more_than_a_check_each_fast_interval() -> None:
    rig = Rig(CONNECT, interval_s=30.0).started()
    rig.clock.advance(31.0)
    tries = rig.memory.tries
    for _ in range(100):
        rig.checks.hasten(rig.backend)
        rig.clock.advance(0.1)
    assert 9 <= rig.memory.tries - tries <= 11


# -- membership -----------------------------------------------------------------------------------


def test_backends_come_and_go() -> None:
    rig = Rig(CONNECT, size=3, initial="down")
    everybody = rig.pool.backends
    rig.pool.backends = everybody[:1]
    rig.started()
    rig.clock.advance(1.0)
    assert [len(rig.times(n)) > 0 for n in range(3)] == [True, False, False]
    rig.pool.backends = everybody
    rig.clock.advance(LOOK_S + 0.01)
    assert [name for _, name, up in rig.pool.told if not up] == [b.name for b in everybody]
    rig.clock.advance(1.0)
    assert all(rig.times(n) for n in range(3))
    rig.pool.backends = everybody[1:]
    rig.clock.advance(LOOK_S + 0.01)
    seen = len(rig.times(0))
    rig.clock.advance(20.0)
    assert len(rig.times(0)) == seen
    assert len(rig.times(1)) > 3
    assert not rig.checks.results(everybody[0])
    assert rig.checks.tally(everybody[0]) == Tally()
    assert rig.checks.facts(everybody[0]) is None


def test_a_pool_may_be_empty_at_first() -> None:
    rig = Rig(CONNECT)
    everybody, rig.pool.backends = rig.pool.backends, ()
    rig.started()
    rig.clock.advance(100.0)
    rig.pool.backends = everybody
    rig.clock.advance(LOOK_S + 0.01)
    assert rig.memory.tries == 1


def test_what_is_found_out_of_one_that_has_gone_is_not_told() -> None:
    rig = Rig(PING, fall=1).started()
    rig.pool.backends = ()
    rig.clock.advance(LOOK_S + 0.01)
    assert rig.checks.running == 1
    rig.memory.channel.end(b"garbage")
    assert rig.checks.running == 0
    rig.clock.advance(10.0)
    assert not rig.pool.told
    assert rig.memory.tries == 1


@pytest.mark.parametrize("flag", ["down", "leaving"])
def test_who_gets_no_requests_is_not_checked(flag: str) -> None:
    rig = Rig(CONNECT)
    setattr(rig.backend, flag, True)
    rig.started()
    rig.clock.advance(10.0)
    assert not rig.memory.tries
    setattr(rig.backend, flag, False)
    rig.clock.advance(1.01)
    assert len(rig.times()) == 1


def test_who_drains_is_checked() -> None:
    rig = Rig(CONNECT)
    rig.backend.draining = True
    rig.started()
    assert rig.memory.tries == 1


# -- what is known --------------------------------------------------------------------------------


def test_results_facts_and_capacity() -> None:
    rig = Rig(STATS_CHECK, PING, stats=STATS).started()
    rig.clock.advance(0.5)
    rig.stats.channel.end(text(worker(1), worker(2)))
    rig.memory.channel.end(b"\x64\x04\x00\x01soon")
    assert rig.backend.learned_conns == 4
    facts = rig.checks.facts(rig.backend)
    assert facts is not None
    assert facts.worker_pids == (1001, 1002)
    agent, ping = rig.checks.results(rig.backend)
    assert (agent.check, agent.finding.verdict) == ("stats", Verdict.GOOD)
    assert (ping.check, ping.finding.warning) == ("ping", "soon")
    assert ping.at == 1000.5
    assert ping.duration_s == 0.5
    assert rig.checks.tally(rig.backend) == Tally(checks=2)


def test_an_instance_that_sleeps_teaches_nothing() -> None:
    rig = Rig(STATS_CHECK, stats=STATS).started()
    rig.backend.learned_conns = 4
    rig.stats.channel.end(text(worker(1, {"status": "cheap", "pid": 0})))
    assert rig.backend.learned_conns == 4


def test_the_tally() -> None:
    rig = Rig(CONNECT, fall=2, interval_s=1.0, down_interval_s=1.0).started()
    rig.clock.advance(1.5)
    rig.memory.outcome = errors.CONNECT_REFUSED
    good = rig.checks.tally(rig.backend).checks
    rig.clock.advance(5.0)
    tally = rig.checks.tally(rig.backend)
    assert tally.fails == tally.checks - good >= 4
    assert tally.downs == 1
    assert tally.passes == good
    for verdict in Verdict:
        tally.count(verdict)
    assert (tally.passes, tally.busy, tally.unknown) == (good + 1, 1, 1)


def test_make_check() -> None:
    made = [make_check(spec) for spec in (CONNECT, PING, HTTP, STATS_CHECK)]
    assert [type(check) for check in made] == [ConnectCheck, PingCheck, HttpCheck, StatsCheck]


def test_the_traffic_s_modifiers_are_used() -> None:
    rig = Rig(HTTP, modifiers=(5, 7)).started()
    assert (rig.memory.channel.sent[0], rig.memory.channel.sent[3]) == (5, 7)


# -- the end --------------------------------------------------------------------------------------


def test_stop_calls_off_what_runs(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(PING, size=3).started()
    rig.clock.advance(1.0)
    assert rig.checks.running == 3
    rig.checks.stop()
    assert not rig.checks.results(rig.backend)
    assert not caplog.records
    assert rig.checks.running == 0
    assert all(channel.closed for memory in rig.memories for channel in memory.channels)
    assert not len(rig.clock.deadlines)
    rig.checks.stop()
    rig.checks.hasten(rig.backend)
    rig.clock.advance(30.0)
    assert [memory.tries for memory in rig.memories] == [1, 1, 1]
    assert not rig.pool.told
    assert not rig.timers


def test_a_bug_is_logged_and_does_not_end_the_checks(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(CONNECT, size=2)
    del rig.network.backends[rig.memory.address]  # a KeyError when it is asked for
    with caplog.at_level(logging.ERROR, "proxy.upstream"):
        rig.started()
        rig.clock.advance(3.0)
    assert len(rig.times(0)) >= 3
    assert len(rig.times(1)) >= 1
    assert {record.getMessage() for record in caplog.records} == {
        "internal_error: a check ended in a bug"
    }
    assert rig.checks.results(rig.backend)[0].finding.verdict is Verdict.UNKNOWN
    assert not rig.pool.told


def test_a_check_ends_at_its_deadline() -> None:
    rig = Rig(PING, interval_s=20.0).started()
    rig.memory.channel.end(PONG)
    rig.clock.advance(20.0)
    assert rig.memory.tries == 2
    rig.clock.advance(2.0 + LATE_S)
    assert rig.memory.channel.closed
    assert rig.checks.running == 0
    assert rig.checks.results(rig.backend)[0].finding.verdict is Verdict.BUSY
