"""What the terminal shows while the lab runs: a bar with the time left, a table per scenario."""

import shutil
from typing import TextIO

from proxy.lab.report.results import HELD, Report, Row, Scenario
from proxy.lab.report.verdict import Verdict, duration, errors, struck
from proxy.lab.runner import Progress

_BAR = 24


class Live:
    """Writes to a terminal, or plain lines to anything else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._drawn = False

    def progress(self, progress: Progress) -> None:
        """Draw the bar."""
        full = round(progress.done * _BAR)
        line = (
            f"[{'#' * full}{'.' * (_BAR - full)}] {progress.done:4.0%} "
            f"{clock(progress.left_s)} left {progress.scenario} "
            f"{progress.round}/{progress.rounds} {progress.topology}"
        )
        self.line(line)

    def line(self, line: str) -> None:
        """Draw a line that the next one wipes. Anything but a terminal gets none."""
        if not self._terminal:
            return
        width = shutil.get_terminal_size((100, 24)).columns - 1
        self._out.write("\r\x1b[K" + line[:width])
        self._out.flush()
        self._drawn = True

    def scenario(self, report: Report, scenario: Scenario) -> None:
        """Print what a scenario has found."""
        self.say("\n".join(scenario_lines(report, scenario)) + "\n")

    def say(self, text: str) -> None:
        """Print lines, where the bar was."""
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._drawn = False
        self._out.write(text + "\n")
        self._out.flush()


def scenario_lines(report: Report, scenario: Scenario) -> list[str]:
    """Return a scenario as lines of text."""
    lines = [f"{scenario.title}: {scenario.detail}"]
    if scenario.reason:
        lines.append(f"  {scenario.reason}")
    for row in scenario.rows:
        lines.append(f"  {row.topology:24}{_row(row)}")
    return lines


def verdict_lines(verdict: Verdict) -> list[str]:
    """Return an answer as lines of text."""
    return [verdict.question, f"  {verdict.answer}"]


def _row(row: Row) -> str:
    if row.reason:
        return row.reason.splitlines()[0]
    if row.values(HELD):
        return f"served after {duration(row.middle(HELD)):>8}  {errors(row)}"
    if not row.values("per_s"):
        return "; ".join(sorted({note for each in row.samples for note in each.notes}))
    parts = [f"{row.middle('per_s'):>9,.0f}/s"]
    for name in ("p50", "p99"):
        value = duration(row.middle(f"{name}_us")) if row.values(f"{name}_us") else "-"
        parts.append(f"{name} {value:>8}")
    if row.values("cpu_us"):
        parts.append(f"CPU {row.middle('front_us'):4.0f} + {row.middle('app_us'):4.0f} us")
    warned = any(each.warnings for each in row.samples)
    parts += [errors(row), *struck(row)]
    return "  ".join([*parts, *(["(doubtful: see the report)"] if warned else [])])


def clock(seconds: float) -> str:
    """Return minutes and seconds, as a clock shows them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
