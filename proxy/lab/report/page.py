"""The report as one HTML page: the answers first, then the plots, then every row with its facts.

Pure: a report in, a page out. Self-contained: no script, nothing is fetched.
"""

import html
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy.lab.load.latency import Latencies
from proxy.lab.report.plots import Bar, Curve, bars, curves, stacked
from proxy.lab.report.results import HELD, SENT_BY_WRK, Report, Row, Scenario, Shown
from proxy.lab.report.verdict import AGAIN, Verdict, duration, errors, struck
from proxy.lab.report.verdicts import verdicts
from proxy.lab.stand.variants import base_of

_TEMPLATE = Path(__file__).with_name("report.html")
_BUSY = 0.5
"""Load average per core from which on a machine is not quiet."""
_FACTS = ("workers", "listen queue", "keep-alive", "link")


def render(report: Report) -> str:
    """Return the page."""
    found = verdicts(report)
    parts = [
        _head(report),
        _overall(found[0]),
        _notices(report, found),
        _answers(found[1:]),
        _plots(report),
        _not_measured(report),
        *(_scenario(report, each) for each in report.scenarios),
        _configurations(report),
        _circumstances(report),
    ]
    return fill(report.app, "\n".join(parts))


def fill(app: str, body: str) -> str:
    """Return a page with this body."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    return text.replace("{{app}}", escape(app)).replace("{{body}}", body)


def escape(text: str) -> str:
    """Return text as HTML."""
    return html.escape(text)


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int] = (),
    ids: Sequence[str] = (),
) -> str:
    """Return a table; cells are markup, columns in `numbers` are set to the right.

    Args:
        ids: of the rows, so that pages can link to one of them.
    """

    def line(cells: Sequence[str], tag: str) -> str:
        marks = (' class="n"' if at in numbers else "" for at in range(len(cells)))
        return "".join(
            f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, cells, strict=True)
        )

    head = f"<thead><tr>{line(heads, 'th')}</tr></thead>" if heads else ""
    marks = [f' id="{escape(each)}"' for each in ids] or [""] * len(rows)
    body = "".join(
        f"<tr{mark}>{line(row, 'td')}</tr>" for mark, row in zip(marks, rows, strict=True)
    )
    kind = "wide rows" if heads and not heads[0] else "wide"
    return f'<div class="{kind}"><table>{head}<tbody>{body}</tbody></table></div>'


def figure(title: str, caption: str, drawing: str) -> str:
    """Return a plot with its words; nothing without a plot."""
    if not drawing:
        return ""
    words = f"<figcaption><b>{escape(title)}</b>{escape(caption)}</figcaption>"
    return f"<figure>{words}{drawing}</figure>"


def row_id(scenario: str, topology: str) -> str:
    """Return the name of a row within the page, for links."""
    return f"row-{scenario}-{topology}"


def group_of(report: Report, topology: str) -> str:
    """Return the class of a topology's colour."""
    front = next((each.front for each in report.topologies if each.name == topology), "")
    return front if front in ("nginx", "proxy") else "direct"


def _head(report: Report) -> str:
    requests = ", ".join(report.requests)
    return (
        f"<h1>Front end or not? {escape(report.app)}</h1>"
        f'<p class="soft">{escape(report.taken_at)}, {report.seconds:.0f} s, '
        f"{report.rounds} rounds, seed {report.seed}. Workers: "
        f"{escape(report.setup.get('workers', '?'))}. Asked for: {escape(requests)}.</p>"
    )


def _overall(verdict: Verdict) -> str:
    return (
        f'<section class="overall" id="overall"><h3>{escape(verdict.question)}</h3>'
        f'<p class="answer">{escape(verdict.answer)}</p>{_numbers(verdict)}</section>'
    )


def _numbers(verdict: Verdict) -> str:
    if not verdict.numbers:
        return ""
    return table((), [(escape(name), escape(text)) for name, text in verdict.numbers])


def _notices(report: Report, answers: Sequence[Verdict]) -> str:
    found = []
    if report.partial:
        found.append("The run was interrupted: what follows is what had been measured by then.")
    if report.quick:
        found.append(
            "A quick run: short loads, few rounds. Take it for a first look, not for a decision."
        )
    load, cores = report.machine.get("load average at start", ""), report.machine.get("cores", "")
    if load and cores and float(load.split()[0]) > _BUSY * int(cores):
        found.append(
            f"The machine was busy with something else when the run began (load average "
            f"{load.split()[0]} on {cores} cores): take differences with care."
        )
    found += [each.answer for each in answers if each.key == "noise" and each.word != "equal"]
    late = {
        each
        for scenario in report.scenarios
        for row in scenario.rows
        for sample in row.samples
        for each in sample.warnings
    }
    if late:
        found.append(f"In {len(late)} loads the generator was the limit or late; see the rows.")
    found.append(
        f"Load generator, front end and workers shared {cores or 'some'} cores: throughput at "
        "saturation says who leaves most of them to the others. The CPU columns say where it went."
    )
    return "".join(f'<p class="notice">{escape(each)}</p>' for each in found)


def _answers(found: Sequence[Verdict]) -> str:
    cards = "".join(
        f'<section class="card" id="{escape(each.key)}">'
        f'<span class="word {escape(each.word)}">{escape(each.word)}</span>'
        f"<h3>{escape(each.question)}</h3><p>{escape(each.answer)}</p>{_numbers(each)}</section>"
        for each in found
    )
    return f'<h2>Answers</h2><div class="cards">{cards}</div>'


def _plots(report: Report) -> str:
    drawn = [
        figure(
            "Throughput at saturation",
            "Good answers per second: median, and from the lowest to the highest round.",
            _bars(report, "saturation", "per_s", lambda value: f"{value:,.0f}/s"),
        ),
        figure(
            "CPU time per request at saturation",
            "Microseconds: front end (blue) and application server (yellow).",
            _cpu(report, "saturation"),
        ),
        figure(
            "Median latency with one client, a new connection for each request",
            "A path that does nothing; median and spread over the rounds.",
            _bars(report, "hop", "p50_us", duration),
        ),
        figure(
            "CPU time of a new connection and its request, plain and with TLS",
            "Microseconds: front end (blue) and application server (yellow).",
            _cpu(report, "tls-new"),
        ),
        figure(
            "Replies of 1 MB with other socket buffers",
            "How long they take, four clients: median and spread over the rounds.",
            _bars(report, "buffers-1m", "p50_us", duration),
        ),
        figure(
            "How long slow clients hold the workers",
            "When the next request was answered, while as many clients as workers read slowly.",
            _bars(report, "buffers-held", HELD, duration),
        ),
        *(
            figure(
                name,
                "Part of the requests (right: the slowest) that were answered within a time.",
                _curves(report, key),
            )
            for key, name in (
                ("rate-50", "Latencies at half of what the slowest can do"),
                ("rate-80", "Latencies at four fifths of what the slowest can do"),
            )
        ),
        *(
            figure(title, "Requests of the other clients that were answered.", _shares(report, key))
            for key, title in (
                ("slow-uploads", "Beside slow uploads"),
                ("slow-downloads", "Beside slow downloads"),
                ("burst", "In a burst"),
                ("kill", "While a worker is killed"),
                ("reload", "During a graceful reload"),
            )
        ),
    ]
    return "<h2>Plots</h2>" + "".join(drawn)


def _rows(report: Report, scenario: str) -> list[Row]:
    found = report.scenario(scenario)
    return [each for each in found.rows if each.samples] if found else []


def _bars(report: Report, scenario: str, value: str, say: Callable[[float], str]) -> str:
    drawn = []
    for row in _rows(report, scenario):
        if seen := row.values(value):
            # The title of a variant is longer than what has room beside a bar.
            name = row.topology if base_of(row.topology)[1] else report.title(row.topology)
            group = group_of(report, row.topology)
            middle = row.middle(value)
            drawn.append(Bar(name, group, middle, min(seen), max(seen), say(middle)))
    return bars(drawn, f"{scenario}: {value}") if drawn else ""


def _cpu(report: Report, scenario: str) -> str:
    rows = [
        (
            report.title(row.topology),
            [("proxy", row.middle("front_us")), ("app", row.middle("app_us"))],
        )
        for row in _rows(report, scenario)
        if row.topology != AGAIN and row.values("app_us")
    ]
    return stacked(rows, "CPU time per request") if rows else ""


def _curves(report: Report, scenario: str) -> str:
    drawn = []
    for row in _rows(report, scenario):
        texts = [each.histogram for each in row.samples if each.histogram]
        if texts and row.topology != AGAIN:
            points = Latencies.sum(texts).curve()
            name = report.title(row.topology)
            drawn.append(Curve(name, group_of(report, row.topology), points))
    return curves(drawn, f"latencies: {scenario}") if drawn else ""


def _shares(report: Report, scenario: str) -> str:
    drawn = []
    for row in _rows(report, scenario):
        share = 100 * row.outcomes.get("ok", 0) / row.asked if row.asked else 0.0
        name, group = report.title(row.topology), group_of(report, row.topology)
        drawn.append(Bar(name, group, share, share, share, f"{share:.3g} %"))
    return bars(drawn, scenario) if drawn else ""


def _not_measured(report: Report) -> str:
    items = "".join(f"<li>{escape(each)}</li>" for each in report.not_measured)
    return f"<h2>What was not measured</h2><ul>{items}</ul>"


def _scenario(report: Report, scenario: Scenario) -> str:
    reason = f'<p class="notice">{escape(scenario.reason)}</p>' if scenario.reason else ""
    ids = [row_id(scenario.name, row.topology) for row in scenario.rows]
    if any(row.values(HELD) for row in scenario.rows):
        rows = [_held_row(report, row) for row in scenario.rows]
        times = ("next served after", "shortest", "longest", "failed")
        drawn = table(("", *_FACTS, *times), rows, (5, 6, 7), ids)
    elif any(row.values("p50_us") or row.values("per_s") for row in scenario.rows):
        heads = ("", *_FACTS, "good/s", "p50", "p99", "max", "CPU us", "generator", "failed")
        rows = [_load_row(report, row) for row in scenario.rows]
        drawn = table(heads, rows, (5, 6, 7, 8, 9, 10), ids)
    else:
        rows = [_note_row(report, row) for row in scenario.rows]
        drawn = table(("", *_FACTS, "seen"), rows, ids=ids)
    return (
        f'<h2 id="scenario-{escape(scenario.name)}">{escape(scenario.title)}</h2>'
        f'<p class="soft">{escape(scenario.detail)}</p>{reason}{drawn}'
    )


def _facts(report: Report, row: Row) -> tuple[str, ...]:
    shown = next((each for each in report.topologies if each.name == row.topology), None)
    facts = shown.facts if shown else {}
    return (escape(report.title(row.topology)), *(escape(facts.get(f, "-")) for f in _FACTS))


def _load_row(report: Report, row: Row) -> tuple[str, ...]:
    def time_of(name: str) -> str:
        return duration(row.middle(name)) if row.values(name) else "-"

    cpu = "-"
    if row.values("cpu_us"):
        cpu = f"{row.middle('front_us'):.0f} + {row.middle('app_us'):.0f}"
    said = row.reason or errors(row)
    warned = sorted({each for sample in row.samples for each in sample.warnings})
    if any(SENT_BY_WRK in sample.notes for sample in row.samples):
        warned.append(SENT_BY_WRK)
    failed = f'<span class="bad">{escape(said)}</span>' if row.failed or row.reason else said
    return (
        *_facts(report, row),
        f"{row.middle('per_s'):,.0f}",
        *(time_of(name) for name in ("p50_us", "p99_us", "max_us")),
        cpu,
        f"{row.middle('generator_cores'):.2f}",
        "<br>".join([failed, *map(escape, [*struck(row), *warned])]),
    )


def _held_row(report: Report, row: Row) -> tuple[str, ...]:
    seen = row.values(HELD)
    times = [duration(each) for each in (row.middle(HELD), min(seen), max(seen))] if seen else []
    return (*_facts(report, row), *(times or ("-",) * 3), escape(row.reason or errors(row)))


def _note_row(report: Report, row: Row) -> tuple[str, ...]:
    notes = sorted({note for sample in row.samples for note in sample.notes})
    said = [row.reason] if row.reason else notes
    return (*_facts(report, row), "<br>".join(escape(each) for each in said))


def _configurations(report: Report) -> str:
    return "<h2>What was run</h2>" + "".join(map(_configuration, report.topologies))


def _configuration(shown: Shown) -> str:
    title = f"{escape(shown.title)} <code>{escape(shown.name)}</code>"
    if shown.reason:
        return f'<p>{title}: <span class="bad">{escape(shown.reason)}</span></p>'
    facts = ", ".join(f"{name}: {value}" for name, value in shown.facts.items())
    lines = "".join(f"<pre>{escape(each)}</pre>" for each in shown.config)
    return (
        f'<details><summary>{title}</summary><p class="facts">{escape(facts)}</p>{lines}</details>'
    )


def _circumstances(report: Report) -> str:
    rows = [*report.machine.items(), *report.versions.items(), *report.setup.items()]
    cells = [(escape(name), escape(value)) for name, value in rows]
    return f"<h2>Circumstances</h2>{table((), cells)}"
