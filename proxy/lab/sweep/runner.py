"""How many workers? One topology with different numbers of them, under the same load.

All are up for the whole sweep and take turns in rounds, as in `runner`. What follows from the
numbers is pure (`findings`): the knee is the smallest number of workers that does 95 % of the best;
the scalability law says why it goes on or does not; and two workers for each core, the usual
advice, is compared with the knee.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from proxy.lab import measure
from proxy.lab.load.ask import Wanted
from proxy.lab.load.generator import Generator
from proxy.lab.load.plan import Load, Plan
from proxy.lab.processes import BenchError, stop_all
from proxy.lab.report.statistics import median
from proxy.lab.report.verdict import duration
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology, start
from proxy.lab.sweep.usl import Usl, fit
from proxy.lab.turns import turn

SCHEMA = 1
KNEE = 0.95
"""Of the best throughput."""
_WARM_S = 0.2


@dataclass(slots=True)
class Point:
    """One number of workers."""

    processes: int
    per_s: list[float] = field(default_factory=list)
    """Good answers per second, in each round."""
    p99_us: list[float] = field(default_factory=list)
    failed: int = 0
    memory_kb: int = 0
    """Of the application server, shared pages divided."""
    warnings: list[str] = field(default_factory=list)
    config: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass(slots=True)
class Sweep:
    """What a sweep has found."""

    taken_at: str
    app: str
    topology: str
    title: str
    requests: list[str]
    clients: int
    seconds: float
    rounds: int
    seed: int
    cores: int
    machine: dict[str, str]
    points: list[Point] = field(default_factory=list)
    partial: bool = False

    def to_json(self) -> str:
        """Return it as text, with what follows from it."""
        found = dataclasses.asdict(findings(self))
        return json.dumps(
            {"schema": SCHEMA, **dataclasses.asdict(self), "findings": found}, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no sweep, or of another schema.
        """
        said: dict[str, Any] = json.loads(text)
        if said.pop("schema", None) != SCHEMA or "points" not in said:
            raise ValueError(f"not a sweep of schema {SCHEMA}")
        said.pop("findings", None)
        return cls(**said | {"points": [Point(**each) for each in said["points"]]})


@dataclass(slots=True)
class Findings:
    """What follows from a sweep."""

    knee: int = 0
    """0: nothing was measured."""
    best: int = 0
    law: Usl | None = None
    doubled: int = 0
    """Two workers for each core."""
    answers: list[str] = field(default_factory=list)


def findings(sweep: Sweep) -> Findings:
    """Judge a sweep."""
    good = {each.processes: median(each.per_s) for each in sweep.points if median(each.per_s) > 0}
    found = Findings(doubled=2 * sweep.cores)
    if not good:
        found.answers.append("Nothing could be measured.")
        return found
    found.best = max(good, key=lambda n: good[n])
    found.knee = min(n for n, per_s in good.items() if per_s >= KNEE * good[found.best])
    found.law = fit(list(good.items()))
    found.answers += [_knee(found, good), _law(found.law), _doubled(sweep, found, good)]
    failed = [each.processes for each in sweep.points if each.failed]
    if failed:
        listed = ", ".join(map(str, failed))
        found.answers.append(f"Requests failed with {listed} workers: see the rows.")
    return found


def _knee(found: Findings, good: dict[int, float]) -> str:
    text = f"{found.knee} workers do {good[found.knee]:,.0f} requests/s"
    if found.knee == max(good):
        return f"{text}, the most that was tried: more may do more still."
    more = ", ".join(f"{n}: {good[n]:,.0f}" for n in sorted(good) if n > found.knee)
    return f"{text}; more of them do not do much more ({more})."


def _law(law: Usl | None) -> str:
    if law is None:
        return "Fewer than three numbers of workers: too few for a scalability law."
    text = (
        f"Scalability law: one worker {law.rate:,.0f}/s, contention {law.contention:.3f}, "
        f"coherence {law.coherence:.4f} (fits within {law.error:.0%}). "
    )
    if law.error > 0.1:
        return text + "That is a poor fit: do not extrapolate."
    if law.peak < 1000:
        return text + f"It has its peak at about {max(law.peak, 1):.0f} workers."
    if law.contention < 0.02:
        return text + "Workers hardly hinder each other, as when they wait for something else."
    return text + f"It levels off at about {law.ceiling:,.0f}/s."


def _doubled(sweep: Sweep, found: Findings, good: dict[int, float]) -> str:
    number = found.doubled
    if number == found.knee:
        return f"Two workers for each core ({number}) is just the knee here."
    source = "measured"
    per_s = good.get(number, 0.0)
    if not per_s:
        if found.law is None or found.law.error > 0.1:
            return f"Two workers for each core ({number}) was not tried."
        source, per_s = "by the law, not measured", found.law.at(number)
    change = per_s / good[found.knee] - 1
    text = (
        f"Two workers for each core ({number}) would have done {per_s:,.0f}/s ({source}), "
        f"{abs(change):.0%} {'more' if change >= 0 else 'less'} than {found.knee}"
    )
    memory = _memory(sweep, number) - _memory(sweep, found.knee)
    late = _p99(sweep, number)
    if source == "measured" and late:
        text += f", with a p99 of {duration(late)} instead of {duration(_p99(sweep, found.knee))}"
        text += f" and {memory / 1024:+,.0f} MB of memory"
    return text + "."


def _point(sweep: Sweep, processes: int) -> Point:
    return next((p for p in sweep.points if p.processes == processes), Point(processes))


def _memory(sweep: Sweep, processes: int) -> int:
    return _point(sweep, processes).memory_kb


def _p99(sweep: Sweep, processes: int) -> float:
    return median(_point(sweep, processes).p99_us)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be swept."""

    topology: Topology
    processes: Sequence[int]
    requests: tuple[Wanted, ...] = (Wanted(),)
    rounds: int = 5
    seconds: float = 1.5
    seed: int = 1

    @property
    def clients(self) -> int:
        """The same for all: four for each worker of the largest."""
        return 4 * max(self.processes)


def run(wish: Wish, setup: Setup, say: Callable[[str], None]) -> Sweep:
    """Measure; all that was started has ended when this returns. An interruption ends it early."""
    sweep = Sweep(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        app=setup.app or "(the lab's own)",
        topology=wish.topology.name,
        title=wish.topology.title,
        requests=[f"{each.method} {each.path}" for each in wish.requests],
        clients=wish.clients,
        seconds=wish.seconds,
        rounds=wish.rounds,
        seed=wish.seed,
        cores=len(os.sched_getaffinity(0)),
        machine=measure.machine(),
        points=[Point(number) for number in wish.processes],
    )
    stands: dict[int, Stand] = {}
    generator = Generator()
    try:
        _start_all(wish, setup, sweep, stands)
        for at in range(wish.rounds):
            for name in turn([str(each) for each in stands], at):
                _step(wish, sweep, stands[int(name)], generator, at)
                say(f"round {at + 1}/{wish.rounds}, {name} workers")
    except KeyboardInterrupt:
        sweep.partial = True
    finally:
        generator.close()
        stop_all([daemon for stand in stands.values() for daemon in stand.daemons])
    return sweep


def _start_all(wish: Wish, setup: Setup, sweep: Sweep, stands: dict[int, Stand]) -> None:
    for point in sweep.points:
        own = replace(setup.within(f"workers-{point.processes}"), processes=point.processes)
        try:
            stands[point.processes] = start(wish.topology, own)
        except BenchError as error:
            point.reason = str(error)
            continue
        point.config = stands[point.processes].config


def _step(wish: Wish, sweep: Sweep, stand: Stand, generator: Generator, at: int) -> None:
    point = _point(sweep, stand.setup.processes)
    if point.reason:
        return
    plan = Plan(
        stand.port,
        clients=wish.clients,
        seconds=wish.seconds,
        warm_seconds=_WARM_S,
        seed=wish.seed + at,
        keep_alive=stand.topology.keeps,
        requests=wish.requests,
    )
    try:
        load = generator.run(plan)
        stand.check()
    except BenchError as error:
        point.reason = str(error)
        return
    take(point, load)
    roots = [each.daemon.pid for each in stand.servers]
    point.memory_kb = sum(measure.memory(root).pss_kb for root in roots)


def take(point: Point, load: Load) -> None:
    """Write down one round."""
    point.per_s.append(load.in_time / load.seconds)
    point.failed += load.failed
    if load.good:
        point.p99_us.append(load.latency_us["p99"])
    point.warnings += [each for each in load.warnings if each not in point.warnings]
