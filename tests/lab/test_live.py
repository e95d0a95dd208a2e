"""The terminal gets a bar and tables, anything else plain lines."""

import io

from proxy.lab.live import Live, scenario_lines, verdict_lines
from proxy.lab.report.results import Row
from proxy.lab.report.verdict import Verdict
from proxy.lab.runner import Progress
from tests.lab.made import report, row

PROGRESS = Progress("hop", "proxy-uwsgi", 2, 8, 0.5, 75.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_with_the_time_left_is_wiped_before_lines() -> None:
    out = Terminal()
    live = Live(out)
    live.progress(PROGRESS)
    assert "[############............]  50% 1:15 left hop 2/8 proxy-uwsgi" in out.getvalue()
    live.say("done")
    assert out.getvalue().endswith("\r\x1b[Kdone\n")


def test_a_line_is_as_wide_as_the_terminal() -> None:
    out = Terminal()
    Live(out).line("x" * 1000)
    assert len(out.getvalue()) < 1000


def test_no_bar_in_a_file() -> None:
    out = io.StringIO()
    live = Live(out)
    live.progress(PROGRESS)
    live.scenario(report(), report(hop=[]).scenarios[0])
    assert out.getvalue() == "About hop: a load\n\n"


def test_rows() -> None:
    good = row("proxy-uwsgi", {"per_s": [1234.0], "p50_us": [300.0], "cpu_us": [9.0]})
    good.samples[0].warnings.append("busy")
    probe = row("uwsgi-direct", {})
    probe.samples[0].notes.append("unread-post: 200")
    made = report(hop=[good, probe, Row("x", reason="died\nof something")])
    made.scenarios[0].reason = "interrupted"
    lines = scenario_lines(made, made.scenarios[0])
    assert lines[1] == "  interrupted"
    assert "1,234/s" in lines[2]
    assert "0.3 ms" in lines[2]
    assert "doubtful" in lines[2]
    assert lines[3].endswith("unread-post: 200")
    assert lines[4].endswith("died")
    assert verdict_lines(Verdict("k", "Why?", "w", "So.")) == ["Why?", "  So."]
