"""The committed reports, as claims: a number in words, the word that it supports, and where it is.

Everything on docs/nginx-or-direct.md comes from here. A claim that a report has no samples for is
None; nothing here decides what a sentence says.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from proxy.lab.report.page import row_id
from proxy.lab.report.results import Report, Row, load
from proxy.lab.report.statistics import Estimate, median
from proxy.lab.report.verdict import duration, fails, lost_percent

HERE = Path(__file__).parent
REPORTS = HERE / "reports"
FROM_DOCS = "../examples/question/reports"
APPS = {"flask": "Flask", "django": "Django", "moin": "MoinMoin"}
NETWORK = "network"
"""The report of what has nothing to do with an application: the lab's own was served."""
SLOW_US = 100_000.0
"""A p99 over it is said beside what failed; what the lab calls hurt, too."""
MISSING = "missing"
"""The word for what a report has no numbers for."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One number of one report."""

    text: str
    word: str
    """`more`, `less`, `alike`, `unclear`, or the word of a verdict."""
    page: str
    """File and name within it."""
    key: str
    """Where it is in the JSON."""
    value: float = 0.0

    def __str__(self) -> str:
        return self.link(self.text)

    @property
    def brief(self) -> str:
        """The number without its spread."""
        return self.text.partition(" (")[0]

    def link(self, text: str) -> str:
        """Return a link to the row that the claim comes from, with its place in the JSON."""
        return f'[{text}]({FROM_DOCS}/{self.page} "{self.key}")'


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one application."""

    name: str
    report: Report
    verdicts: dict[str, dict[str, Any]]
    """As the report has them, by key."""
    sweep: dict[str, Any]
    """As it is committed; empty for `network`."""

    @classmethod
    def read(cls, name: str, reports: Path = REPORTS) -> Self:
        """Read the reports of an application.

        Raises:
            OSError, ValueError: there are none, or they are of another schema.
        """
        path = reports / f"{name}.json"
        said = json.loads(path.read_text(encoding="utf-8"))
        swept = reports / f"{name}-sweep.json"
        sweep = {} if name == NETWORK else json.loads(swept.read_text(encoding="utf-8"))
        return cls(name, load(path), {each["key"]: each for each in said["verdicts"]}, sweep)

    @property
    def title(self) -> str:
        """The application's name, for sentences."""
        return APPS[self.name]

    def has(self, scenario: str) -> bool:
        """Whether the report has a scenario with samples."""
        found = self.report.scenario(scenario)
        return found is not None and any(row.samples for row in found.rows)

    def difference(self, scenario: str, value: str, a: str, b: str) -> Claim | None:
        """Return b - a in microseconds; any sure difference counts."""
        found = self.report.difference(scenario, a, b, value)
        if found is None:
            return None
        text = f"{found.value:+.0f} us ({found.low:+.0f} to {found.high:+.0f})"
        return self._pair(found, text, found.word(0.0), (scenario, value, a, b))

    def percent(self, scenario: str, value: str, a: str, b: str) -> Claim | None:
        """Return how much more b is than a, in per cent; less than 5 % is alike."""
        found = self.report.ratio(scenario, a, b, value)
        if found is None:
            return None
        value_of, low, high = (100 * (each - 1) for each in (found.value, found.low, found.high))
        text = f"{value_of:+.0f} % ({low:+.0f} to {high:+.0f})"
        return self._pair(found, text, found.word(), (scenario, value, a, b))

    def times(self, scenario: str, value: str, a: str, b: str) -> Claim | None:
        """Return how many times a b is."""
        found = self.report.ratio(scenario, a, b, value)
        if found is None:
            return None
        text = f"{found.value:.2f} times ({found.low:.2f} to {found.high:.2f})"
        return self._pair(found, text, found.word(), (scenario, value, a, b))

    def row(self, scenario: str, value: str, topology: str) -> Claim | None:
        """Return the median of a row over its rounds, with the lowest and the highest."""
        row = self.report.row(scenario, topology)
        if row is None or not row.values(value):
            return None
        say = _SAY["per_s" if value == "per_s" else value.rpartition("_")[2]]
        seen = row.values(value)
        text = f"{say(row.middle(value))} ({say(min(seen))} to {say(max(seen))})"
        return self._row(row, scenario, text, f"samples/*/values/{value}", row.middle(value))

    def failed(self, scenario: str, topology: str) -> Claim | None:
        """Return the share of failed requests; more than one in a hundred is `hurt`."""
        row = self.report.row(scenario, topology)
        if row is None:
            return None
        lost = lost_percent(row)
        claim = self._row(row, scenario, f"{lost:.3g} %", "samples/*/outcomes", lost)
        return replace(claim, word="hurt" if fails(row) else "spared")

    def fared(self, scenario: str, topology: str) -> Claim | None:
        """Return the share of failed requests, and the slowest hundredth where it is slow."""
        claim, row = self.failed(scenario, topology), self.report.row(scenario, topology)
        if claim is None or row is None:
            return None
        late = row.middle("p99_us")
        if late <= SLOW_US:
            return claim
        return replace(claim, text=f"{claim.text}, p99 {duration(late)}")

    def seen(self, probe: str, topology: str, scenario: str) -> Claim | None:
        """Return what became of single requests, in all rounds."""
        row = self.report.row(scenario, topology)
        if row is None:
            return None
        notes = {note for each in row.samples for note in each.notes}
        said = sorted(each.partition(": ")[2] for each in notes if each.startswith(f"{probe}: "))
        text = "; ".join(said).replace("[", "(").replace("]", ")")
        return self._row(row, scenario, text, "samples/*/notes") if said else None

    def verdict(self, key: str) -> Claim | None:
        """Return an answer of the report."""
        found = self.verdicts.get(key)
        if found is None:
            return None
        where = f"{self.name}.json: verdicts/{key}/word"
        return Claim(found["word"], found["word"], f"{self.name}.html#{key}", where)

    def knee(self) -> Claim:
        """Return the number of workers from which on more of them do not do much more.

        The word compares it with the cores; `most` is the largest number that was tried.
        """
        knee, cores = self.sweep["findings"]["knee"], self.sweep["cores"]
        tried = max(each["processes"] for each in self.sweep["points"]) if knee else 0
        word = "alike" if knee == cores else "more" if knee > cores else "less"
        if not knee:
            word = MISSING
        elif knee == tried:
            word = "most"
        return self._swept(str(knee), f"workers-{knee}", "findings/knee", word, knee)

    def workers(self, number: int) -> Claim | None:
        """Return the throughput of so many workers."""
        point = next((p for p in self.sweep["points"] if p["processes"] == number), None)
        if point is None or not point["per_s"]:
            return None
        seen = point["per_s"]
        text = f"{median(seen):,.0f}/s ({min(seen):,.0f} to {max(seen):,.0f})"
        return self._swept(text, f"workers-{number}", f"points/{number}/per_s")

    def doubled(self) -> Claim:
        """Return what two workers for each core would have cost."""
        answers = self.sweep["findings"]["answers"]
        text = next((each for each in answers if each.startswith("Two workers")), "Not tried.")
        return self._swept(text, "answer", "findings/answers")

    def _swept(self, text: str, name: str, key: str, word: str = "", value: float = 0.0) -> Claim:
        page = f"{self.name}-sweep.html#{name}"
        return Claim(text, word, page, f"{self.name}-sweep.json: {key}", value)

    def _pair(
        self, found: Estimate, text: str, word: str, asked: tuple[str, str, str, str]
    ) -> Claim:
        scenario, value, a, b = asked
        key = f"{self.name}.json: scenarios/{scenario}/rows/{b}/samples/*/values/{value}"
        page = f"{self.name}.html#{row_id(scenario, b)}"
        return Claim(text, word, page, f"{key}, against rows/{a}", found.value)

    def _row(self, row: Row, scenario: str, text: str, key: str, value: float = 0.0) -> Claim:
        page = f"{self.name}.html#{row_id(scenario, row.topology)}"
        key = f"{self.name}.json: scenarios/{scenario}/rows/{row.topology}/{key}"
        return Claim(text, "", page, key, value)


def counted(kernel: dict[str, Any], key: str, text: str) -> Claim:
    """Return a number of kernel.json, by its path within it."""
    found: Any = kernel
    for step in key.split("/"):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return Claim(text.format(found), "", "kernel.json", f"kernel.json: {key}", float(found))


def read_kernel(reports: Path = REPORTS) -> dict[str, Any]:
    """Read what `kernel.py` has counted.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    found: dict[str, Any] = json.loads((reports / "kernel.json").read_text(encoding="utf-8"))
    return found


_SAY: dict[str, Callable[[float], str]] = {
    "per_s": lambda value: f"{value:,.0f}/s",
    "us": lambda value: duration(value) if value >= 1000 else f"{value:.0f} us",
}
