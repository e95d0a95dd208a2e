"""`lab.compare(a, b, scenario)`: two ways to serve, compared in a test.

    found = lab.compare("uwsgi-direct", "proxy-uwsgi", "kept", app="mysite.wsgi:application")
    assert found.p99_ratio < 1.5

A comparison is of pairs (see `statistics`), and a bound holds only when the whole interval is
within it: `ratio < 1.5` means "surely less than 1.5 times". When the interval goes across the
bound, both `<` and `>` are false, and the failed assertion shows it, with the numbers.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.lab import effort
from proxy.lab.ask import Wanted
from proxy.lab.effort import Effort
from proxy.lab.processes import BenchError
from proxy.lab.results import Report, Row
from proxy.lab.runner import Asked, run
from proxy.lab.setup import Installed, Setup
from proxy.lab.statistics import CONFIDENCE, Estimate
from proxy.lab.topologies import select
from proxy.lab.verdict import errors, fared

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

    def __lt__(self, bound: float) -> bool:
        return self.estimate.high < bound

    def __gt__(self, bound: float) -> bool:
        return self.estimate.low > bound

    def __le__(self, bound: float) -> bool:
        return self.estimate.high <= bound

    def __ge__(self, bound: float) -> bool:
        return self.estimate.low >= bound

    def __float__(self) -> float:
        return self.estimate.value

    def __repr__(self) -> str:
        it = self.estimate
        return (
            f"<{self.what}: {it.value:.3f} times, surely ({it.confidence:.0%}, {it.pairs} pairs) "
            f"between {it.low:.3f} and {it.high:.3f}; {self.sides}>"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison has found; b in relation to a."""

    a: str
    b: str
    scenario: str
    report: Report
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
            fates = "; ".join(f"{name}: {fared(row)}" for name, row in rows.items())
            raise BenchError(f"no {value} to compare: {fates}")
        sides = ", ".join(
            f"{name} {row.middle(value):,.0f} ({errors(row)})" for name, row in rows.items()
        )
        return Ratio(found, f"{value} of {self.b} against {self.a}", f"medians: {sides}")


def compare(
    a: str,
    b: str,
    scenario: str = "kept",
    *,
    app: str = "",
    paths: tuple[str, ...] = ("/",),
    effort_of: Effort | None = None,
) -> Comparison:
    """Run one scenario against two topologies, in turns.

    Args:
        a, b: names of topologies (`python -m proxy lab --list`).
        scenario: the name of one.
        app: `package.module:callable`, found from the current directory.
        paths: what `saturation` and the rates ask for.
        effort_of: how much is measured: ten pairs of half a second, unless given.

    Raises:
        ValueError: there is no such topology or scenario, or there are too few rounds.
        BenchError: one of the two did not start, or was not measured; the text says why.
    """
    extent = effort_of or Effort(rounds=ROUNDS, others=ROUNDS, seconds=0.5)
    if min(extent.rounds, extent.others) < LEAST_ROUNDS:
        raise ValueError(f"{LEAST_ROUNDS} rounds are the least for an interval of {CONFIDENCE:.0%}")
    wishes = [each for each in effort.scenarios([scenario], False) if each.name == scenario]
    if not wishes:
        raise ValueError(f"no scenario {scenario!r}")
    if scenario.startswith("rate-"):  # which begins with a throughput
        wishes = [*effort.scenarios(["saturation"], False), *wishes]
    with tempfile.TemporaryDirectory(prefix="lab-") as place:
        setup = Setup(Path(place), app, installed=Installed.look())
        asked = Asked(select([a, b]), wishes, extent, tuple(Wanted(path) for path in paths))
        report = run(asked, setup)
    if report.partial:
        raise KeyboardInterrupt
    made = Comparison(a, b, scenario, report)
    made.row(a), made.row(b)
    return made


def _why_not(report: Report, scenario: str, name: str) -> str:
    shown = next((each for each in report.topologies if each.name == name), None)
    if shown is not None and shown.reason:
        return shown.reason
    found = report.scenario(scenario)
    rows = [each for each in found.rows if each.topology == name] if found else []
    return (rows[0].reason if rows else found.reason if found else "") or "was not measured"
