"""Writes docs/nginx-or-direct.md from the committed reports: `make answers`.

The words are in nginx-or-direct.md.j2, the numbers in reports/. A sentence that depends on what was
measured has one wording for each outcome (`grouped`), and says for which applications which one
holds; so a renewed report changes the page, and tests/examples/test_question.py fails until the
page has been made again.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from examples.question.evidence import (
    APPS,
    HERE,
    MISSING,
    NETWORK,
    REPORTS,
    Claim,
    Evidence,
    counted,
    read_kernel,
)
from proxy.lab.report.statistics import ALIKE

PAGE = HERE.parents[1] / "docs" / "nginx-or-direct.md"
TEMPLATE = HERE / "nginx-or-direct.md.j2"
HARMS = {
    "slow-uploads": "slow uploads",
    "slow-downloads": "slow downloads",
    "burst": "a burst",
    "kill": "a killed worker",
    "reload": "a graceful reload",
}
"""Scenarios in which other clients lose something, as the page calls them."""
PROBES = {
    "chunked-upload": "an upload in chunks",
    "unread-post": "a body that the application does not read",
    "exception": "an exception in the application",
    "crash": "a crash of the worker",
    "large-headers": "a cookie of 5,000 bytes",
}
STRUCK = {
    "struck-GET": "the GET that a killed worker was at",
    "struck-POST": "the POST that a killed worker was at",
}
"""Single requests of the scenario `kill`."""


class Unwritten(ValueError):
    """Something was measured that the page has no words for; a person has to write them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The same claim for each application, or None where its report has no numbers for it."""

    claims: dict[str, Claim | None]
    """By the name that sentences use."""

    def words(self) -> set[str]:
        """Return the words of all of them."""
        return {each.word if each else MISSING for each in self.claims.values()}

    def all(self, word: str) -> bool:
        """Whether every application has this word."""
        return self.words() == {word}

    def any(self, *words: str) -> bool:
        """Whether one of them has one of these words."""
        return bool(self.words() & set(words))

    def __bool__(self) -> bool:
        return any(self.claims.values())

    def __str__(self) -> str:
        return listed(f"{name} {claim or 'not measured'}" for name, claim in self.claims.items())


class Answers:
    """What the template can ask for."""

    def __init__(self, apps: Sequence[Evidence], network: Evidence, kernel: dict[str, Any]) -> None:
        self.apps = apps
        self.network = network
        self.kernel = kernel

    def names(self) -> dict[str, Any]:
        """Return it all by the names of the template."""
        methods = ("difference", "percent", "times", "row", "failed", "fared", "seen", "verdict")
        found: dict[str, Any] = {name: self._of_each(name) for name in methods}
        found |= {name: self._of_each(name) for name in ("knee", "doubled", "workers")}
        return found | {
            "apps": self.apps, "network": self.network, "kernel": self.kernel,
            "harms": HARMS, "probes": PROBES, "struck": STRUCK,
            "grouped": grouped, "named": named, "listed": listed, "cells": cells,
            "counted": self.counted, "worded": worded,
            "harmed": self.harmed, "not_measured": self.not_measured, "detail": self.detail,
            "has": self.has, "margin": ALIKE, "listed_failed": self.listed_failed,
        }  # fmt: skip

    def counted(self, key: str, text: str = "{:,}") -> Claim:
        """Return a number of kernel.json."""
        return counted(self.kernel, key, text)

    def harmed(self) -> list[str]:
        """Return what uWSGI alone fails in and a front end does not, for every application."""
        everything = HARMS | PROBES
        found = [key for key in everything if self._of_each("verdict")(key).all("front-end")]
        return [everything[key] for key in found]

    def has(self, scenario: str) -> bool:
        """Whether the reports have a scenario."""
        return any(each.has(scenario) for each in self.apps)

    def detail(self, scenario: str) -> str:
        """Return what clients did, in the report's words."""
        found = (each.report.scenario(scenario) for each in self.apps)
        return next((each.detail for each in found if each), "not measured here")

    def not_measured(self) -> list[str]:
        """Return what no report has measured."""
        common = [set(each.report.not_measured) for each in [*self.apps, self.network]]
        everywhere = set.intersection(*common)
        return [each for each in self.apps[0].report.not_measured if each in everywhere]

    def listed_failed(self, scenario: str) -> str:
        """Return who failed how much in a scenario, for all topologies that were measured."""
        found = self.apps[0].report.scenario(scenario)
        title, failed = self.apps[0].report.title, self._of_each("failed")
        names = [row.topology for row in found.rows if row.samples] if found else []
        return "; ".join(f"{title(name)}: {cells(failed(scenario, name))}" for name in names) or "-"

    def _of_each(self, method: str) -> Callable[..., Measured]:
        def ask(*args: Any) -> Measured:
            return Measured({each.title: getattr(each, method)(*args) for each in self.apps})

        return ask


def grouped(measured: Measured, brief: bool = False, **words: str) -> str:
    """Return one sentence from a wording for each outcome and the applications it holds for.

    Every word that these claims can have needs a wording, whether it came out or not: more, less,
    alike and unclear, or front_end, alone, alike and unknown.

    Args:
        brief: leave out intervals, and what is unclear without them.

    Raises:
        Unwritten: there is none for what was measured; a person has to write one.
    """
    words = {MISSING: "not measured"} | _by_word(words)
    by_word: dict[str, list[str]] = {}
    for name, claim in measured.claims.items():
        word = claim.word if claim else MISSING
        by_word.setdefault(word, []).append(_named(name, claim, brief))
    missing = sorted(set(by_word) - set(words))
    if missing:
        raise Unwritten(f"no wording for {missing} of {measured}: write one in {TEMPLATE.name}")
    ordered = sorted(by_word, key=list(words).index)
    return "; ".join(f"{words[word]} ({', '.join(by_word[word])})" for word in ordered)


def _by_word(words: dict[str, str]) -> dict[str, str]:
    """Return wordings by the words of claims, which have hyphens where names cannot."""
    return {name.replace("_", "-"): text for name, text in words.items()}


def worded(claim: Claim | None, **words: str) -> str:
    """Return the wording for one claim, with a link to it.

    Raises:
        Unwritten: there is none for its word; a person has to write one.
    """
    words = _by_word(words)
    word = claim.word if claim else MISSING
    if word not in words:
        raise Unwritten(f"no wording for {word!r} of {claim}: write one in {TEMPLATE.name}")
    return f"{words[word]} ({claim.link('the answer')})" if claim else words[word]


def named(measured: Measured) -> str:
    """Return the applications, each a link to its claim."""
    return listed(claim.link(name) if claim else name for name, claim in measured.claims.items())


def _named(name: str, claim: Claim | None, brief: bool) -> str:
    if claim is None:
        return name
    if claim.text == claim.word:
        return claim.link(name)
    if brief:
        return claim.link(name) if claim.word == "unclear" else f"{name} {claim.link(claim.brief)}"
    return f"{name} {claim}"


def cells(measured: Measured) -> str:
    """Return a table's cell: one number where all say the same, else one for each application."""
    found = {str(each.text) for each in measured.claims.values() if each}
    if not found:
        return "-"
    if len(found) > 1:
        return " / ".join(str(each) if each else "-" for each in measured.claims.values())
    claims = [each for each in measured.claims.values() if each]
    if len(claims) == 1:
        return str(claims[0])
    links = (each.link(str(at)) for at, each in enumerate(claims, 1))
    return f"{claims[0].text} ({' '.join(links)})"


def listed(items: Any) -> str:
    """Return `a, b and c`."""
    *some, last = [str(each) for each in items] or ["nothing"]
    return f"{', '.join(some)} and {last}" if some else last


def page(apps: Sequence[Evidence], network: Evidence, kernel: dict[str, Any]) -> str:
    """Return the page.

    Raises:
        Unwritten: a sentence has no wording for what was measured.
    """
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(Answers(apps, network, kernel).names())


def read(reports: Path = REPORTS) -> str:
    """Return the page that these reports give.

    Raises:
        OSError, ValueError: a report is missing, or of another schema.
        Unwritten: a report says what no sentence does.
    """
    apps = [Evidence.read(name, reports) for name in APPS]
    return page(apps, Evidence.read(NETWORK, reports), read_kernel(reports))


def main() -> int:
    """Write the page."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--reports", type=Path, default=REPORTS, help="where the reports are")
    made.add_argument("--out", type=Path, default=PAGE, help="the page")
    args = made.parse_args()
    try:
        args.out.write_text(read(args.reports), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"answers: error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
