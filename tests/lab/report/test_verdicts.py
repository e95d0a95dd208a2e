"""The answer to the question of the lab follows from the others, and turns with them."""

from proxy.lab.report.results import Report, Row
from proxy.lab.report.verdicts import verdicts
from tests.lab.made import report, row, steady

GOOD = {"p50_us": [300.0], "p99_us": [900.0], "per_s": [50.0]}


def made(lost: dict[str, int]) -> Report:
    hop: list[Row] = [
        row("uwsgi-direct", {"p50_us": steady(200.0), "cpu_us": steady(100.0)}),
        row("proxy-uwsgi", {"p50_us": steady(260.0), "cpu_us": steady(150.0)}),
    ]
    return report(hop=hop, slow_uploads=[row("uwsgi-direct", GOOD, lost), row("proxy-uwsgi", GOOD)])


def test_harm_alone_asks_for_a_front_end() -> None:
    first, *others = verdicts(made({"timeout": 50}))
    assert (first.key, first.word) == ("overall", "front-end")
    assert "slow uploads" in first.answer
    assert first.numbers[-1][0] == "what it costs"
    assert [each.key for each in others] == ["slow-uploads", "hop"]


def test_without_harm_alone_is_enough() -> None:
    first, *_ = verdicts(made({"ok": 50}))
    assert first.word == "alone"
    assert "for what was measured here (slow uploads)" in first.answer


def test_without_measurements_it_says_so() -> None:
    (first,) = verdicts(report())
    assert first.word == "unknown"
    assert "has not measured" in first.answer
    partial = report()
    partial.partial = True
    assert "interrupted before" in verdicts(partial)[0].answer
    absent = report(hop=[Row("uwsgi-direct", reason="no")])
    absent.topologies[0].reason = "no"
    assert "nothing could be started" in verdicts(absent)[0].answer
