"""What an answer is, and the words for the numbers that it rests on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.lab.report.results import Report, Row
from proxy.lab.report.statistics import Estimate

AGAIN = "again"
"""The row that measures the first topology once more (A/A)."""
STRUCK = "struck-"
"""Begins the names of what is known about requests whose worker was killed."""
LOST_PERCENT = 1.0
"""More failed requests than this is a failure of the topology, fewer is chance."""
FEW_LOST = 3
"""So are fewer than this, however few were asked: a machine that stands still for as long as
clients wait loses what is just under way."""


@dataclass(slots=True)
class Verdict:
    """One answer."""

    key: str
    question: str
    word: str = "unknown"
    """For programs: what the answer is, in a word."""
    answer: str = ""
    """For people."""
    numbers: list[tuple[str, str]] = field(default_factory=list)
    """What it rests on: (which topologies, the numbers)."""

    def to_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "key": self.key, "question": self.question, "word": self.word,
            "answer": self.answer, "numbers": [list(each) for each in self.numbers],
        }  # fmt: skip


def first_of(report: Report, scenario: str, names: Sequence[str]) -> str | None:
    """Return the first of these names that has samples in a scenario."""
    return next((name for name in names if report.row(scenario, name)), None)


def rows_of(report: Report, scenario: str) -> list[Row]:
    """Return the rows of a scenario that have samples, without that of the A/A comparison."""
    found = report.scenario(scenario)
    return [row for row in found.rows if row.samples and row.topology != AGAIN] if found else []


def probed(row: Row, name: str, what: str) -> float:
    """Return how many single requests of this name were `asked`, `answered` or `ok`."""
    return sum(row.values(f"{name}:{what}"))


def lost_percent(row: Row) -> float:
    """Return the failed requests in per cent."""
    return 100 * row.failed / row.asked if row.asked else 0.0


def fails(row: Row) -> bool:
    """Whether it has lost more requests than chance does."""
    return row.failed >= FEW_LOST and lost_percent(row) >= LOST_PERCENT


def served(row: Row) -> str:
    """Say how much a row served, at which cost."""
    values = row.values("per_s")
    return (
        f"{row.middle('per_s'):,.0f}/s ({min(values):,.0f} to {max(values):,.0f}), CPU "
        f"{row.middle('front_us'):.0f} us front end + {row.middle('app_us'):.0f} us application, "
        f"generator {row.middle('generator_cores'):.2f} cores, {errors(row)}"
    )


def fared(row: Row) -> str:
    """Say how requests fared beside trouble."""
    p99 = duration(row.middle("p99_us")) if row.values("p99_us") else "no answer at all"
    return f"{row.outcomes.get('ok', 0)} of {row.asked} answered, p99 {p99}, {errors(row)}"


def errors(row: Row) -> str:
    """Say what failed, by class."""
    errors = {kind: count for kind, count in row.outcomes.items() if kind != "ok"}
    return ", ".join(f"{count} {kind}" for kind, count in errors.items()) or "no errors"


def struck(row: Row) -> list[str]:
    """Return what became of requests whose worker was killed, each outcome once."""
    notes = {note for each in row.samples for note in each.notes if note.startswith(STRUCK)}
    return sorted(note.removeprefix(STRUCK) for note in notes)


def microseconds(estimate: Estimate) -> str:
    """Return a difference with its interval."""
    low, high = f"{estimate.low:+.0f}", f"{estimate.high:+.0f}"
    return f"{estimate.value:+.0f} us ({low} to {high}, {_sure(estimate)})"


def times(estimate: Estimate) -> str:
    """Return a ratio with its interval."""
    low, high = f"{estimate.low:.3f}", f"{estimate.high:.3f}"
    return f"{estimate.value:.3f} times ({low} to {high}, {_sure(estimate)})"


def _sure(estimate: Estimate) -> str:
    return f"{estimate.confidence:.0%}, {estimate.pairs} pairs"


def duration(us: float) -> str:
    """Return microseconds as people read them."""
    return f"{us / 1000:.3g} ms" if us < 1_000_000 else f"{us / 1e6:.3g} s"


VALUES = {"per_s": "throughput", "p50_us": "median latency", "cpu_us": "CPU per request"}
