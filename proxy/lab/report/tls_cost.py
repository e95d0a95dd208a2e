"""The answer about TLS: what it costs each topology, who pays, and who does it for the least.

Pure functions of a report. Each topology with TLS is compared with itself without, in pairs of the
same round; those with TLS are then compared with each other.
"""

from proxy.lab.report.results import Report
from proxy.lab.report.statistics import Estimate
from proxy.lab.report.verdict import Verdict, fails, microseconds, rows_of
from proxy.lab.stand.variants import JOINT

NEW, KEPT, LARGE = "tls-new", "tls-kept", "tls-1m"
_PLAIN, _TLS = f"{JOINT}plain", f"{JOINT}tls"


def tls(report: Report) -> Verdict | None:
    """Say what TLS costs, and who should do it."""
    rows = {row.topology: row for row in rows_of(report, NEW)}
    bases = [
        name.removesuffix(_TLS)
        for name, row in rows.items()
        if name.endswith(_TLS) and not fails(row)
    ]
    costs = {each: cost for each in bases if (cost := _added(report, NEW, each, "cpu_us"))}
    if not costs:
        return None
    question = "What does TLS cost, and who should do it?"
    numbers = [(report.title(base), _numbers(report, base)) for base in costs]
    ratios = [report.ratio(NEW, f"{each}{_PLAIN}", f"{each}{_TLS}", "cpu_us") for each in costs]
    words = {each.word() for each in ratios if each is not None}
    if "more" not in words:
        word = "alike" if words <= {"alike", "less"} else "unclear"
        answer = "It could not be shown to cost anything here."
        return Verdict("tls", question, word, answer, numbers)
    listed = [
        f"{report.title(base)} {cost.value:,.0f} us"
        for base, cost in costs.items()
        if cost.word(0.0) == "more"
    ]
    answer = f"CPU time that it adds to a request on a new connection: {', '.join(listed)}."
    if payers := [report.title(each) for each in costs if _workers_pay(report, each)]:
        answer += f" The workers themselves pay for it in: {', '.join(payers)}."
    if len(costs) < 2:
        return Verdict("tls", question, "costs", answer, numbers)
    word, said = _least(report, list(costs))
    return Verdict("tls", question, word, f"{answer} {said}", numbers)


def _added(report: Report, scenario: str, base: str, value: str) -> Estimate | None:
    return report.difference(scenario, f"{base}{_PLAIN}", f"{base}{_TLS}", value)


def _workers_pay(report: Report, base: str) -> bool:
    """Whether it takes time of the application's processes; a tenth of it is noise."""
    paid, whole = _added(report, NEW, base, "app_us"), _added(report, NEW, base, "cpu_us")
    if paid is None or whole is None:
        return False
    return paid.word(0.0) == "more" and paid.value > whole.value / 2


def _least(report: Report, bases: list[str]) -> tuple[str, str]:
    """Return who needs least CPU time for a new connection with TLS: a word and a sentence."""
    used = {each: row.middle("cpu_us") for each in bases if (row := report.row(NEW, each + _TLS))}
    best = min(used, key=lambda name: used[name])
    ratios = {
        name: report.ratio(NEW, best + _TLS, name + _TLS, "cpu_us") for name in used if name != best
    }
    even = [name for name, each in ratios.items() if each is None or each.word() != "more"]
    per_s = 1e6 / used[best] if used[best] else 0.0
    said = f"Least in all with TLS: {report.title(best)}, {per_s:,.0f} new connections for each "
    said += "second of a core."
    if even:
        said += f" Not told apart from it: {', '.join(map(report.title, even))}."
    return ("even" if even else best), said


def _numbers(report: Report, base: str) -> str:
    parts = (
        ("a new connection", NEW, "cpu_us", "CPU"),
        ("its latency", NEW, "p50_us", ""),
        ("a request on a kept one", KEPT, "cpu_us", "CPU"),
        ("a reply of 1 MB", LARGE, "cpu_us", "CPU"),
    )
    found = [
        f"{what}: {microseconds(added)} {unit}".strip()
        for what, scenario, value, unit in parts
        if (added := _added(report, scenario, base, value)) is not None
    ]
    return "; ".join(found)
