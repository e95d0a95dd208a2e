"""Words and tables: a finished run for the terminal and for docs/benchmarks.md.

Pure: a `Report` goes in, text comes out. No number is computed here that is not in the report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.results import OURS, Report, Spread, WorkloadResult


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
RAW: dict[str, tuple[Metric, ...]] = {
    kind: (*columns, OTHER) if kind in {"load", "transfer"} else columns
    for kind, columns in COLUMNS.items()
}
KINDS = {
    "load": "Requests",
    "transfer": "Huge replies",
    "idle": "Idle keep-alive connections",
    "slow": "A slow client",
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
    if rows := _medians(result):
        head = ["", *(metric.label for metric in COLUMNS[result.kind]), "errors"]
        found.extend("  " + line for line in _aligned([head, *rows]))
    if ratios := _ratios(result):
        found.append("  proxy/nginx, median (min-max of rounds): " + "; ".join(ratios))
    found.extend(f"  {name} failed: {why}" for name, why in result.failed.items())
    return found


def render(report: Report) -> str:
    """Return docs/benchmarks.md."""
    parts = [
        _opening(report),
        *(_section(report, kind) for kind in KINDS),
        _method(report),
        _LIMITS,
        _machine(report),
        _configs(report),
        _raw(report),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def aims(report: Report) -> list[tuple[str, str, str, str]]:
    """Return (aim, wanted, measured, reached) for each aim whose workloads were run."""
    rows = []
    for aim in AIMS:
        for name in aim.workloads:
            result = report.find(name)
            if result is not None and OURS in result.variants:
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
    reached = spread.median >= aim.limit if aim.at_least else spread.median <= aim.limit
    return text, wanted, _spread(spread, 2), "yes" if reached else "**no**"


def _opening(report: Report) -> str:
    table = _table(["aim", "wanted", "measured: median (min-max)", "reached"], aims(report))
    kind = "quick run, for development only" if report.quick else "full run"
    commit = f" of commit {report.commit}" if report.commit else ""
    return f"""\
# Benchmarks

Written by `make bench` (`python -m benchmarks`); edit the code, not this page. This is a
{kind}{commit}, taken {report.taken_at}: {report.rounds} rounds of {report.seconds} s per workload
and variant, {report.run_seconds:.0f} s in all. The same numbers, with every round, are in
`benchmarks/results/latest.json` (schema: `benchmarks/results.py`).

nginx is the measure because it is what people put before uWSGI today. A Python proxy does not match
its CPU time per request, and a benchmark of small replies on an idle machine shows nothing of what
a front end is for: slow clients, full queues, failing workers. Read these numbers as the price.

## Aims

{table if table else "No workload with an aim was run."}"""


def _section(report: Report, kind: str) -> str:
    results = [each for each in report.workloads if each.kind == kind]
    if not results:
        return ""
    columns = [metric.label for metric in COLUMNS[kind]]
    rows = [
        [result.title if at == 0 else "", *row]
        for result in results
        for at, row in enumerate(_medians(result))
    ]
    text = [f"## {KINDS[kind]}", "Medians of the rounds."]
    text.append(_table(["workload", "variant", *columns, "errors"], rows))
    if ratios := _ratio_rows(results, kind):
        compared = [metric.label for metric in COLUMNS[kind] if metric.compared]
        text.append("proxy / nginx, taken round by round: median (min-max).")
        text.append(_table(["workload", *compared], ratios))
    text.extend(_failures(results))
    return "\n\n".join(text)


def _failures(results: Iterable[WorkloadResult]) -> list[str]:
    return [
        f"Not measured: {name} in {result.title}: `{why.splitlines()[0]}`"
        for result in results
        for name, why in result.failed.items()
    ]


def _ratio_rows(results: Iterable[WorkloadResult], kind: str) -> list[list[str]]:
    compared = [metric for metric in COLUMNS[kind] if metric.compared]
    rows = []
    for result in results:
        spreads = [result.ratio(metric.key) for metric in compared]
        if any(spreads):
            cells = ["-" if spread is None else _spread(spread, 2) for spread in spreads]
            rows.append([result.title, *cells])
    return rows


def _medians(result: WorkloadResult) -> list[list[str]]:
    """Return one row per variant: its name, the median of each column, its errors."""
    rows = []
    for name in result.variants:
        row = [name]
        for metric in COLUMNS[result.kind]:
            spread = result.spread(name, metric.key)
            row.append(metric.show(spread.median if spread else None))
        rows.append([*row, _errors(result.errors(name))])
    return rows


def _ratios(result: WorkloadResult) -> list[str]:
    found = []
    for metric in COLUMNS[result.kind]:
        if metric.compared and (spread := result.ratio(metric.key)) is not None:
            found.append(f"{metric.label} {_spread(spread, 2)}")
    return found


def _errors(errors: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in errors.items()) or "0"


def _spread(spread: Spread, digits: int) -> str:
    low, high = f"{spread.min:.{digits}f}", f"{spread.max:.{digits}f}"
    return f"{spread.median:.{digits}f} ({low}-{high})"


def _method(report: Report) -> str:
    return f"""\
## Method

- One uWSGI with two processes answers for everybody (`benchmarks/app.py`). The front ends are
  nginx with one worker process, and the proxy with metrics on; both with the access log off, the
  same keep-alive, body limit and body buffer, everything else at its defaults. `router` is uWSGI's
  own `--http` router: it buffers nothing, so it is there for context and not in the ratios.
- Each workload starts its front ends anew, checks one answer, makes 100 requests and one second of
  load that are thrown away, and then goes round: nginx, proxy; proxy, nginx; and so on. Only one is
  under load at a time. A ratio is taken within a round, from two samples that are seconds apart.
- Load comes from wrk, one thread, {report.seconds} s, over 127.0.0.1. The 100 MB reply is read by a
  process of its own into one reused buffer, ten times on one connection.
- *CPU us/request* is user and system time of the front end, all its threads and processes, from
  `/proc/PID/stat` before and after the load, by the number of responses that wrk received. *app* is
  the same for uWSGI. *generator cores* is the CPU time of the generator by the time it ran; *other
  cores*, in the raw numbers, is what the machine spent on anything else, hypervisor included.
- *PSS* is the memory of the front end after the load, shared pages divided by those who share them;
  *peak RSS* is VmHWM of its largest process.
- 5,000 idle connections: each makes one request and stays; the difference of PSS before and after,
  divided by their number. That none has been closed meanwhile is checked. nginx allocates a slot
  for each of its 16,384 possible connections when it starts, which is not in the difference.
- Slow client: asks for 1 GB, reads 4 MB/s for ten seconds into a 64 KB socket buffer, closes.
- *errors* are counted by wrk: failed connects, reads and writes, timeouts, `status` above 399."""


_LIMITS = """\
## Limits of the method

- Generator, front end and application share the cores of one machine. Requests/s and latency
  are therefore those of the three together, and a cheaper front end leaves more for the others;
  **CPU per request is the number to compare**.
- wrk is a closed loop: a stall delays the requests that would have come during it, and these are
  not counted as slow. The percentiles are those of a saturated server. They say nothing of a
  service at a given rate of arrivals; the row with one client is the nearest to an unloaded one.
- The resolution of CPU time is one clock tick, 10 ms, under one percent of any round but the
  shortest. Time that the kernel spends in interrupts for the loopback device is charged to whoever
  runs at the moment.
- Responses still under way when wrk stops have cost CPU time and are not counted; at most one per
  connection and round.
- nginx has its default reply buffers; somebody who knows the replies can tune them. It writes what
  its client is slow to take to a temporary file. Files, page cache and socket buffers are in no
  column of memory, for any front end.
- One virtual machine, one kernel. Ratios travel better than absolute numbers, and neither travels
  far: run it where you would deploy it.
- Loopback only: no network, no loss, no TLS."""


def _machine(report: Report) -> str:
    rows = [*report.machine.items(), *report.versions.items()]
    return "## Machine and versions\n\n" + _table(["what", "which"], rows)


def _configs(report: Report) -> str:
    text = ["## Configuration", "`$DIR` is a temporary folder, `PORT` chosen by the kernel."]
    for name, config in sorted(report.configs.items()):
        text.append(f"{name}:\n\n```\n{config.strip()}\n```")
    return "\n\n".join(text)


def _raw(report: Report) -> str:
    text = ["## Every round"]
    for result in report.workloads:
        metrics = RAW[result.kind]
        rows = [
            [str(at), name, *(metric.show(sample.values.get(metric.key)) for metric in metrics),
             _errors(sample.errors)]
            for at, each in enumerate(result.rounds, 1)
            for name, sample in each.items()
        ]  # fmt: skip
        text.append(f"### {result.name}: {result.title}\n\n{result.detail}")
        labels = [metric.label for metric in metrics]
        text.append(_table(["round", "variant", *labels, "errors"], rows))
    return "\n\n".join(text) if len(text) > 1 else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; empty without rows."""
    body = ["| " + " | ".join(row) + " |" for row in rows]
    if not body:
        return ""
    rule = "|" + " --- |" * len(head)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *body])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with the first column left and the others right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
