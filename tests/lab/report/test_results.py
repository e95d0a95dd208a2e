"""Reports survive JSON; comparisons use the rounds that both rows have."""

import json
from pathlib import Path

import pytest

from proxy.lab.report import results
from proxy.lab.report.results import Report
from tests.lab.made import report, row, steady


def test_there_and_back() -> None:
    made = report(hop=[row("uwsgi-direct", {"p50_us": [1.0, 2.0]})])
    assert Report.from_json(made.to_json()) == made
    said = json.loads(made.to_json())
    assert said["schema"] == results.SCHEMA


def test_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema"):
        Report.from_json('{"schema": 999}')


def test_pairs_are_rounds_that_both_have() -> None:
    a, b = row("uwsgi-direct", {"v": [1.0, 2.0, 3.0]}), row("proxy-uwsgi", {"v": [2.0, 4.0, 6.0]})
    del b.samples[0]
    made = report(hop=[a, b])
    found = made.difference("hop", "uwsgi-direct", "proxy-uwsgi", "v")
    assert found is not None
    assert (found.pairs, found.low, found.high) == (2, 2.0, 3.0)
    halves = made.ratio("hop", "uwsgi-direct", "proxy-uwsgi", "v")
    assert halves is not None
    assert halves.value == pytest.approx(2)


def test_nothing_to_compare() -> None:
    made = report(hop=[row("uwsgi-direct", {"v": steady(1.0)}), row("proxy-uwsgi", {"w": [1.0]})])
    assert made.difference("hop", "uwsgi-direct", "proxy-uwsgi", "v") is None
    assert made.difference("hop", "uwsgi-direct", "nginx-uwsgi", "v") is None
    assert made.difference("nothing", "uwsgi-direct", "proxy-uwsgi", "v") is None
    zero = report(hop=[row("uwsgi-direct", {"v": [0.0]}), row("proxy-uwsgi", {"v": [1.0]})])
    assert zero.ratio("hop", "uwsgi-direct", "proxy-uwsgi", "v") is None


def test_outcomes_add_up() -> None:
    made = row("x", {"v": [1.0, 2.0]}, {"ok": 3, "reset": 1})
    assert made.outcomes == {"ok": 6, "reset": 2}
    assert (made.asked, made.failed) == (8, 2)
    assert (made.middle("v"), made.middle("none")) == (1.5, 0.0)


def test_a_file(tmp_path: Path) -> None:
    made = report(hop=[])
    path = tmp_path / "report.json"
    path.write_text(made.to_json())
    assert results.load(path) == made
