"""The page of a sweep: what follows from it, the curve, and every row. Pure."""

from proxy.lab.report.page import escape, figure, fill, table
from proxy.lab.report.plots import Point as Dot
from proxy.lab.report.plots import fitted
from proxy.lab.report.statistics import median
from proxy.lab.report.verdict import duration
from proxy.lab.sweep.runner import Findings, Point, Sweep, findings


def render(sweep: Sweep) -> str:
    """Return the page."""
    found = findings(sweep)
    first, *others = found.answers
    notices = "".join(f'<p class="notice">{escape(each)}</p>' for each in _notices(sweep))
    body = (
        f"<h1>How many workers? {escape(sweep.app)}</h1>"
        f'<p class="soft">{escape(sweep.taken_at)}, {escape(sweep.title)}, {sweep.rounds} rounds '
        f"of {sweep.seconds:g} s, {sweep.clients} clients in a closed loop, {sweep.cores} cores, "
        f"seed {sweep.seed}. Asked for: {escape(', '.join(sweep.requests))}.</p>"
        f'<section class="overall" id="answer"><p class="answer">{escape(first)}</p>'
        + "".join(f"<p>{escape(each)}</p>" for each in others)
        + f"</section>{notices}{_plot(sweep, found)}<h2>Rows</h2>{_rows(sweep)}"
        + "<h2>What was run</h2>"
        + "".join(_config(each) for each in sweep.points)
        + f"<h2>Circumstances</h2>{table((), _cells(sweep))}"
    )
    return fill(sweep.app, body)


def _notices(sweep: Sweep) -> list[str]:
    found = [
        "Generator, front end and workers shared the cores: the knee of a quick application comes "
        "early, because nothing is left for more workers."
    ]
    if sweep.partial:
        found.insert(0, "The sweep was interrupted.")
    found += sorted({each for point in sweep.points for each in point.warnings})
    return found


def _plot(sweep: Sweep, found: Findings) -> str:
    dots = [
        Dot(each.processes, median(each.per_s), min(each.per_s), max(each.per_s))
        for each in sweep.points
        if each.per_s
    ]
    if not dots:
        return ""
    line = []
    if found.law is not None:
        most = max(dot.x for dot in dots)
        line = [(n, found.law.at(n)) for n in (1 + at * (most - 1) / 60 for at in range(61))]
    words = "Requests per second by workers: median, lowest and highest round"
    words += ", and the scalability law." if line else "."
    return figure("Throughput", words, fitted(dots, line, "throughput by workers"))


def _rows(sweep: Sweep) -> str:
    heads = ("workers", "good/s", "lowest", "highest", "p99", "failed", "memory MB", "")
    rows = []
    for each in sweep.points:
        seen = each.per_s or [0.0]
        numbers = (median(seen), min(seen), max(seen))
        rows.append(
            (
                str(each.processes),
                *(f"{number:,.0f}" for number in numbers),
                duration(median(each.p99_us)) if each.p99_us else "-",
                str(each.failed),
                f"{each.memory_kb / 1024:,.0f}",
                f'<span class="bad">{escape(each.reason)}</span>' if each.reason else "",
            )
        )
    ids = [f"workers-{each.processes}" for each in sweep.points]
    return table(heads, rows, (0, 1, 2, 3, 4, 5, 6), ids)


def _config(point: Point) -> str:
    lines = "".join(f"<pre>{escape(each)}</pre>" for each in point.config)
    return f"<details><summary>{point.processes} workers</summary>{lines}</details>"


def _cells(sweep: Sweep) -> list[tuple[str, str]]:
    return [(escape(name), escape(value)) for name, value in sweep.machine.items()]
