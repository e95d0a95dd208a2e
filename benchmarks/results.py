"""What a run found: values, their statistics, and the JSON that holds them.

The JSON (schema 1), all sizes in the units that the names say:

    schema, taken_at (UTC), commit, quick, rounds, seconds, run_seconds
    machine      {label: text}
    versions     {program: text}
    configs      {variant: text of its configuration or command line; $DIR is the run's folder}
    workloads    [{name, title, kind: load | transfer | idle | slow, detail,
                   rounds: [{variant: sample}],       in the order in which they were measured
                   failed: {variant: why},
                   summary: {metric: {variant: median, ..., "ratio": {median, min, max}}}}]
    sample       the fields of Sample

`ratio` is proxy / nginx, taken in each round from two samples measured one after the other, then
summarised; it is not the ratio of the medians. `summary` is derived and ignored when read back.
"""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
OURS, THEIRS = "proxy", "nginx"
CONTROL = "control"
"""A second nginx: its ratio to the first is what the method makes of no difference at all."""
MB = 1024 * 1024
GB = 1024 * MB


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and extremes of a few values."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Summarise; None without values."""
        held = list(values)
        if not held:
            return None
        return cls(statistics.median(held), min(held), max(held))


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one variant. Rates and costs are derived from it."""

    seconds: float
    requests: int
    body_bytes: int = 0
    """Request and response bodies; heads are not counted."""
    p50_us: float | None = None
    p99_us: float | None = None
    errors: dict[str, int] = field(default_factory=dict)
    frontend_cpu_s: float = 0.0
    backend_cpu_s: float = 0.0
    generator_cpu_s: float = 0.0
    other_cpu_s: float = 0.0
    """Of the machine, not accounted for by the three and the bench: somebody else was running."""
    stolen_s: float = 0.0
    """Taken by the hypervisor."""
    rss_kb: int = 0
    """Of the front end after the load, as pss_kb and peak_kb (see `measure.Memory`)."""
    pss_kb: int = 0
    peak_kb: int = 0
    idle_connections: int = 0
    pss_before_kb: int = 0

    @property
    def values(self) -> dict[str, float]:
        """Return all metrics that this sample can give, by the names of METRICS."""
        found: dict[str, float] = {"pss_mb": self.pss_kb / 1024, "peak_mb": self.peak_kb / 1024}
        if self.requests and self.seconds:
            found["requests_per_s"] = self.requests / self.seconds
            found["cpu_us"] = self.frontend_cpu_s / self.requests * 1e6
            found["backend_cpu_us"] = self.backend_cpu_s / self.requests * 1e6
        if self.body_bytes and self.seconds:
            found["mb_per_s"] = self.body_bytes / MB / self.seconds
            found["cpu_s_per_gb"] = self.frontend_cpu_s / (self.body_bytes / GB)
        if self.seconds:
            found["generator_cores"] = self.generator_cpu_s / self.seconds
            found["other_cores"] = (self.other_cpu_s + self.stolen_s) / self.seconds
        if self.idle_connections:
            found["kb_per_connection"] = (self.pss_kb - self.pss_before_kb) / self.idle_connections
        if self.p50_us is not None and self.p99_us is not None:
            found["p50_us"] = self.p50_us
            found["p99_us"] = self.p99_us
        return found


@dataclass
class WorkloadResult:
    """All rounds of one workload."""

    name: str
    title: str
    kind: str
    detail: str
    rounds: list[dict[str, Sample]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def spread(self, variant: str, metric: str) -> Spread | None:
        """Summarise one metric of one variant over the rounds."""
        samples = (each[variant].values for each in self.rounds if variant in each)
        return Spread.of(values[metric] for values in samples if metric in values)

    def ratio(self, metric: str, variant: str = OURS) -> Spread | None:
        """Summarise proxy (or another variant) / nginx of the rounds that have both."""
        pairs = [
            (each[variant].values.get(metric), each[THEIRS].values.get(metric))
            for each in self.rounds
            if variant in each and THEIRS in each
        ]
        return Spread.of(ours / theirs for ours, theirs in pairs if ours is not None and theirs)

    def errors(self, variant: str) -> dict[str, int]:
        """Add up the errors of one variant by kind."""
        total: dict[str, int] = {}
        for each in self.rounds:
            if variant in each:
                for kind, count in each[variant].errors.items():
                    total[kind] = total.get(kind, 0) + count
        return total

    @property
    def disturbance(self) -> float:
        """Return the most cores that anybody else used during a round of load; 0 if unknown."""
        if self.kind not in {"load", "transfer"}:
            return 0.0
        samples = (sample.values for each in self.rounds for sample in each.values())
        return max((values.get("other_cores", 0.0) for values in samples), default=0.0)

    @property
    def variants(self) -> list[str]:
        """Which variants have at least one sample; nginx first, then ours, then the rest."""
        seen = {variant for each in self.rounds for variant in each}
        return sorted(seen, key=lambda name: (name != THEIRS, name != OURS, name))

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Return medians and ratios of every metric that occurs."""
        samples = [sample for each in self.rounds for sample in each.values()]
        metrics = dict.fromkeys(metric for sample in samples for metric in sample.values)
        return {metric: self._summary(metric) for metric in metrics}

    def _summary(self, metric: str) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for variant in self.variants:
            if (spread := self.spread(variant, metric)) is not None:
                row[variant] = round(spread.median, 3)
        if (ratio := self.ratio(metric)) is not None:
            row["ratio"] = {key: round(value, 4) for key, value in asdict(ratio).items()}
        return row


@dataclass
class Report:
    """One run of the bench."""

    taken_at: str
    commit: str
    quick: bool
    rounds: int
    seconds: int
    run_seconds: float = 0.0
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    workloads: list[WorkloadResult] = field(default_factory=list)

    def find(self, name: str) -> WorkloadResult | None:
        """Return the workload of that name, if it was run."""
        return next((each for each in self.workloads if each.name == name), None)

    @property
    def failed(self) -> bool:
        """Whether any variant of any workload could not be measured."""
        return any(each.failed for each in self.workloads)


def dump(report: Report) -> str:
    """Return the JSON text of a report."""
    data = {"schema": SCHEMA, **asdict(report)}
    for row, workload in zip(data["workloads"], report.workloads, strict=True):
        row["summary"] = workload.summary
    return json.dumps(data, indent=1) + "\n"


def load(text: str) -> Report:
    """Read that JSON text.

    Raises:
        ValueError: it is not a report, or of another schema.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a benchmark report of schema {SCHEMA}")
    workloads = [_workload(row) for row in data.pop("workloads")]
    return Report(**data, workloads=workloads)


def save(report: Report, path: Path) -> None:
    """Write a report, making the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(report))


def _workload(row: dict[str, Any]) -> WorkloadResult:
    row.pop("summary", None)
    rounds = [
        {variant: Sample(**sample) for variant, sample in each.items()}
        for each in row.pop("rounds")
    ]
    return WorkloadResult(**row, rounds=rounds)
