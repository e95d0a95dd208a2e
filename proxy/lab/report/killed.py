"""The answer about a worker that is killed: what becomes of the request that it works on.

Pure functions of a report. A request that may be repeated (GET) need not be lost with its worker;
one that may not (POST) is, or is done twice, and its client can at least be told.
"""

from proxy.lab.report.harm import sides
from proxy.lab.report.results import Report, Row
from proxy.lab.report.verdict import STRUCK, Verdict, fails, fared, probed, rows_of

KEY = "kill"
_WORDS = (
    "Nobody loses the GET that the killed worker is at, or others beside it.",
    "Lose the GET that the killed worker is at, or others beside it",
    "Lose none",
)


def killed(report: Report) -> Verdict | None:
    """Say who loses what when a worker is killed that is at work."""
    rows = rows_of(report, KEY)
    if not rows:
        return None
    numbers = [(report.title(row.topology), _fared(row)) for row in rows]
    hurt = [row for row in rows if _lost(row, "GET") or fails(row)]
    question = "Does a killed worker cost the request that it works on?"
    verdict = sides(report, Verdict(KEY, question, numbers=numbers), _WORDS, rows, hurt)
    if posts := _posts(report, rows):
        verdict.answer += f" {posts}"
    return verdict


def _posts(report: Report, rows: list[Row]) -> str:
    """Say what becomes of a POST, on which the word does not depend: nobody can save it."""
    asked = [row for row in rows if _count(row, "POST", "asked")]
    if not asked:
        return ""
    twice = [report.title(row.topology) for row in asked if not _lost(row, "POST")]
    told = [
        report.title(row.topology)
        for row in asked
        if _lost(row, "POST") and _count(row, "POST", "answered") == _count(row, "POST", "asked")
    ]
    parts = ["A POST is not repeated, and lost"]
    parts += [f"with a 5xx from {', '.join(told)}"] if told else []
    parts += ["without an answer from the others"] if len(told) + len(twice) < len(asked) else []
    said = [f"{parts[0]}: {', '.join(parts[1:])}."] if len(twice) < len(asked) else []
    said += [f"Answered all the same, so perhaps done twice: {', '.join(twice)}."] if twice else []
    return " ".join(said)


def _lost(row: Row, method: str) -> bool:
    return _count(row, method, "ok") < _count(row, method, "asked")


def _count(row: Row, method: str, what: str) -> float:
    return probed(row, f"{STRUCK}{method}", what)


def _fared(row: Row) -> str:
    """Say what became of the struck requests, and of those beside them."""
    struck = [
        f"{method} saved {_count(row, method, 'ok'):.0f} of {asked:.0f}"
        for method in ("GET", "POST")
        if (asked := _count(row, method, "asked"))
    ]
    return "; ".join([*struck, f"beside it {fared(row)}"])
