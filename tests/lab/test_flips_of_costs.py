"""Verdicts about costs, of real runs whose costs are known: found, as large as they are, and not
found where they are not.

A stand of a real uWSGI has a topology's name and an application of known cost: it sleeps, which is
time and no CPU, or computes for a known CPU time. So the truth is known, and an interval has to
meet it. Costs are large against what a busy machine does to them. A machine may do worse, and an
interval misses now and then: so each is tried a few times (see `tries`).
"""

import select
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.lab import effort
from proxy.lab.effort import Effort
from proxy.lab.load.ask import Wanted
from proxy.lab.processes import Daemon
from proxy.lab.report.results import Report
from proxy.lab.report.statistics import Estimate
from proxy.lab.report.verdict import Verdict
from proxy.lab.report.verdicts import verdicts
from proxy.lab.runner import Asked, run
from proxy.lab.scenarios import Scenario
from proxy.lab.stand import topologies
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, start
from proxy.lab.stand.variants import Variant, base_of
from tests.lab.known import APP, set_cost
from tests.lab.needs import installed
from tests.lab.tries import try_often

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

DIRECT, PROXY = "uwsgi-direct", "proxy-uwsgi"
TCP, PERSISTENT, INSTANCES = "proxy-uwsgi-tcp", "proxy-persistent", "proxy-instances"
SIX = Effort(rounds=6, others=6, seconds=0.2)
"""The least for an interval."""
SLACK = 0.15
"""Of a known cost: how far the interval may be from it. Timers are late, and loads have ends."""
STANDS, WORKERS = 4, 8
NOTHING = (0, 0)
Cost = tuple[int, int]
"""Milliseconds of sleep, microseconds of CPU time."""


class Lent(Stand):
    """A stand that goes on when a run ends: others need it, too."""

    @property
    def daemons(self) -> list[Daemon]:
        """Nothing that the run would have to stop."""
        return []


@pytest.fixture(scope="module")
def lent() -> Iterator[list[Lent]]:
    """Real uWSGIs, to be given a name and a cost."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
        made = []
        for at in range(STANDS):
            own = place / str(at)
            own.mkdir()
            setup = Setup(own, APP, own, WORKERS, installed=installed())
            up = stack.enter_context(start(topologies.select([DIRECT])[0], setup))
            made.append(Lent(up.topology, up.setup, up.port, up.fronts, up.servers, up.config))
        yield made


def scenario(name: str, **change: Any) -> Scenario:
    """Return a scenario that asks the application of known cost, without an A/A comparison."""
    (found,) = [each for each in effort.scenarios([name], False) if each.name == name]
    plan = replace(found.plan, requests=(Wanted("/"),), arrivals="even")
    return replace(found, plan=plan, paired=False, **change)


def measured(lent: list[Lent], wishes: list[Scenario], costs: Mapping[str, Cost]) -> Report:
    """Measure stands of these costs under the names of topologies, and of variants."""
    running: dict[str, Stand] = {}
    for up, (name, cost) in zip(lent, costs.items(), strict=False):
        up.topology = replace(up.topology, name=name)
        set_cost(up.setup.directory, *cost)
        running[name] = up
    # Four clients, fewer than workers: what a machine can do else does not limit throughput.
    setup = replace(lent[0].setup, place=lent[0].setup.directory, processes=1)
    bases = topologies.select(list(dict.fromkeys(base_of(name)[0] for name in costs)))
    return checked(run(Asked(bases, wishes, SIX, standing=running), setup))


def checked(report: Report) -> Report:
    assert not any(each.reason for each in report.topologies)
    assert not any(each.reason for each in report.scenarios)
    assert not any(row.reason or row.failed for each in report.scenarios for row in each.rows)
    return report


def verdict(report: Report, key: str) -> Verdict:
    (found,) = [each for each in verdicts(report) if each.key == key]
    return found


def is_near(estimate: Estimate | None, truth: float) -> bool:
    """Whether the interval meets the truth, and is narrow enough to say something."""
    if estimate is None or not estimate.sure:
        return False
    near = sorted((truth * (1 - SLACK), truth * (1 + SLACK)))
    meets = estimate.low <= near[1] and estimate.high >= near[0]
    return meets and abs(estimate.value - truth) < 2 * SLACK * abs(truth)


@pytest.mark.parametrize("more", [(20, 2000), NOTHING])
def test_the_hop(more: Cost, lent: list[Lent]) -> None:
    """A front end that costs is found with what it costs, in latency and in CPU time."""
    sleep_ms, burn_us = more
    costs = {DIRECT: (5, 1000), PROXY: (5 + sleep_ms, 1000 + burn_us)}

    def test() -> None:
        report = measured(lent, [scenario("hop")], costs)
        found = verdict(report, "hop")
        if more == NOTHING:
            assert found.word == "unclear", found
            return
        assert found.word == "costs", found
        assert "latency rises at the median by this proxy" in found.answer
        assert "CPU time rises by this proxy" in found.answer
        late, cpu = (report.difference("hop", DIRECT, PROXY, of) for of in ("p50_us", "cpu_us"))
        assert is_near(late, sleep_ms * 1000 + burn_us), found
        assert is_near(cpu, burn_us), found

    try_often(test)


def test_throughput(lent: list[Lent]) -> None:
    """Who sleeps a quarter of the time serves four times as much."""

    def test() -> None:
        report = measured(lent, [scenario("saturation")], {DIRECT: (40, 0), PROXY: (10, 0)})
        found = verdict(report, "throughput")
        assert found.word == PROXY, found
        assert is_near(report.ratio("saturation", DIRECT, PROXY, "per_s"), 4.0), found

    try_often(test)


def test_latency(lent: list[Lent]) -> None:
    """Who sleeps a tenth of the time answers in a tenth of it, the slowest answers too."""
    wishes = [scenario("saturation", weight=2.0), scenario("rate-50", weight=2.0)]

    def test() -> None:
        report = measured(lent, wishes, {DIRECT: (150, 0), PROXY: (15, 0)})
        found = verdict(report, "latency")
        assert found.word == PROXY, found
        assert is_near(report.ratio("rate-50", DIRECT, PROXY, "p50_us"), 0.1), found

    try_often(test)


def test_equal_throughput_and_latency(lent: list[Lent]) -> None:
    wishes = [scenario("saturation"), scenario("rate-50")]

    def test() -> None:
        report = measured(lent, wishes, {DIRECT: (20, 0), PROXY: (20, 0)})
        answers = [verdict(report, key) for key in ("throughput", "latency")]
        assert [each.word for each in answers] == ["alike"] * 2, answers
        assert is_near(report.ratio("saturation", DIRECT, PROXY, "per_s"), 1.0), answers

    try_often(test)


def test_pairs_by_throughput(lent: list[Lent]) -> None:
    """TCP serves half, single-worker instances twice as much."""
    costs = {PROXY: (20, 0), TCP: (40, 0), INSTANCES: (10, 0)}

    def test() -> None:
        report = measured(lent, [scenario("saturation"), scenario("kept")], costs)
        answers = [verdict(report, key) for key in ("socket", "instances")]
        assert [each.word for each in answers] == ["less", "more"], answers
        assert is_near(report.ratio("saturation", PROXY, TCP, "per_s"), 0.5), answers
        assert is_near(report.ratio("saturation", PROXY, INSTANCES, "per_s"), 2.0), answers

    try_often(test)


def test_pairs_by_cpu_time(lent: list[Lent]) -> None:
    """Where nobody was measured at saturation, who needs less CPU time does better."""
    costs = {PROXY: (0, 2000), TCP: (0, 4000), INSTANCES: (0, 500), PERSISTENT: (0, 2000)}

    def test() -> None:
        report = measured(lent, [scenario("kept")], costs)
        answers = [verdict(report, key) for key in ("socket", "instances", "persistent")]
        assert [each.word for each in answers[:2]] == ["less", "more"], answers
        assert answers[2].word not in ("less", "more"), answers
        assert is_near(report.difference("kept", PROXY, TCP, "cpu_us"), 2000.0), answers
        assert is_near(report.difference("kept", PROXY, INSTANCES, "cpu_us"), -1500.0), answers

    try_often(test)


def same(setup: Setup) -> Setup:
    return setup


@pytest.mark.parametrize(
    ("sleep_ms", "words"),
    [(20, ["kernel"]), (5, ["tune"]), (10, ["alike", "unclear"])],
    ids=["worse", "better", "same"],
)
def test_socket_buffers(sleep_ms: int, words: list[str], lent: list[Lent]) -> None:
    """A size of buffers with which replies take longer, or less long."""
    wish = scenario("buffers-1m", variants=(Variant("16k", "16 KB buffers", same),))
    costs = {DIRECT: (10, 0), f"{DIRECT}+16k": (sleep_ms, 0)}

    def test() -> None:
        report = measured(lent, [wish], costs)
        found = verdict(report, "buffers")
        assert found.word in words, found
        ratio = report.ratio("buffers-1m", DIRECT, f"{DIRECT}+16k", "p50_us")
        assert is_near(ratio, sleep_ms / 10), found

    try_often(test)


@pytest.mark.parametrize("burn_us", [3000, 0])
def test_tls(burn_us: int, lent: list[Lent]) -> None:
    """Handshakes of a known price, which the workers pay."""
    variants = (Variant("plain", "plain HTTP", same), Variant("tls", "TLS", same))
    costs = {DIRECT: (0, 500), f"{DIRECT}+plain": (0, 500), f"{DIRECT}+tls": (0, 500 + burn_us)}

    def test() -> None:
        report = measured(lent, [scenario("tls-new", variants=variants)], costs)
        found = verdict(report, "tls")
        if not burn_us:
            assert found.word in ("alike", "unclear"), found
            return
        assert found.word == "costs", found
        assert "The workers themselves pay for it in: uWSGI alone" in found.answer
        added = report.difference("tls-new", f"{DIRECT}+plain", f"{DIRECT}+tls", "cpu_us")
        assert is_near(added, burn_us), found

    try_often(test)


@pytest.mark.parametrize("kept", [True, False])
def test_keep_alive(kept: bool, short_dir: Path) -> None:
    """Connections that take 20 ms to begin matter where they are kept, and only there."""
    wishes = [scenario("hop"), scenario("kept", keeps=kept)]
    setup = Setup(short_dir, installed=installed())
    chosen = topologies.select([PROXY])

    def test() -> None:
        with start(chosen[0], setup) as up, slow_door(up.port, 0.02) as port:
            up.port = port
            report = checked(run(Asked(chosen, wishes, SIX, standing={PROXY: up}), setup))
        found = verdict(report, "keep-alive")
        assert found.word == ("yes" if kept else "unclear"), found
        if kept:
            ((_, saved),) = found.numbers
            # Rounds of the two are not pairs, and a busy machine makes what is new yet dearer.
            assert 20_000 * (1 - SLACK) < int(saved.split()[0]) < 2 * 20_000, found

    try_often(test)


@contextmanager
def slow_door(port: int, delay_s: float) -> Iterator[int]:
    """Pass bytes on to a port, of one connection at a time; what comes on a new one waits first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_let_in, args=(listener, port, delay_s))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(30)


def _let_in(listener: socket.socket, port: int, delay_s: float) -> None:
    with suppress(OSError):  # the listener has been shut down
        while True:
            outer = listener.accept()[0]
            time.sleep(delay_s)
            with outer, socket.create_connection(("127.0.0.1", port)) as inner:
                _pass_on(outer, inner)


def _pass_on(outer: socket.socket, inner: socket.socket) -> None:
    with suppress(OSError):  # one of the two has gone
        while True:
            for source in select.select((outer, inner), (), (), 30)[0]:
                if not (data := source.recv(65536)):
                    return
                (inner if source is outer else outer).sendall(data)
