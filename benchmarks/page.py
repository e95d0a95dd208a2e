"""docs/benchmarks.md: tables with the method, the machine and the limits around them.

Pure: a `Report` goes in, Markdown comes out. No number here that is not in the report.
"""

from collections.abc import Iterable, Sequence

from benchmarks.contest_page import METHOD, UNMEASURED, contestants, reading
from benchmarks.report import (
    COLUMNS,
    DISTURBED_CORES,
    OTHER,
    Metric,
    aims,
    errors_text,
    medians,
    ratios,
    spread_text,
)
from benchmarks.results import (
    CONTEST_KINDS,
    CONTROL,
    KEPT,
    OURS,
    THEIRS,
    TWINS,
    Report,
    WorkloadResult,
)

RAW: dict[str, tuple[Metric, ...]] = {
    kind: (
        *(metric for metric in columns if not metric.base),
        *([OTHER] if kind in {"load", "transfer", *CONTEST_KINDS} else []),
    )
    for kind, columns in COLUMNS.items()
}
_KEPT = """
  `kept` is the proxy with a persistent connection to each process of a uWSGI of its own
  (`--puwsgi-socket`, `keepalive=2`, or 8)."""
_PAIRS = (
    (OURS, THEIRS),
    (KEPT, THEIRS),
    (KEPT, OURS),
    *((twin, THEIRS) for twin in TWINS.values()),
    *((twin, name) for name, twin in TWINS.items()),
)
_OTHERS = (KEPT, *TWINS.values())
_COMPILED = """
  `compiled` and `kept-compiled` are the same in the compiled build (`make compiled`)."""
KINDS = {
    "load": "Requests",
    "transfer": "Huge replies",
    "idle": "Idle keep-alive connections",
    "slow": "A slow client",
    "overload": "Overload",
    "mixed": "Slow requests among quick ones",
}


def render(report: Report) -> str:
    """Return docs/benchmarks.md."""
    parts = [
        _opening(report),
        *(_section(report, kind) for kind in KINDS),
        _method(report),
        _limits(report),
        _machine(report),
        _configs(report),
        _raw(report),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _opening(report: Report) -> str:
    table = _table(["aim", "wanted", "measured: median (min-max)", "reached"], aims(report))
    kind = "quick run (for development only)" if report.quick else "full run"
    commit = f" of commit {report.commit}" if report.commit else ""
    return f"""\
# Benchmarks

Written by `make bench` (`python -m benchmarks`); edit the code, not this page. This is a
{kind}{commit}, taken {report.taken_at}: {report.rounds} rounds of {report.seconds} s per workload
and variant, {report.run_seconds:.0f} s in all. The same numbers, with every round, are in
`benchmarks/results/latest.json` (schema: `benchmarks/results.py`).

nginx is the measure because it is what people put before uWSGI today. A Python proxy does not match
its CPU time per request, and a benchmark of small replies on an idle machine shows nothing of what
a front end is for: slow clients, full queues, failing workers. Read these numbers as the price;
*Overload* and *Slow requests among quick ones* show some of what it buys.

## Aims

{table if table else "No workload with an aim was run."}

{_noise(report)}"""


def _noise(report: Report) -> str:
    """Say how far a ratio of two equal front ends strays, and which rows were disturbed."""
    said = []
    for result in report.workloads:
        if strayed := ratios(result, CONTROL):
            said.append(
                f"Noise: a second nginx against the first, {result.title}: {'; '.join(strayed)}."
            )
        if result.disturbance > DISTURBED_CORES:
            cores = f"{result.disturbance:.2f} cores"
            said.append(f"Disturbed: something else used up to {cores} during {result.title}.")
    return "\n\n".join(said)


def _section(report: Report, kind: str) -> str:
    results = [each for each in report.workloads if each.kind == kind]
    if not results:
        return ""
    columns = [metric.label for metric in COLUMNS[kind]]
    rows = [
        [result.title if at == 0 else "", *row]
        for result in results
        for at, row in enumerate(medians(result))
    ]
    text = [f"## {KINDS[kind]}", *_apart(results)]
    if kind in CONTEST_KINDS:
        text.extend(contestants(result) for result in results)
        text.append("Medians of the rounds (lowest-highest).")
    else:
        text.append("Medians of the rounds.")
    text.append(_table(["workload", "variant", *columns, "errors"], rows))
    if compared_rows := _ratio_rows(results, kind):
        compared = [metric.label for metric in COLUMNS[kind] if metric.compared]
        text.append(f"{_pairs(results)}, taken round by round: median (min-max).")
        text.append(_table(["workload", *compared], compared_rows))
    if kind in CONTEST_KINDS:
        text.append(reading(kind))
    text.extend(_failures(results))
    return "\n\n".join(text)


def _apart(results: Iterable[WorkloadResult]) -> list[str]:
    """Say which results are of another run than the rest."""
    return [
        f"Measured apart from the rest, {result.taken_at}"
        + (f", commit {result.commit}" if result.commit else "")
        + f": {result.title}."
        for result in results
        if result.taken_at
    ]


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
        for variant, base in _PAIRS:
            spreads = [result.ratio(metric.key, variant, base) for metric in compared]
            if any(spreads):
                cells = ["-" if spread is None else spread_text(spread, 2) for spread in spreads]
                pair = "" if variant == OURS else f": {variant} / {base}"
                rows.append([result.title + pair, *cells])
    return rows


def _pairs(results: Iterable[WorkloadResult]) -> str:
    return "proxy / nginx, and what else is named" if _has(results, *_OTHERS) else "proxy / nginx"


def _has(results: Iterable[WorkloadResult], *names: str) -> bool:
    return any(name in result.variants for result in results for name in names)


def _method(report: Report) -> str:
    more = _KEPT if _has(report.workloads, KEPT) else ""
    more += _COMPILED if _has(report.workloads, *TWINS.values()) else ""
    return f"""\
## Method

- One uWSGI with two processes answers for everybody (`benchmarks/app.py`); *many workers* are eight
  on the same two cores, and *Overload* and *Slow requests among quick ones* see below. The front
  ends are nginx with one worker process, and the proxy with metrics on; both with the access log
  off, the same keep-alive, body limit and body buffer, everything else at its defaults. `router` is
  uWSGI's own `--http` router: it buffers nothing, so it is there for context and not in the
  ratios.{more}
  `control` is a second nginx: its ratio to the first is the noise of the method.
- Each workload starts its front ends anew, checks one answer, makes 100 requests and one second of
  load that are thrown away, and then goes round: nginx, proxy; proxy, nginx; and so on (more of
  them by Williams' design: each behind each other equally often). Only one is under load at a time.
  A ratio is taken within a round, from two samples that are seconds apart.
- Load comes from wrk, one thread, {report.seconds} s, over 127.0.0.1. The 100 MB reply is read by a
  process of its own into one reused buffer, again and again on one connection.
- *CPU us/request* is user and system time of the front end, all its threads and processes, from
  `/proc/PID/stat` before and after the load, divided by the number of responses that wrk received.
  *app* is the same for uWSGI. *generator cores* is the CPU time of the generator divided by the
  time it ran; *other cores*, in the raw numbers, is what the machine spent on anything else,
  hypervisor included.
- *PSS* is the memory of the front end after the load, shared pages divided by those who share them;
  *peak RSS* is VmHWM of its largest process.
- 5,000 idle connections: each makes one request and stays; the difference of PSS before and after,
  divided by their number. That none has been closed meanwhile is checked. nginx allocates a slot
  for each of its 16,384 possible connections when it starts, which is not in the difference.
- Slow client: asks for 1 GB, reads 4 MB/s for ten seconds into a 64 KB socket buffer, closes.
- *errors* are counted by wrk: failed connects, reads and writes, timeouts, `status` above 399.
{METHOD}"""


def _limits(report: Report) -> str:
    samples = [
        sample.frontend_cpu_s
        for result in report.workloads
        if result.kind in {"load", "transfer"}
        for each in result.rounds
        for sample in each.values()
    ]
    worst = 0.01 / max(min(samples, default=1.0), 0.01)
    return f"""\
## Limits of the method

- Generator, front end and application share the cores of one machine. Requests/s and latency
  are therefore those of the three together, and a cheaper front end leaves more for the others;
  **CPU per request is the number to compare**.
- wrk is a closed loop: a stall delays the requests that would have come during it, and these are
  not counted as slow. The percentiles are those of a saturated server. They say nothing of a
  service at a given rate of arrivals; the row with one client is the nearest to an unloaded one.
- The resolution of CPU time is one clock tick, 10 ms: in the cheapest round here {worst:.0%}.
  Time that the kernel spends in interrupts for the loopback device is charged to whoever runs at
  the moment.
- Responses still under way when wrk stops have cost CPU time and are not counted; at most one per
  connection and round.
- nginx has its default reply buffers; somebody who knows the replies can tune them. It writes what
  its client is slow to take to a temporary file. Files, page cache and socket buffers are in no
  column of memory, for any front end.
- One virtual machine, one kernel. Ratios travel better than absolute numbers, and neither travels
  far: run it where you would deploy it.
- Loopback only: no network, no loss, no TLS.
{UNMEASURED}"""


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
             errors_text(sample.errors)]
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
