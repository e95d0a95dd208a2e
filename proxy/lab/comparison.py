"""`lab.compare(a, b, scenario)`: two ways to serve, compared in a test.

    found = lab.compare("uwsgi-direct", "proxy-uwsgi", "kept", app="mysite.wsgi:application")
    assert found.p99_ratio < 1.5

A comparison is of pairs (see `statistics`), and a bound holds only when the whole interval is
within it: `ratio < 1.5` means "surely less than 1.5 times". When the interval goes across the
bound, both `<` and `>` are false, and the failed assertion shows it, with the numbers. So they are
when too many requests failed for latencies to mean anything.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.lab import effort
from proxy.lab.effort import Effort
from proxy.lab.load.ask import Wanted
from proxy.lab.processes import BenchError
from proxy.lab.report.results import Report, Row
from proxy.lab.report.statistics import CONFIDENCE, Estimate
from proxy.lab.report.verdict import AGAIN, errors, fails, fared, times
from proxy.lab.runner import Asked, run
from proxy.lab.scenarios import Scenario
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.standing import Served, standing
from proxy.lab.stand.topologies import Stand, Topology, select

ROUNDS = 10
"""Pairs, unless told otherwise."""
LEAST_ROUNDS = 6
"""Fewer give no interval of 95 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """How many times b is a, with its interval. Comparisons are about the whole interval."""

    estimate: Estimate
    what: str
    sides: str
    """Both medians, in words."""
    spoilt: str = ""
    """Why no bound holds, whatever the numbers are; empty if one may."""
    noise: str = ""
    """What else is to be known about the numbers."""

    def __lt__(self, bound: float) -> bool:
        return not self.spoilt and self.estimate.high < bound

    def __gt__(self, bound: float) -> bool:
        return not self.spoilt and self.estimate.low > bound

    def __le__(self, bound: float) -> bool:
        return not self.spoilt and self.estimate.high <= bound

    def __ge__(self, bound: float) -> bool:
        return not self.spoilt and self.estimate.low >= bound

    def __float__(self) -> float:
        return self.estimate.value

    def __repr__(self) -> str:
        it = self.estimate
        said = [
            f"{self.what}: {it.value:.3f} times, surely ({it.confidence:.0%}, {it.pairs} pairs) "
            f"between {it.low:.3f} and {it.high:.3f}",
            self.sides,
            self.spoilt,
            self.noise,
        ]
        return f"<{'; '.join(filter(None, said))}>"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison has found; b in relation to a."""

    a: str
    b: str
    scenario: str
    report: Report = field(repr=False)
    """Everything, as a run of the lab would report it."""

    @property
    def p50_ratio(self) -> Ratio:
        """Of median latencies."""
        return self.ratio("p50_us")

    @property
    def p99_ratio(self) -> Ratio:
        """Of latencies that one request in a hundred exceeds."""
        return self.ratio("p99_us")

    @property
    def throughput_ratio(self) -> Ratio:
        """Of good answers per second."""
        return self.ratio("per_s")

    @property
    def cpu_ratio(self) -> Ratio:
        """Of the CPU time of front end and application for each request."""
        return self.ratio("cpu_us")

    @property
    def failed(self) -> Mapping[str, int]:
        """Failed requests of both, by their names."""
        return {name: self.row(name).failed for name in (self.a, self.b)}

    def row(self, name: str) -> Row:
        """Return what was measured of one of the two.

        Raises:
            BenchError: nothing was; the text says why.
        """
        found = self.report.row(self.scenario, name)
        if found is None:
            raise BenchError(f"{name}: {_why_not(self.report, self.scenario, name)}")
        return found

    def ratio(self, value: str) -> Ratio:
        """Return b / a of any value that the scenario has.

        Raises:
            BenchError: one of them has none, as when no request was answered.
        """
        rows = {name: self.row(name) for name in (self.a, self.b)}
        found = self.report.ratio(self.scenario, self.a, self.b, value)
        if found is None:
            fates = [f"{name}: {fared(row)}" for name, row in rows.items()]
            if value in ("cpu_us", "front_us", "app_us"):
                fates.append("CPU time is known only of topologies that are given by name")
            raise BenchError(f"no {value} to compare: {'; '.join(fates)}")
        sides = ", ".join(
            f"{name} {row.middle(value):,.0f} ({errors(row)})" for name, row in rows.items()
        )
        what = f"{value} of {self.b} against {self.a}"
        spoilt = _spoilt(rows) if value.endswith("_us") else ""
        return Ratio(found, what, f"medians: {sides}", spoilt, self._noise(value))

    def _noise(self, value: str) -> str:
        """Say so when the first one, measured twice in each round, came out different (A/A)."""
        found = self.report.ratio(self.scenario, self.a, AGAIN, value)
        if found is None or found.word() not in ("more", "less"):
            return ""
        return f"an unsteady machine: {self.a} against itself was {times(found)}"


def _spoilt(rows: Mapping[str, Row]) -> str:
    """Say so when one has failed too many requests: it is quick to fail, and not in latencies."""
    found = [
        f"no bound holds: {name} failed {row.failed} of {row.asked} requests"
        for name, row in rows.items()
        if fails(row)
    ]
    return ", ".join(found)


@dataclass(frozen=True)
class Comparer:
    """Compares, always for one application: what the fixture `lab` and `compare` are made of."""

    app: str = ""
    """`package.module:callable`; empty for a small one of the lab's own."""
    directory: Path = field(default_factory=Path.cwd)
    """Where it is looked for."""
    paths: Sequence[str] = ("/",)
    """What is asked for where a scenario asks for the user's paths."""
    effort: Effort = field(default_factory=lambda: Effort(ROUNDS, ROUNDS, 0.5))
    installed: Installed | None = None
    """What can take part, if that is known already."""

    def compare(self, a: str | Served, b: str | Served, scenario: str = "kept") -> Comparison:
        """Run one scenario against two ways to serve, in turns. See `compare`."""
        if min(self.effort.rounds, self.effort.others) < LEAST_ROUNDS:
            raise ValueError(
                f"{LEAST_ROUNDS} rounds are the least for an interval of {CONFIDENCE:.0%}"
            )
        wish = _wish(scenario)
        with tempfile.TemporaryDirectory(prefix="lab-") as place:
            installed = self.installed or Installed.look()
            setup = Setup(Path(place), self.app, self.directory, installed=installed)
            sides, stands = _sides((a, b), setup)
            if stands:
                wish = _without_our_paths(wish)
            wishes = [wish]
            if scenario.startswith("rate-"):  # which begins with a throughput
                wishes = [_wish("saturation"), wish]
            wanted = tuple(Wanted(path) for path in self.paths)
            report = run(Asked(sides, wishes, self.effort, wanted, standing=stands), setup)
        if report.partial:
            raise KeyboardInterrupt
        made = Comparison(sides[0].name, sides[1].name, scenario, report)
        made.row(made.a), made.row(made.b)
        return made


def _wish(name: str) -> Scenario:
    found = next((each for each in effort.scenarios([name], False) if each.name == name), None)
    if found is None:
        raise ValueError(f"no scenario {name!r}")
    return found


def _without_our_paths(wish: Scenario) -> Scenario:
    """Return what can be asked of any server: a load, of paths that the user names."""
    if wish.kind != "load" or wish.backlog:
        raise ValueError(
            f"{wish.name}: not of a server that runs already; give the names of two topologies"
        )
    return replace(wish, users=True)


def _sides(
    both: tuple[str | Served, str | Served], setup: Setup
) -> tuple[list[Topology], dict[str, Stand]]:
    """Return the two, and of them those that run already. One named twice is started twice."""
    sides: list[Topology] = []
    stands: dict[str, Stand] = {}
    for each in both:
        if isinstance(each, str):
            (one,) = select([each])
            if any(other.name == each for other in sides):
                one = replace(one, name=f"{each}-2", title=f"{one.title}, another one")
        else:
            stand = standing(each, setup, stands)
            one = stand.topology
            stands[one.name] = stand
        sides.append(one)
    return sides, stands


def compare(
    a: str | Served,
    b: str | Served,
    scenario: str = "kept",
    *,
    app: str = "",
    paths: Sequence[str] = ("/",),
    effort_of: Effort | None = None,
) -> Comparison:
    """Run one scenario against two ways to serve, in turns.

    Args:
        a, b: names of topologies (`python -m proxy lab --list`), the same twice if you like; or
            servers that run already: anything with a `url`.
        scenario: the name of one. Of servers that run already `hop`, `kept`, `saturation`,
            `rate-50` or `rate-80`.
        app: `package.module:callable`, found from the current directory.
        paths: what `saturation` and the rates ask for; of servers that run already all scenarios.
        effort_of: how much is measured: ten pairs of half a second, unless given.

    Raises:
        ValueError: there is no such topology or scenario, or there are too few rounds.
        BenchError: one of the two did not start, or was not measured; the text says why.
    """
    extent = effort_of or Effort(rounds=ROUNDS, others=ROUNDS, seconds=0.5)
    return Comparer(app, paths=paths, effort=extent).compare(a, b, scenario)


def _why_not(report: Report, scenario: str, name: str) -> str:
    shown = next((each for each in report.topologies if each.name == name), None)
    if shown is not None and shown.reason:
        return shown.reason
    found = report.scenario(scenario)
    rows = [each for each in found.rows if each.topology == name] if found else []
    return (rows[0].reason if rows else found.reason if found else "") or "was not measured"
