"""The answers: from a report to one plain sentence for each question, with its numbers.

Pure functions of what was measured. A verdict says what follows from the numbers and from nothing
else: when the effect is not in them, the sentence is another one, and when they do not suffice, it
says so.
"""

from collections.abc import Callable, Sequence

from proxy.lab.report import costs, differences, tls_cost
from proxy.lab.report.harm import probe, shield
from proxy.lab.report.killed import killed
from proxy.lab.report.results import Report
from proxy.lab.report.verdict import Verdict


def verdicts(report: Report) -> list[Verdict]:
    """Return the answers to all questions that the report has numbers for."""
    found = [verdict for judge in _JUDGES if (verdict := judge(report)) is not None]
    return [overall(report, found), *found]


def overall(report: Report, others: Sequence[Verdict]) -> Verdict:
    """Answer the question that the lab exists for, from the other answers."""
    question = "A front end before the application server, or the application server alone?"
    by_key = {each.key: each for each in others}
    harm = [key for key in HARMS if key in by_key and by_key[key].word == "front-end"]
    asked = [key for key in HARMS if key in by_key and by_key[key].word != "unknown"]
    numbers = [(HARMS[key], by_key[key].answer) for key in harm]
    if not asked:
        return Verdict("overall", question, "unknown", _why_unknown(report))
    price = by_key.get("hop")
    cost = [("what it costs", price.answer)] if price is not None else []
    if not harm:
        words = ", ".join(HARMS[key] for key in asked)
        answer = f"Alone is enough for what was measured here ({words}): nothing was lost by it."
        return Verdict("overall", question, "alone", answer, cost)
    words = ", ".join(HARMS[key] for key in harm)
    answer = f"Put a front end before it. Alone, the application server fails in: {words}."
    return Verdict("overall", question, "front-end", answer, [*numbers, *cost])


def _why_unknown(report: Report) -> str:
    if report.partial:
        return "This run was interrupted before it had measured what a front end is for."
    if report.topologies and all(each.reason for each in report.topologies):
        return "Nothing has been measured: nothing could be started."
    return "This run has not measured what a front end is for. Run it without --scenario."


HARMS = {
    "slow-uploads": "slow uploads",
    "slow-downloads": "slow downloads",
    "burst": "bursts",
    "chunked-upload": "uploads in chunks",
    "unread-post": "bodies that the application does not read",
    "exception": "exceptions",
    "crash": "crashes of a worker",
    "kill": "workers killed at work",
    "reload": "graceful reloads",
}


_JUDGES: tuple[Callable[[Report], Verdict | None], ...] = (
    shield("slow-uploads", "Do slow uploads keep others from being served?", "slow uploads"),
    shield("slow-downloads", "Do slow downloads keep others from being served?", "slow downloads"),
    shield("burst", "Does a burst lose requests?", "the burst", waiting=False),
    probe("large-headers", "Does a cookie of 5,000 bytes get through?", "ok"),
    probe("chunked-upload", "Does an upload in chunks reach the application whole?", "ok"),
    probe("unread-post", "Does the answer arrive when the application ignores the body?", "ok"),
    probe("exception", "Does the client get an answer when the application raises?", "answered"),
    probe("crash", "Does the client get an answer when the worker crashes?", "answered"),
    killed,
    shield("reload", "Does a graceful reload cost requests?", "the reload", waiting=False),
    costs.hop,
    costs.throughput,
    costs.latency,
    costs.keep_alive,
    costs.socket,
    costs.socket_nginx,
    costs.persistent,
    costs.instances,
    costs.instances_nginx,
    differences.buffers,
    tls_cost.tls,
    costs.noise,
)
