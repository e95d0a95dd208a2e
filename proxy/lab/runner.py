"""One run of the lab from start to stop: start everything, go round and round, write it down.

Within a round the topologies are measured one directly after the other, in orders (see `turns`)
that let a machine become slower or faster for all of them alike. The first topology is measured
twice in each round of a paired scenario: what differs between these two is noise (A/A).

An interruption ends the run, not the report: what has been measured by then is returned.
"""

import importlib.metadata
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from proxy.lab import measure
from proxy.lab.crew import Crew
from proxy.lab.effort import Effort, fit
from proxy.lab.load.ask import Wanted
from proxy.lab.load.generator import Generator
from proxy.lab.load.plan import Plan
from proxy.lab.processes import BenchError
from proxy.lab.report.results import Report, Row, Sample, Scenario, Shown
from proxy.lab.report.verdict import fails
from proxy.lab.scenarios import NOT_MEASURED, SCENARIOS
from proxy.lab.scenarios import Scenario as Wish
from proxy.lab.scenarios import measure as measure_once
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology, start
from proxy.lab.turns import turn
from proxy.worker.command import output

AGAIN = "again"
"""Name of the row that measures the first topology again."""
_RATES = {"rate-50": 0.5, "rate-80": 0.8}
_PACKAGES = ("uwsgi-frontend", "pyuwsgi", "gunicorn", "uvloop", "httptools", "hdrhistogram")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    scenario: str
    topology: str
    round: int
    rounds: int
    done: float
    """Of the expected time, from 0 to 1."""
    left_s: float


@dataclass(slots=True)
class Asked:
    """What is to be measured."""

    topologies: Sequence[Topology]
    scenarios: Sequence[Wish]
    effort: Effort
    requests: tuple[Wanted, ...] = (Wanted(),)
    seed: int = 1
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_scenario: Callable[[Report, Scenario], None] = lambda report, scenario: None
    generator: Literal["own", "wrk"] = "own"
    """Who sends at saturation; all else is our own's."""
    standing: Mapping[str, Stand] = field(default_factory=dict)
    """Of the topologies, those that others have started and will stop, by name."""


@dataclass(slots=True)
class _Run:
    asked: Asked
    setup: Setup
    report: Report
    generator: Generator
    crew: Crew
    expected_s: float = 0.0
    done_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)

    def tell(self, wish: Wish, name: str, at: int) -> None:
        """Say how far we are."""
        passed_s = time.monotonic() - self.began_s
        pace = passed_s / self.done_s if self.done_s else 1.0
        rounds = self.asked.effort.rounds_of(wish)
        done = min(self.done_s / self.expected_s, 1.0) if self.expected_s else 0.0
        left_s = max(self.expected_s - self.done_s, 0.0) * pace
        self.asked.on_progress(Progress(wish.name, name, at + 1, rounds, done, left_s))


def run(asked: Asked, setup: Setup) -> Report:
    """Measure everything; all that was started has ended when this returns."""
    report = Report(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        app=setup.app or "(the lab's own)",
        seed=asked.seed,
        quick=asked.effort.quick,
        rounds=asked.effort.rounds,
        machine=measure.machine(),
        versions=versions(setup),
        setup={
            "workers": str(setup.processes),
            "listen queue": str(setup.backlog),
            "seconds of a load": f"{asked.effort.seconds:g}",
        },
        requests=[str(each) for each in asked.requests],
        not_measured=list(NOT_MEASURED),
    )
    generator = Generator()
    this = _Run(asked, setup, report, generator, Crew(setup, report, partial(_stand_of, asked)))
    try:
        _start_all(this)
        for wish in asked.scenarios:
            _scenario(this, wish)
    except KeyboardInterrupt:
        report.partial = True
    finally:
        generator.close()
        this.crew.stop()
    report.not_measured += _left_out(report, asked)
    report.seconds = round(time.monotonic() - this.began_s, 1)
    return report


def versions(setup: Setup) -> dict[str, str]:
    """Return the version of everything that takes part."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if setup.installed.uwsgi is not None:
        found["uWSGI"] = setup.installed.uwsgi.version
    said = output([setup.installed.nginx, "-v"]) if setup.installed.nginx else ""
    if match := re.search(r"nginx/(\S+)", said):
        found["nginx"] = match[1]
    return found


def _stand_of(asked: Asked, topology: Topology, setup: Setup) -> Stand:
    return asked.standing.get(topology.name) or start(topology, setup)


def _start_all(this: _Run) -> None:
    this.crew.start([each for each in this.asked.topologies if _is_needed(this, each)])
    first = next(iter(this.crew.stands.values()), None)
    if first is not None:
        title = f"{first.topology.title}, again"
        this.report.topologies.append(
            Shown(AGAIN, title, first.topology.front, first.facts, first.config)
        )
    effort = this.asked.effort
    for wish in this.asked.scenarios:
        count = wish.size(this.crew.stands)
        this.expected_s += count * effort.rounds_of(wish) * effort.step_s(wish)
    this.began_s = time.monotonic()


def _is_needed(this: _Run, topology: Topology) -> bool:
    """Whether any scenario is about it: what only idles takes memory."""
    return any(not each.variants or topology.name in each.fit_for for each in this.asked.scenarios)


def _is_doubled(wish: Wish) -> bool:
    """Whether the first topology is measured twice; variants are judged by a wider margin."""
    return wish.paired and not wish.variants


def _scenario(this: _Run, wish: Wish) -> None:
    found = Scenario(wish.name, wish.title, wish.detail)
    this.report.scenarios.append(found)
    names = this.crew.called_up(wish)
    if not names and wish.variants:
        found.reason = f"needs one of these topologies: {', '.join(wish.fit_for)}"
    if _is_doubled(wish) and names:
        names.append(AGAIN)
    found.rows = [Row(name, reason=this.crew.absent.get(name, "")) for name in names]
    plan = fit(wish, this.asked.effort, this.asked.requests, this.setup.processes, this.asked.seed)
    if wish.name == "saturation" and this.asked.generator == "wrk":
        plan = replace(plan, generator="wrk")
        found.detail += ", sent by wrk (whole seconds)"
    if wish.name in _RATES:
        rate = _rate(this.report, _RATES[wish.name])
        if not rate:
            found.reason = "needs a throughput at saturation, without failures, to begin with"
            found.rows = []
            return
        plan = replace(plan, rate=rate)
        found.detail += f", {rate:.0f} per second"
    try:
        for at in range(this.asked.effort.rounds_of(wish)):
            _round(this, wish, turn(names, at), at, replace(plan, seed=plan.seed + at))
    except KeyboardInterrupt:
        found.reason = "interrupted"
        raise
    finally:
        this.asked.on_scenario(this.report, found)


def _round(this: _Run, wish: Wish, names: Sequence[str], at: int, plan: Plan) -> None:
    """Measure everybody once, one after the other; all at once where nothing is timed."""
    rows = {row.topology: row for row in this.report.scenarios[-1].rows}
    step_s = this.asked.effort.step_s(wish)
    if wish.kind == "probe" and names:
        this.tell(wish, names[0], at)
        with ThreadPoolExecutor(len(names)) as threads:
            list(threads.map(lambda name: _step(this, wish, rows[name], at, plan), names))
        this.done_s += step_s * len(names)
        return
    for name in names:
        this.tell(wish, name, at)
        _step(this, wish, rows[name], at, plan)
        this.done_s += step_s


def _step(this: _Run, wish: Wish, row: Row, at: int, plan: Plan) -> None:
    if row.reason:
        return
    try:
        sample = _sample(this, wish, row.topology, plan)
        sample.round = at
        row.samples.append(sample)
    except BenchError as error:
        row.reason = str(error)


def _sample(this: _Run, wish: Wish, name: str, plan: Plan) -> Sample:
    stand = this.crew.stand(next(iter(this.crew.stands)) if name == AGAIN else name)
    before = measure.busy()
    if wish.backlog:
        own = replace(this.setup.within(f"backlog-{wish.backlog}"), backlog=wish.backlog)
        with start(stand.topology, own) as other:
            return measure_once(wish, other, plan, this.generator)
    sample = measure_once(wish, stand, plan, this.generator)
    sample.values["stolen_s"] = max(measure.busy().stolen_s - before.stolen_s, 0.0)
    return sample


def _rate(report: Report, share: float) -> float:
    """Return a share of what the slowest topology does that does not fail; 0 if all do."""
    found = report.scenario("saturation")
    rows = [row for row in found.rows if row.samples and not fails(row)] if found else []
    return round(share * min((row.middle("per_s") for row in rows), default=0.0), 1)


def _left_out(report: Report, asked: Asked) -> list[str]:
    done = {each.name for each in report.scenarios if not each.reason}
    wanted = {each.name for each in asked.scenarios}
    return [
        f"{each.title}: {'not reached' if each.name in wanted else 'not part of this run'}"
        for each in SCENARIOS
        if each.name not in done
    ]
