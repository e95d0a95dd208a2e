"""What of a finished run is shown, by which name and in what unit; the run for the terminal.

Pure: results go in, text comes out. `page` builds docs/benchmarks.md on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import (
    CEILING,
    CONTROL,
    KEPT,
    OURS,
    THEIRS,
    TWINS,
    Report,
    Spread,
    WorkloadResult,
)

DISTURBED_CORES = 0.1
"""Of anybody else, from which on a workload is marked as disturbed."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One column."""

    key: str
    label: str
    digits: int = 0
    compared: bool = False
    """Whether the ratio of the two front ends is shown."""
    base: str = ""
    """The variant that it is a share of; empty for a number of its own."""
    ranged: bool = False
    """Whether its extremes over the rounds are shown beside the median."""

    def show(self, value: float | None) -> str:
        """Return the number as text, `-` without one."""
        return "-" if value is None else f"{value:,.{self.digits}f}"

    def of(self, result: WorkloadResult, variant: str) -> Spread | None:
        """Summarise it over the rounds."""
        if self.base:
            return result.ratio(self.key, variant, self.base)
        return result.spread(variant, self.key)

    def cell(self, result: WorkloadResult, variant: str) -> str:
        """Return the text of a table's cell: the median, with the extremes if they matter."""
        spread = self.of(result, variant)
        if spread is None or not self.ranged or spread.min == spread.max:
            return self.show(spread.median if spread else None)
        return f"{self.show(spread.median)} ({self.show(spread.min)}-{self.show(spread.max)})"


CPU = Metric("cpu_us", "CPU us/request", 1, compared=True)
RATE = Metric("requests_per_s", "requests/s", compared=True)
P50 = Metric("p50_us", "p50 us")
P99 = Metric("p99_us", "p99 us", compared=True)
APP = Metric("backend_cpu_us", "app CPU us/request", 1)
GENERATOR = Metric("generator_cores", "generator cores", 2)
PSS = Metric("pss_mb", "PSS MB", 1)
SPEED = Metric("mb_per_s", "MB/s", compared=True)
COST = Metric("cpu_s_per_gb", "CPU s/GB", 2, compared=True)
PER_IDLE = Metric("kb_per_connection", "KB/connection", 2, compared=True)
PEAK = Metric("peak_mb", "peak RSS MB", 1, compared=True)
OTHER = Metric("other_cores", "other cores", 2)
GOOD_RATE = Metric("requests_per_s", "2xx/s", 1, ranged=True)
SHARE = Metric("requests_per_s", "of ceiling", 3, base=CEILING, ranged=True)
FAILED = Metric("failed_percent", "failed %", 2, ranged=True)
P50_MS = Metric("p50_ms", "p50 ms", ranged=True)
P95_MS = Metric("p95_ms", "p95 ms", ranged=True)
P99_MS = Metric("p99_ms", "p99 ms", ranged=True)
MAX_MS = Metric("max_ms", "max ms", ranged=True)
QUICK_P95_MS = Metric("quick_p95_ms", "quick: p95 ms", ranged=True)
QUICK_P99_MS = Metric("quick_p99_ms", "quick: p99 ms", ranged=True)
FRONT = Metric("frontend_cores", "front end cores", 2)

COLUMNS: dict[str, tuple[Metric, ...]] = {
    "load": (RATE, P50, P99, CPU, APP, GENERATOR, PSS),
    "transfer": (SPEED, COST, GENERATOR, PSS),
    "idle": (PER_IDLE, PSS, PEAK),
    "slow": (PEAK, PSS),
    "overload": (GOOD_RATE, SHARE, FAILED, P50_MS, P99_MS, MAX_MS, FRONT),
    "mixed": (GOOD_RATE, P50_MS, P95_MS, P99_MS, MAX_MS, QUICK_P95_MS, QUICK_P99_MS, FAILED),
}


@dataclass(frozen=True, slots=True)
class Aim:
    """A number that the project set itself."""

    text: str
    workloads: tuple[str, ...]
    metric: Metric
    limit: float
    ratio: bool = False
    """Whether `limit` is for `variant` / `base` instead of the variant alone."""
    at_least: bool = False
    variant: str = OURS
    base: str = THEIRS

    def spread(self, result: WorkloadResult) -> Spread | None:
        """Summarise what was measured."""
        if self.ratio:
            return result.ratio(self.metric.key, self.variant, self.base)
        return result.spread(self.variant, self.metric.key)


AIMS = (
    Aim(
        "CPU per request, against nginx, unix socket, metrics on",
        ("hello-32", "hello-1", "hello-256", "browser", "browser-varied", "reply-64k", "upload-1m"),
        CPU, 1.7, ratio=True,
    ),
    *(
        Aim(f"{name}: requests/s, against nginx", ("hello-2", "hello-32", "hello-many"), RATE,
            1.0, ratio=True, at_least=True, variant=name)
        for name in (KEPT, TWINS[KEPT])
    ),
    Aim("kept: CPU per request, against the proxy without", ("hello-2", "hello-32"), CPU, 1.0,
        ratio=True, variant=KEPT, base=OURS),
    Aim("speed of a 100 MB reply, against nginx", ("reply-100m",), SPEED, 1.0, ratio=True,
        at_least=True),
    Aim("KB per idle connection", ("idle-5000",), PER_IDLE, 4.0),
    Aim("peak RSS in MB, 1 GB reply to a slow client", ("slow-1g",), PEAK, 60.0),
    *(
        aim
        for name in (OURS, "proxy-uncapped", "proxy-posts")
        for aim in (
            Aim(f"{name}: failed requests in per cent", ("overload",), FAILED, 0.0, variant=name),
            Aim(f"{name}: 2xx/s, of what the workers can do", ("overload",), GOOD_RATE, 0.95,
                ratio=True, at_least=True, variant=name, base=CEILING),
        )
    ),
)  # fmt: skip


def lines(result: WorkloadResult) -> list[str]:
    """Return one workload for the terminal: a row per variant, then the ratios."""
    found = [f"{result.name}: {result.title}"]
    if rows := medians(result):
        head = ["", *(metric.label for metric in COLUMNS[result.kind]), "errors"]
        found.extend("  " + line for line in _aligned([head, *rows]))
    for name in (OURS, KEPT, *TWINS.values(), CONTROL):
        if compared := ratios(result, name):
            found.append(f"  {name}/nginx, median (min-max of rounds): " + "; ".join(compared))
    if result.disturbance > DISTURBED_CORES:
        found.append(f"  disturbed: something else used up to {result.disturbance:.2f} cores")
    found.extend(f"  {name} failed: {why}" for name, why in result.failed.items())
    return found


def aims(report: Report) -> list[tuple[str, str, str, str]]:
    """Return (aim, wanted, measured, reached) for each aim whose workloads were run."""
    rows = []
    for aim in AIMS:
        for name in aim.workloads:
            result = report.find(name)
            if result is not None and aim.variant in {*result.variants, *result.failed}:
                rows.append(_aim_row(aim, result))
    return rows


def _aim_row(aim: Aim, result: WorkloadResult) -> tuple[str, str, str, str]:
    spread = aim.spread(result)
    sign, unit = (">=" if aim.at_least else "<="), "x" if aim.ratio else ""
    wanted = f"{sign} {aim.limit:g}{unit}"
    text = f"{aim.text} ({result.name})"
    if spread is None:
        return text, wanted, "-", "not measured"
    within = spread.median >= aim.limit if aim.at_least else spread.median <= aim.limit
    verdict = "yes" if within else "**no**"
    if result.errors(aim.variant):
        verdict = "**no** (errors)"  # requests that fail are cheap and say nothing
    return text, wanted, spread_text(spread, 2), verdict


def medians(result: WorkloadResult) -> list[list[str]]:
    """Return one row per variant: its name, the median of each column, its errors."""
    return [
        [
            name,
            *(metric.cell(result, name) for metric in COLUMNS[result.kind]),
            errors_text(result.errors(name)),
        ]
        for name in result.variants
    ]


def ratios(result: WorkloadResult, variant: str) -> list[str]:
    """Return `metric median (min-max)` of a variant against nginx, for the compared metrics."""
    found = []
    for metric in COLUMNS[result.kind]:
        if metric.compared and (spread := result.ratio(metric.key, variant)) is not None:
            found.append(f"{metric.label} {spread_text(spread, 2)}")
    return found


def errors_text(errors: dict[str, int]) -> str:
    """Return errors by kind, or `0`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in errors.items()) or "0"


def spread_text(spread: Spread, digits: int) -> str:
    """Return `median (min-max)`."""
    low, high = f"{spread.min:.{digits}f}", f"{spread.max:.{digits}f}"
    return f"{spread.median:.{digits}f} ({low}-{high})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with the first column left and the others right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
