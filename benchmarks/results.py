"""What a run found: values, their statistics, and the JSON that holds them.

The JSON (schema 1), all sizes in the units that the names say:

    schema, taken_at (UTC), commit, quick, rounds, seconds, run_seconds
    machine      {label: text}
    versions     {program: text}
    configs      {variant: text of its configuration or command line; $DIR is the run's folder}
    workloads    [{name, title, kind: load | transfer | idle | slow | overload | mixed, detail,
                   taken_at, commit,                  empty: those of the report
                   rounds: [{variant: sample}],       in the order in which they were measured
                   failed: {variant: why},
                   summary: {metric: {variant: median, ..., "ratio": {median, min, max},
                             "of_ceiling": {variant: {median, min, max}}}}}]
    sample       the fields of Sample

`ratio` is proxy / nginx, taken in each round from two samples measured one after the other, then
summarised; it is not the ratio of the medians. `of_ceiling` is the same against the variant
`ceiling`, in workloads that have one. `summary` is derived and ignored when read back.
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
KEPT = "kept"
"""The proxy again, with persistent connections to a uWSGI of its own."""
TWINS = {OURS: "compiled", KEPT: "kept-compiled"}
"""Both again, in the compiled build."""
CEILING = "ceiling"
"""nginx with as many clients as keep every worker busy without one failing: what is possible."""
CONTEST_KINDS = ("overload", "mixed")
"""The kinds of workload that compare ways to share out workers: latencies in ms, failures."""
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
    """Answers that count: of contests, the 2xx that came within `seconds`."""
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
    answered: int = 0
    """Of contests: all 2xx, including those after `seconds` to requests sent within."""
    elapsed_s: float = 0.0
    """Of contests: `seconds` and the wait for the last answers, over which CPU time was taken."""
    p95_us: float | None = None
    max_us: float | None = None
    quick_us: dict[str, float] = field(default_factory=dict)
    """p50, p95, p99 and max of the requests that asked for little (mixed)."""
    late_p99_us: float = 0.0
    """By which the generator itself was late (mixed)."""

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
        if elapsed_s := self.elapsed_s or self.seconds:
            found["generator_cores"] = self.generator_cpu_s / elapsed_s
            found["frontend_cores"] = self.frontend_cpu_s / elapsed_s
            found["other_cores"] = (self.other_cpu_s + self.stolen_s) / elapsed_s
        if self.idle_connections:
            found["kb_per_connection"] = (self.pss_kb - self.pss_before_kb) / self.idle_connections
        if self.p50_us is not None and self.p99_us is not None:
            found["p50_us"] = self.p50_us
            found["p99_us"] = self.p99_us
        return found | self._contest_values()

    def _contest_values(self) -> dict[str, float]:
        """Return what only contests have."""
        if self.p50_us is None or self.p95_us is None or self.p99_us is None or self.max_us is None:
            return {}
        failed = sum(self.errors.values())
        found = {"failed_percent": 100 * failed / max(failed + self.answered, 1)}
        if self.answered:
            times = {"p50": self.p50_us, "p95": self.p95_us, "p99": self.p99_us, "max": self.max_us}
            found |= {f"{name}_ms": value / 1000 for name, value in times.items()}
            found |= {f"quick_{name}_ms": value / 1000 for name, value in self.quick_us.items()}
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
    taken_at: str = ""
    """If not with the rest of its report."""
    commit: str = ""

    def spread(self, variant: str, metric: str) -> Spread | None:
        """Summarise one metric of one variant over the rounds."""
        samples = (each[variant].values for each in self.rounds if variant in each)
        return Spread.of(values[metric] for values in samples if metric in values)

    def ratio(self, metric: str, variant: str = OURS, base: str = THEIRS) -> Spread | None:
        """Summarise proxy / nginx (or other variants) of the rounds that have both."""
        pairs = [
            (each[variant].values.get(metric), each[base].values.get(metric))
            for each in self.rounds
            if variant in each and base in each
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
        if self.kind not in {"load", "transfer", *CONTEST_KINDS}:
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
            row["ratio"] = _rounded(ratio)
        if metric == "requests_per_s" and CEILING in self.variants:
            spreads = {name: self.ratio(metric, name, CEILING) for name in self.variants}
            row["of_ceiling"] = {name: _rounded(each) for name, each in spreads.items() if each}
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

    def take(self, newer: "Report") -> None:
        """Put the workloads of another report here, in place of those of the same names.

        Raises:
            ValueError: it is of another machine or of other versions, so nothing would compare.
        """
        if _without_load(self) != _without_load(newer):
            raise ValueError("the earlier run was on another machine or with other versions")
        for each in newer.workloads:
            each.taken_at, each.commit = newer.taken_at, newer.commit
        taken = {each.name: each for each in newer.workloads}
        kept = [taken.pop(each.name, each) for each in self.workloads]
        self.workloads = [*kept, *taken.values()]
        self.configs |= newer.configs

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


def _without_load(report: Report) -> tuple[dict[str, str], dict[str, str]]:
    machine = {name: text for name, text in report.machine.items() if "load" not in name}
    return machine, report.versions


def _rounded(spread: Spread) -> dict[str, float]:
    return {key: round(value, 4) for key, value in asdict(spread).items()}


def _workload(row: dict[str, Any]) -> WorkloadResult:
    row.pop("summary", None)
    rounds = [
        {variant: Sample(**sample) for variant, sample in each.items()}
        for each in row.pop("rounds")
    ]
    return WorkloadResult(**row, rounds=rounds)
