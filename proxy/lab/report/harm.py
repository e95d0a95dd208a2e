"""Answers about what goes wrong: whose clients are hurt by slow ones, bursts, crashes and reloads.

Pure functions of a report. A topology is hurt when it loses more than one request in a hundred, and
more than a few, or makes every second one wait ten times as long as is usual for the others, and at
least 100 ms.
"""

from collections.abc import Callable, Sequence

from proxy.lab.report.results import Report, Row
from proxy.lab.report.statistics import median
from proxy.lab.report.verdict import Verdict, fails, fared, probed, rows_of

DIRECT = ("uwsgi-direct", "uwsgi-http", "gunicorn-direct")
"""Application servers alone."""
_HURT = 10.0
_HURT_US = 100_000.0

Judge = Callable[[Report], Verdict | None]


def shield(key: str, question: str, what: str, waiting: bool = True) -> Judge:
    """Return a judge of a scenario in which some topologies fail others' requests.

    Args:
        waiting: whether to wait long is harm, too; it is not where a server is being restarted.
    """

    def judge(report: Report) -> Verdict | None:
        rows = rows_of(report, key)
        if not rows:
            return None
        numbers = [(report.title(row.topology), fared(row)) for row in rows]
        usual = min((row.middle("p50_us") for row in rows if row.values("p50_us")), default=0.0)
        hurt = [row for row in rows if fails(row)]
        if waiting:
            hurt = [row for row in rows if row in hurt or _waits(row, usual)]
        words = (f"Nobody was hurt by {what}.", f"Hurt by {what}", "Not hurt")
        return sides(report, Verdict(key, question, numbers=numbers), words, rows, hurt)

    return judge


def _waits(row: Row, usual_us: float) -> bool:
    """Whether the median does: those who wait for a worker that is held do so all the time.

    One in ten waits also where a front end takes the answers off the workers at the beginning, and
    one in a hundred is the machine's. Nor do rounds count in which the generator itself was as
    late: then the machine stood still.
    """
    found = [
        each.values["p50_us"]
        for each in row.samples
        if "p50_us" in each.values and each.values.get("late_p99_us", 0.0) < _HURT_US
    ]
    return median(found) > max(_HURT * usual_us, _HURT_US)


def sides(
    report: Report,
    verdict: Verdict,
    words: tuple[str, str, str],
    rows: Sequence[Row],
    hurt: Sequence[Row],
) -> Verdict:
    """Complete a verdict: which of those alone and of those behind a front end were hurt."""
    names = {row.topology for row in hurt}
    alone = [row.topology for row in rows if row.topology in DIRECT]
    behind = [row.topology for row in rows if row.topology not in DIRECT]
    lost_alone = [name for name in alone if name in names]
    lost_behind = [name for name in behind if name in names]
    if not hurt:
        verdict.word, verdict.answer = "alike", words[0]
        return verdict
    listed = ", ".join(report.title(name) for name in [*lost_alone, *lost_behind])
    answer = f"{words[1]}: {listed}."
    spared = [report.title(row.topology) for row in rows if row.topology not in names]
    answer += f" {words[2]}: {', '.join(spared)}." if spared else " Nobody was spared."
    if lost_alone and len(lost_behind) < len(behind):
        word = "front-end"
    elif lost_alone and not behind:
        word = "unknown"
        answer += " No front end was measured beside it."
    elif lost_behind and not lost_alone and alone:
        word = "alone"
    else:
        word = "alike"
    verdict.word, verdict.answer = word, answer
    return verdict


def probe(key: str, question: str, good: str) -> Judge:
    """Return a judge of single requests. `good` is `ok`, or `answered` where failing is right."""

    def judge(report: Report) -> Verdict | None:
        rows = [row for row in rows_of(report, "probes") if row.values(f"{key}:asked")]
        if not rows:
            return None
        hurt = [row for row in rows if probed(row, key, good) < probed(row, key, "asked")]
        numbers = [(report.title(row.topology), _note(row, key)) for row in rows]
        words = ("Yes, from everybody.", "No", "Yes")
        return sides(report, Verdict(key, question, numbers=numbers), words, rows, hurt)

    return judge


def _note(row: Row, key: str) -> str:
    notes = {note for each in row.samples for note in each.notes if note.startswith(f"{key}: ")}
    return "; ".join(sorted(note.partition(": ")[2] for note in notes)) or "-"
