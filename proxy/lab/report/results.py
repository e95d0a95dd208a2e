"""What a run of the lab has found, and its form as JSON (docs/lab.md documents it).

Pure. `SCHEMA` goes up when a reader of older reports would misread a newer one.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from proxy.lab.report.statistics import Estimate, difference, median, ratio

SCHEMA = 1


HELD = "held_us"
"""After slow clients have taken all workers: when the next request was answered, or given up."""
SENT_BY_WRK = "sent by wrk"
"""A note of loads that our own generator has not sent."""


@dataclass(slots=True)
class Sample:
    """One topology in one scenario in one round."""

    round: int
    values: dict[str, float] = field(default_factory=dict)
    """By name; names end in their unit: per_s, p50_us, front_us, app_us, generator_cores..."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Requests by class: ok, 4xx, 5xx, refused, connect, reset, empty, truncated, timeout..."""
    histogram: str = ""
    """Latencies, as HdrHistogram encodes them."""
    notes: list[str] = field(default_factory=list)
    """What was seen besides, such as the body that came back."""
    warnings: list[str] = field(default_factory=list)
    """What makes the numbers doubtful."""


@dataclass(slots=True)
class Row:
    """One topology in one scenario."""

    topology: str
    samples: list[Sample] = field(default_factory=list)
    reason: str = ""
    """Why there are no (more) samples."""

    def values(self, name: str) -> list[float]:
        """Return a value in all rounds that have it."""
        return [each.values[name] for each in self.samples if name in each.values]

    def middle(self, name: str) -> float:
        """Return the median over the rounds; 0 without any."""
        return median(self.values(name))

    @property
    def outcomes(self) -> dict[str, int]:
        """Return all rounds' outcomes."""
        found: dict[str, int] = {}
        for each in self.samples:
            for kind, count in each.outcomes.items():
                found[kind] = found.get(kind, 0) + count
        return found

    @property
    def asked(self) -> int:
        """All requests."""
        return sum(self.outcomes.values())

    @property
    def failed(self) -> int:
        """Those without a good answer."""
        return self.asked - self.outcomes.get("ok", 0)


@dataclass(slots=True)
class Scenario:
    """One scenario, with a row for each topology."""

    name: str
    title: str
    detail: str
    """The load, in words."""
    rows: list[Row] = field(default_factory=list)
    reason: str = ""
    """Why it was not measured, or not to its end."""

    def row(self, topology: str) -> Row | None:
        """Return the row of a topology, if it has any samples."""
        return next(
            (each for each in self.rows if each.topology == topology and each.samples), None
        )


@dataclass(slots=True)
class Shown:
    """One topology, as it is printed beside its rows."""

    name: str
    title: str
    front: str
    facts: dict[str, str] = field(default_factory=dict)
    config: list[str] = field(default_factory=list)
    reason: str = ""
    """Why it did not start."""


@dataclass(slots=True)
class Report:
    """Everything."""

    taken_at: str
    app: str
    seed: int
    quick: bool
    rounds: int
    machine: dict[str, str]
    versions: dict[str, str]
    setup: dict[str, str]
    requests: list[str]
    topologies: list[Shown] = field(default_factory=list)
    scenarios: list[Scenario] = field(default_factory=list)
    partial: bool = False
    """Whether the run was interrupted."""
    seconds: float = 0.0
    not_measured: list[str] = field(default_factory=list)

    def scenario(self, name: str) -> Scenario | None:
        """Return a scenario, if it was run."""
        return next((each for each in self.scenarios if each.name == name), None)

    def row(self, scenario: str, topology: str) -> Row | None:
        """Return a row with samples."""
        found = self.scenario(scenario)
        return found.row(topology) if found else None

    def title(self, topology: str) -> str:
        """Return what a topology is, in words."""
        return next((each.title for each in self.topologies if each.name == topology), topology)

    def difference(self, scenario: str, a: str, b: str, value: str) -> Estimate | None:
        """Estimate b - a from the rounds that both were measured in."""
        pairs = self._pairs(scenario, a, b, value)
        return difference(*pairs) if pairs else None

    def ratio(self, scenario: str, a: str, b: str, value: str) -> Estimate | None:
        """Estimate b / a from the rounds that both were measured in."""
        pairs = self._pairs(scenario, a, b, value)
        if pairs is None or min(*pairs[0], *pairs[1]) <= 0:
            return None
        return ratio(*pairs)

    def _pairs(
        self, scenario: str, a: str, b: str, value: str
    ) -> tuple[list[float], list[float]] | None:
        one, other = self.row(scenario, a), self.row(scenario, b)
        if one is None or other is None:
            return None
        left = {each.round: each.values.get(value) for each in one.samples}
        found = [
            (left[each.round], each.values[value])
            for each in other.samples
            if left.get(each.round) is not None and value in each.values
        ]
        if not found:
            return None
        return [float(x or 0.0) for x, _ in found], [y for _, y in found]

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no report, or of another schema.
        """
        said: dict[str, Any] = json.loads(text)
        if said.pop("schema", None) != SCHEMA:
            raise ValueError(f"not a report of schema {SCHEMA}")
        said.pop("verdicts", None)
        scenarios = [_scenario(each) for each in said.pop("scenarios")]
        topologies = [Shown(**each) for each in said.pop("topologies")]
        return cls(**said, scenarios=scenarios, topologies=topologies)


def load(path: Path) -> Report:
    """Read a report from a file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return Report.from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}: not a report.json of this version of the lab") from None


def _scenario(said: dict[str, Any]) -> Scenario:
    rows = [
        Row(each["topology"], [Sample(**one) for one in each["samples"]], each["reason"])
        for each in said.pop("rows")
    ]
    return Scenario(**said, rows=rows)
