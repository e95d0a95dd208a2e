"""What became of each request, from three sides: its client, the access log, the application.

`Account.check` holds what must be true whatever happens to the application's processes: a failure
has a reason, nothing is lost, and nothing is executed more often than it may be.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from proxy import errors
from tests.reload.journal import Journal
from tests.reload.load import Outcome
from tests.servers import Proxy

MOST = {"GET": 2, "POST": 1}
"""How often a request may be executed."""

_LINE = re.compile(
    r'"(?P<method>[A-Z]+) /\?id=(?P<ident>\w+)\S* HTTP/1.1" (?P<status>\d{3})'
    r' .* "(?P<upstream>[^"]*)" \S.* (?P<reason>\S+)$'
)


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the access log."""

    status: int
    reason: str
    """`-` for none."""
    attempts: int
    line: str


class Account:
    """The three sides of a load that is over, behind a proxy that has ended."""

    def __init__(self, outcomes: Sequence[Outcome], proxy: Proxy, journal: Journal) -> None:
        self.outcomes = outcomes
        self.logged = dict(_read(proxy.access))
        self.log = proxy.log
        self.begun = journal.begun()
        self.ended = journal.ended()
        self.failed = [one for one in outcomes if not one.is_good]

    def reasons(self) -> dict[str, str]:
        """Return the reason of each failed request."""
        return {one.ident: self.logged[one.ident].reason for one in self.failed}

    def repeated(self) -> list[Outcome]:
        """Return the requests that were executed, or at least begun, more than once."""
        return [one for one in self.outcomes if self.begun[one.ident] > 1]

    def check(self) -> None:
        """Check what is always true."""
        assert not [line for line in self.log if "Traceback" in line or "internal_error" in line]
        assert len(self.logged) == len(self.outcomes)
        for one in self.outcomes:
            logged = self.logged[one.ident]
            assert logged.status == one.status, self.story(one)
            assert (logged.reason == "-") == one.is_good, self.story(one)
            assert logged.reason == "-" or logged.reason in errors.ALL, self.story(one)
            assert self.begun[one.ident] <= MOST[one.method], self.story(one)
            assert not one.is_good or self.ended[one.ident], self.story(one)

    def check_all_good(self, *, each_once: bool = True) -> None:
        """Check that nobody noticed, and with `each_once` that nothing was repeated."""
        self.check()
        assert not self.failed, self.stories(self.failed)
        assert not each_once or not self.repeated(), self.stories(self.repeated())

    def check_failed(self, reasons: Iterable[str], most: int) -> None:
        """Check that only uploads failed, at most so many, for one of these reasons."""
        self.check()
        idempotent = [one for one in self.failed if one.method == "GET"]
        assert not idempotent, self.stories(idempotent)
        assert set(self.reasons().values()) <= set(reasons), self.stories(self.failed)
        assert len(self.failed) <= most, self.stories(self.failed)

    def story(self, one: Outcome) -> str:
        """Tell all there is about one request."""
        logged = self.logged.get(one.ident)
        lines = [
            f"{one.ident}: {one.status} after {one.seconds:.3f} s: {one.body[:80]!r}",
            f"begun {self.begun[one.ident]} times, ended {self.ended[one.ident]} times",
            logged.line if logged is not None else "no line in the access log",
            *(line for line in self.log if f"id={one.ident}&" in line),
        ]
        return "\n    ".join(lines)

    def stories(self, outcomes: Sequence[Outcome], most: int = 5) -> str:
        """Tell about the first `most` of these."""
        told = "\n".join(self.story(one) for one in outcomes[:most])
        return f"{len(outcomes)} of {len(self.outcomes)} requests:\n{told}"


def _read(lines: Iterable[str]) -> Iterator[tuple[str, Logged]]:
    for line in lines:
        match = _LINE.search(line)
        assert match is not None, line
        attempts = 0 if match["upstream"] == "-" else match["upstream"].count(", ") + 1
        yield match["ident"], Logged(int(match["status"]), match["reason"], attempts, line)
