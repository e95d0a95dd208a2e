"""Answers about what one changed value does: socket buffers.

Pure functions of a report. A variant is compared with its own topology, in pairs of the same round.
There are many such comparisons in a run, and one interval out of twenty misses; so an effect counts
only when its whole interval is further from "no effect" than what does not matter.
"""

from dataclasses import dataclass
from typing import Literal

from proxy.lab.report.results import HELD, Report, Row
from proxy.lab.report.statistics import Estimate
from proxy.lab.report.verdict import Verdict, duration, rows_of
from proxy.lab.stand.variants import base_of

BUFFERS = {
    "buffers-64k": "replies of 64 KB",
    "buffers-1m": "replies of 1 MB",
    "buffers-upload": "uploads of 1 MB",
    "buffers-held": "a worker's time with a slow client",
}
_HELD_US = 50_000.0
"""A worker that is held for less than this longer or shorter is held as long."""

Effect = Literal["better", "worse", "alike", "unclear"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a variant does to one topology in one scenario."""

    scenario: str
    row: Row
    """Of the variant."""
    base: Row
    estimate: Estimate

    @property
    def is_held(self) -> bool:
        """Whether it is about the time of a worker."""
        return self.scenario == "buffers-held"

    @property
    def effect(self) -> Effect:
        """Judge it: both values are times."""
        it = self.estimate
        if self.is_held and abs(self.row.middle(HELD) - self.base.middle(HELD)) < _HELD_US:
            return "alike"
        if beyond := it.beyond():
            return "worse" if beyond == "more" else "better"
        return "alike" if it.word() == "alike" else "unclear"

    def __str__(self) -> str:
        what = BUFFERS[self.scenario]
        if self.is_held:
            times = (duration(each.middle(HELD)) for each in (self.base, self.row))
            return f"{what}: {' became '.join(times)}"
        it = self.estimate
        return f"{what}: {it.value:.2f} times as long ({it.low:.2f} to {it.high:.2f})"


def buffers(report: Report) -> Verdict | None:
    """Say whether the sizes of socket buffers matter."""
    changes = [change for scenario in BUFFERS for change in _changes(report, scenario)]
    if not changes:
        return None
    question = "Do socket buffer sizes matter?"
    numbers = [
        (report.title(name), "; ".join(str(each) for each in changes if each.row.topology == name))
        for name in dict.fromkeys(each.row.topology for each in changes)
    ]
    better = [each for each in changes if each.effect == "better"]
    worse = [each for each in changes if each.effect == "worse"]
    sentences = [
        f"{how}: {'; '.join(f'{report.title(each.row.topology)}, {each}' for each in found)}."
        for how, found in (("Better", better), ("Worse", worse))
        if found
    ]
    if better:
        word, last = "tune", "So a size of your own can be worth it here; measure it again."
    elif worse:
        word, last = "kernel", "No size did better than the kernel's own: leave them alone."
    elif all(each.effect == "alike" for each in changes):
        word, last = "alike", "None of these sizes did anything that matters: leave them alone."
    else:
        word, last = "unclear", "No effect could be shown, but this run cannot exclude one."
    return Verdict("buffers", question, word, " ".join([*sentences, last]), numbers)


def _changes(report: Report, scenario: str) -> list[Change]:
    # Not throughput: of replies that take long, not one may end within a load.
    value = HELD if scenario == "buffers-held" else "p50_us"
    rows = {row.topology: row for row in rows_of(report, scenario)}
    found = []
    for name, row in rows.items():
        base = base_of(name)[0]
        if base == name or base not in rows:
            continue
        estimate = report.ratio(scenario, base, name, value)
        if estimate is not None:
            found.append(Change(scenario, row, rows[base], estimate))
    return found
