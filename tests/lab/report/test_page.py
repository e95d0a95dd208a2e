"""The page holds answers, numbers and their facts; it fetches nothing and escapes all text."""

import re

from proxy.lab.report import page
from proxy.lab.report.results import Report
from tests.lab.made import report, row, steady

VALUES = {
    "p50_us": steady(300.0), "p99_us": steady(900.0), "max_us": steady(1000.0),
    "per_s": steady(50.0), "front_us": steady(30.0), "app_us": steady(60.0),
    "cpu_us": steady(90.0), "generator_cores": steady(0.2),
}  # fmt: skip


def made() -> Report:
    probe = row("uwsgi-direct", {"chunked-upload:asked": [3.0], "chunked-upload:ok": [0.0]})
    probe.samples[0].notes.append("chunked-upload: 200, but the application got '0'")
    return report(
        hop=[row("uwsgi-direct", VALUES), row("proxy-uwsgi", VALUES)],
        saturation=[row("uwsgi-direct", VALUES), row("proxy-uwsgi", VALUES)],
        rate_80=[row("uwsgi-direct", VALUES), row("nginx-uwsgi", VALUES)],
        slow_uploads=[row("uwsgi-direct", {}, {"timeout": 9}), row("proxy-uwsgi", VALUES)],
        probes=[probe],
    )


def test_everything_is_there() -> None:
    text = page.render(made())
    assert "Put a front end before it." in text
    assert text.count("<svg") == 5
    assert "9 timeout" in text
    assert "but the application got &#x27;0&#x27;" in text
    assert "What was not measured" in text
    assert "<li>TLS</li>" in text
    assert "uwsgi --x" in text
    assert "<td>600 s</td>" in text
    assert "{{" not in text


def test_answers_scenarios_and_rows_can_be_linked_to() -> None:
    names = re.findall(r' id="([^"]+)"', page.render(made()))
    assert len(set(names)) == len(names)
    assert {"overall", "hop", "scenario-hop", page.row_id("hop", "proxy-uwsgi")} <= set(names)
    assert "row-probes-uwsgi-direct" in names


def test_it_fetches_nothing_and_runs_nothing() -> None:
    text = page.render(made())
    assert not re.search(r"""(?:src|href)=|url\(|@import|<script""", text)
    assert "prefers-color-scheme: dark" in text


def test_text_is_escaped() -> None:
    broken = made()
    broken.app = "<script>alert(1)</script>"
    broken.topologies[0].reason = "<b>why</b>"
    broken.scenarios[0].rows[0].reason = "<i>died</i>"
    broken.scenarios[0].rows[0].samples[0].warnings.append("<u>late</u>")
    text = page.render(broken)
    assert "<script>" not in text
    assert "&lt;b&gt;why" in text
    assert "&lt;i&gt;died" in text
    assert "&lt;u&gt;late" in text


def test_a_report_that_was_cut_short_says_so() -> None:
    short = report()
    short.partial = short.quick = True
    text = page.render(short)
    assert "interrupted" in text
    assert "quick run" in text
