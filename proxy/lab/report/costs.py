"""Answers about what things cost: the hop, throughput, latency, sockets, instances, and noise.

Pure functions of a report. Differences are those of pairs, with an interval (see `statistics`).
"""

from collections.abc import Callable

from proxy.lab.report.results import Report, Row
from proxy.lab.report.statistics import ALIKE, Estimate
from proxy.lab.report.verdict import (
    AGAIN,
    VALUES,
    Verdict,
    duration,
    fails,
    first_of,
    lost_percent,
    microseconds,
    rows_of,
    served,
    times,
)

FEW_ANSWERS = 10
"""Fewer than this in a load are no throughput: whether one more comes in time is chance."""


def noise(report: Report) -> Verdict | None:
    """Compare the first topology with itself."""
    found = []
    first = next((each.name for each in report.topologies if not each.reason), "")
    for scenario, value in (("saturation", "per_s"), ("hop", "p50_us"), ("hop", "cpu_us")):
        if (estimate := report.ratio(scenario, first, AGAIN, value)) is not None:
            found.append((f"{scenario}: {VALUES[value]}", estimate))
    if not found:
        return None
    question = "How much of this is noise? (A/A: the first topology against itself)"
    numbers = [(name, times(estimate)) for name, estimate in found]
    words = {estimate.word() for _, estimate in found}
    if any(each.beyond() for _, each in found):
        answer = (
            "The same thing measured twice came out different: this machine was too unsteady. "
            "Do not believe differences of this size; measure again on a quiet machine."
        )
        return Verdict("noise", question, "different", answer, numbers)
    if words == {"alike"}:
        answer = "The same thing measured twice came out equal, within 5 %."
        return Verdict("noise", question, "equal", answer, numbers)
    wide = max(max(each.high - 1, 1 - each.low) for _, each in found)
    answer = (
        f"No difference was found between the same thing and itself, but only within {wide:.0%}: "
        "smaller effects cannot be seen in this run."
    )
    return Verdict("noise", question, "unclear", answer, numbers)


def hop(report: Report) -> Verdict | None:
    """Say what a front end adds to a request."""
    base = first_of(report, "hop", ("uwsgi-direct", "gunicorn-direct"))
    if base is None:
        return None
    numbers, words = [], []
    server = base.partition("-")[0]
    for name in ("uwsgi-http", f"nginx-{server}", f"proxy-{server}"):
        late = report.difference("hop", base, name, "p50_us")
        cpu = report.difference("hop", base, name, "cpu_us")
        if late is None or cpu is None:
            continue
        numbers.append(
            (report.title(name), f"latency {microseconds(late)}, CPU {microseconds(cpu)}")
        )
        words.append((name, late, cpu))
    if not words:
        return None
    question = "What does the extra hop cost?"
    slower = [f"{report.title(n)} {e.value:.0f} us" for n, e, _ in words if e.word(0.0) == "more"]
    dearer = [f"{report.title(n)} {e.value:.0f} us" for n, _, e in words if e.word(0.0) == "more"]
    if not slower and not dearer:
        answer = f"Nothing could be shown against {report.title(base)}."
        return Verdict("hop", question, "unclear", answer, numbers)
    answer = f"Against {report.title(base)}, for each request on a new connection:"
    answer += f" latency rises at the median by {', '.join(slower)}." if slower else ""
    answer += f" CPU time rises by {', '.join(dearer)}." if dearer else ""
    if not slower:
        answer += " No added latency could be shown."
    return Verdict("hop", question, "costs", answer, numbers)


def throughput(report: Report) -> Verdict | None:
    """Say who does most at saturation."""
    rows = rows_of(report, "saturation")
    if not rows:
        return None
    question = "Which serves most, when there is always somebody waiting?"
    numbers = [(report.title(row.topology), served(row)) for row in rows]
    whole = [row for row in rows if not fails(row)]
    if len(whole) < 2:
        answer = "Only one was measured." if len(rows) < 2 else "Too few did it without failures."
        return Verdict("throughput", question, "unknown", answer, numbers)
    fewest = min(row.outcomes.get("ok", 0) / len(row.samples) for row in whole)
    if fewest < FEW_ANSWERS:
        answer = (
            f"There were too few answers to tell: {fewest:.0f} within a load. Give them more time "
            "(--seconds)."
        )
        return Verdict("throughput", question, "unknown", answer, numbers)
    best = max(whole, key=lambda row: row.middle("per_s"))
    behind: list[tuple[Row, Estimate]] = []
    even: list[tuple[Row, Estimate]] = []
    for row in whole:
        estimate = report.ratio("saturation", best.topology, row.topology, "per_s")
        if row is best or estimate is None:
            continue
        (behind if estimate.word() == "less" else even).append((row, estimate))
    answer = f"{report.title(best.topology)} has served most, {best.middle('per_s'):,.0f}/s. "
    if even:
        names = ", ".join(report.title(row.topology) for row, _ in even)
        answer += f"Not told apart from it: {names}. "
    answer += "".join(
        f"{report.title(row.topology)}: {1 - estimate.value:.0%} less. " for row, estimate in behind
    )
    doubt = sorted({each for row in rows for one in row.samples for each in one.warnings})
    numbers += [("doubt", each) for each in doubt]
    return Verdict(
        "throughput", question, best.topology if not even else "alike", answer.strip(), numbers
    )


def latency(report: Report) -> Verdict | None:
    """Say who answers soonest while there is room left."""
    scenario = next((n for n in ("rate-80", "rate-50") if report.scenario(n)), "")
    rows = rows_of(report, scenario)
    if not rows:
        return None
    numbers = [
        (
            report.title(row.topology),
            f"p50 {duration(row.middle('p50_us'))}, p99 {duration(row.middle('p99_us'))}, "
            f"max {duration(row.middle('max_us'))}, failed {lost_percent(row):.2f} %",
        )
        for row in rows
    ]
    question = "Who answers soonest, at a rate that everybody can serve?"
    fit = [row for row in rows if not fails(row) and row.values("p99_us")]
    if len(fit) < 2:
        return Verdict("latency", question, "unknown", "Too few kept up without failures.", numbers)
    best = min(fit, key=lambda row: row.middle("p99_us"))
    worse = [
        (row, estimate)
        for row in fit
        if (estimate := report.ratio(scenario, best.topology, row.topology, "p99_us"))
        and estimate.word(ALIKE) == "more"
    ]
    if not worse:
        answer = "No difference in the slowest hundredth (p99) was found."
        return Verdict("latency", question, "alike", answer, numbers)
    listed = "; ".join(f"{report.title(row.topology)} {e.value:.1f} times" for row, e in worse)
    answer = f"{report.title(best.topology)} has the lowest p99. Against it: {listed}."
    return Verdict("latency", question, best.topology, answer, numbers)


def pair(
    key: str, question: str, a: str, b: str, words: tuple[str, str, str]
) -> Callable[[Report], Verdict | None]:
    """Return a judge of b against a by CPU per request and latency of a hop.

    Args:
        words: sentences for: b costs less, b costs more, no difference.
    """

    def judge(report: Report) -> Verdict | None:
        scenario = "kept" if report.row("kept", a) else "hop"
        cpu = report.ratio(scenario, a, b, "cpu_us")
        late = report.difference(scenario, a, b, "p50_us")
        if cpu is None or late is None:
            return None
        numbers = [("CPU per request", times(cpu)), ("median latency", microseconds(late))]
        served = report.ratio("saturation", a, b, "per_s")
        if served is not None:
            numbers.append(("throughput at saturation", times(served)))
        judged = served.word() if served is not None else "unclear"
        word = judged if judged in ("more", "less") else _turned(cpu.word())
        answer = {"more": words[0], "less": words[1]}.get(word, words[2])
        return Verdict(key, question, word, answer, numbers)

    return judge


def _turned(word: str) -> str:
    """Less CPU is more of what is wanted."""
    return {"more": "less", "less": "more"}.get(word, word)


socket = pair(
    "socket", "Unix socket or TCP, between this proxy and uWSGI?",
    "proxy-uwsgi", "proxy-uwsgi-tcp",
    (
        "TCP did better here, which is unusual: measure again before you act on it.",
        "The unix socket: TCP costs more for each request.",
        "No difference that matters was found. Take the unix socket where both are on one machine.",
    ),
)  # fmt: skip
socket_nginx = pair(
    "socket-nginx", "Unix socket or TCP, between nginx and uWSGI?",
    "nginx-uwsgi", "nginx-uwsgi-tcp",
    (
        "TCP did better here, which is unusual: measure again before you act on it.",
        "The unix socket: TCP costs more for each request.",
        "No difference that matters was found. Take the unix socket where both are on one machine.",
    ),
)  # fmt: skip
persistent = pair(
    "persistent", "Are kept connections to uWSGI worth it?",
    "proxy-uwsgi", "proxy-persistent",
    (
        "Yes, for this load: kept connections did better.",
        "No: kept connections did worse for this load.",
        "No difference that matters was found, so leave them off: they hold workers.",
    ),
)  # fmt: skip
instances = pair(
    "instances", "Many single-worker uWSGIs, or one uWSGI with many workers?",
    "proxy-uwsgi", "proxy-instances",
    (
        "Single-worker instances did better for this load.",
        "One uWSGI with many workers did better for this load.",
        "No difference that matters was found. One instance is easier to run.",
    ),
)  # fmt: skip
instances_nginx = pair(
    "instances-nginx", "The same question behind nginx",
    "nginx-uwsgi", "nginx-instances",
    (
        "Single-worker instances did better for this load.",
        "One uWSGI with many workers did better for this load.",
        "No difference that matters was found. One instance is easier to run.",
    ),
)  # fmt: skip


def keep_alive(report: Report) -> Verdict | None:
    """Say what kept client connections save."""
    numbers, better = [], []
    kept, fresh = report.scenario("kept"), report.scenario("hop")
    for row in kept.rows if kept else []:
        other = fresh.row(row.topology) if fresh else None
        fact = next((t.facts for t in report.topologies if t.name == row.topology), {})
        if other is None or row.topology == AGAIN or fact.get("keep-alive") == "never":
            continue
        saved = other.middle("p50_us") - row.middle("p50_us")
        numbers.append((report.title(row.topology), f"{saved:.0f} us less at the median"))
        least = min(other.values("p50_us"), default=0.0)
        better.append(least > (1 + ALIKE) * max(row.values("p50_us"), default=0.0))
    if not numbers:
        return None
    question = "Do kept client connections matter?"
    if all(better):
        answer = "Yes: without them, each request pays for a new connection."
        return Verdict("keep-alive", question, "yes", answer, numbers)
    answer = "Not surely: rounds with and without overlap in time, or nearly do."
    return Verdict("keep-alive", question, "unclear", answer, numbers)
