"""One case through both front ends, and the verdict."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.differential.client import Act, Response, talk
from tests.differential.differences import ALWAYS, Differs, StaleDifference, apply
from tests.differential.fleet import Fleet, Front
from tests.differential.observe import Observation, Watch, hide_nginx_pages, hide_pages, observe


@dataclass(frozen=True)
class Case:
    """A conversation, and what it is about."""

    name: str
    raw: bytes | tuple[bytes | Act, ...]
    covers: str
    """Rules of nginx's behaviour that it looks at."""
    statuses: tuple[int, ...] | None = (200,)
    """What nginx answers; empty: the connection ends without an answer; None: whatever it does."""
    differs: tuple[Differs, ...] = ()
    setting: str = "plain"
    heads: tuple[bool, ...] | None = None
    """For each final response, whether it answers a HEAD; by default there is one."""

    @property
    def acts(self) -> tuple[bytes | Act, ...]:
        """What the client does."""
        return (self.raw,) if isinstance(self.raw, bytes) else self.raw

    @property
    def expected_heads(self) -> tuple[bool, ...]:
        """What the client reads."""
        if self.heads is not None:
            return self.heads
        first = self.acts[0]
        return (isinstance(first, bytes) and first.startswith(b"HEAD "),)


def run(front: Front, case: Case) -> Observation:
    """Put one case through one front end."""
    watch = Watch(front.backends)
    said = talk(front.address, case.acts, case.expected_heads)
    return observe(said, watch, front.address)


def run_nginx(fleet: Fleet, case: Case) -> Observation:
    """Put one case through nginx; its own pages are hidden in the result."""
    return hide_nginx_pages(run(fleet.front("nginx", case.setting), case))


def compare(fleet: Fleet, case: Case) -> None:
    """Put one case through both; fail when a difference is not named, or a named one is none."""
    pair = fleet.pair(case.setting)
    nginx = run_nginx(fleet, case)
    if case.statuses is not None and nginx.statuses != case.statuses:
        pytest.fail(f"nginx answers {nginx.statuses}, not {case.statuses}:\n{_text(nginx)}")
    try:
        expected = apply((*ALWAYS, *case.differs), nginx, fleet.nginx.version)
    except StaleDifference as stale:
        pytest.fail(f"{stale}; nginx did:\n{_text(nginx)}")
    proxy = hide_pages(run(pair.proxy, case), expected)
    if proxy != expected:
        pytest.fail(verdict(expected, proxy, case), pytrace=False)


def verdict(expected: Observation, proxy: Observation, case: Case) -> str:
    """Say what is different."""
    reasons = "".join(f"\nintended: {difference.reason}" for difference in case.differs)
    lines = difflib.ndiff(show(expected), show(proxy))
    diff = "\n".join(line for line in lines if not line.startswith("?"))
    sent = " ".join(repr(act)[:400] for act in case.acts)
    return f"{case.name} ({case.covers}){reasons}\nsent: {sent}\n- expected, + proxy\n{diff}"


def _text(seen: Observation) -> str:
    return "\n".join(show(seen))


def show(seen: Observation) -> list[str]:
    """Return an observation as lines."""
    lines: list[str] = []
    for response in seen.responses:
        lines += _show_response(response)
    lines.append(f"connection: {seen.fate}; backend connections: {seen.connections}")
    for request in seen.requests:
        lines.append(f"backend: {request.modifier1} {request.modifier2} {request.ended}")
        lines += [f"    {name!r} = {_short(value)}" for name, value in request.variables]
        lines.append(f"    body {len(request.body)} {_short(request.body)}")
    return lines


def _show_response(response: Response) -> Sequence[str]:
    whole = "" if response.complete else ", cut short"
    return [
        f"client: {response.status_line!r}",
        *(f"    {name!r}: {_short(value)}" for name, value in response.headers),
        f"    body ({response.framing}{whole}) {len(response.body)} {_short(response.body)}",
    ]


def _short(data: bytes) -> str:
    return repr(data) if len(data) <= 200 else f"{data[:80]!r}..{len(data)}..{data[-40:]!r}"
