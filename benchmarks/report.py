"""What of a finished run is shown, by which name and in what unit; the run for the terminal.

Pure: results go in, text comes out. `page` builds docs/benchmarks.md on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import CONTROL, OURS, Report, Spread, WorkloadResult

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

    def show(self, value: float | None) -> str:
        """Return the number as text, `-` without one."""
        return "-" if value is None else f"{value:,.{self.digits}f}"


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

COLUMNS: dict[str, tuple[Metric, ...]] = {
    "load": (RATE, P50, P99, CPU, APP, GENERATOR, PSS),
    "transfer": (SPEED, COST, GENERATOR, PSS),
    "idle": (PER_IDLE, PSS, PEAK),
    "slow": (PEAK, PSS),
}


@dataclass(frozen=True, slots=True)
class Aim:
    """A number that the project set itself."""

    text: str
    workloads: tuple[str, ...]
    metric: Metric
    limit: float
    ratio: bool = False
    """Whether `limit` is for proxy / nginx instead of the proxy alone."""
    at_least: bool = False


AIMS = (
    Aim(
        "CPU per request, against nginx, unix socket, metrics on",
        ("hello-32", "hello-1", "hello-256", "browser", "browser-varied", "reply-64k", "upload-1m"),
        CPU, 1.7, ratio=True,
    ),
    Aim("speed of a 100 MB reply, against nginx", ("reply-100m",), SPEED, 1.0, ratio=True,
        at_least=True),
    Aim("KB per idle connection", ("idle-5000",), PER_IDLE, 4.0),
    Aim("peak RSS in MB, 1 GB reply to a slow client", ("slow-1g",), PEAK, 60.0),
)  # fmt: skip


def lines(result: WorkloadResult) -> list[str]:
    """Return one workload for the terminal: a row per variant, then the ratios."""
    found = [f"{result.name}: {result.title}"]
    if rows := medians(result):
        head = ["", *(metric.label for metric in COLUMNS[result.kind]), "errors"]
        found.extend("  " + line for line in _aligned([head, *rows]))
    for name in (OURS, CONTROL):
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
            if result is not None and OURS in {*result.variants, *result.failed}:
                rows.append(_aim_row(aim, result))
    return rows


def _aim_row(aim: Aim, result: WorkloadResult) -> tuple[str, str, str, str]:
    key = aim.metric.key
    spread = result.ratio(key) if aim.ratio else result.spread(OURS, key)
    sign, unit = (">=" if aim.at_least else "<="), "x" if aim.ratio else ""
    wanted = f"{sign} {aim.limit:g}{unit}"
    text = f"{aim.text} ({result.name})"
    if spread is None:
        return text, wanted, "-", "not measured"
    within = spread.median >= aim.limit if aim.at_least else spread.median <= aim.limit
    verdict = "yes" if within else "**no**"
    if result.errors(OURS):
        verdict = "**no** (errors)"  # requests that fail are cheap and say nothing
    return text, wanted, spread_text(spread, 2), verdict


def medians(result: WorkloadResult) -> list[list[str]]:
    """Return one row per variant: its name, the median of each column, its errors."""
    rows = []
    for name in result.variants:
        row = [name]
        for metric in COLUMNS[result.kind]:
            spread = result.spread(name, metric.key)
            row.append(metric.show(spread.median if spread else None))
        rows.append([*row, errors_text(result.errors(name))])
    return rows


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
