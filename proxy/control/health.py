"""/livez and /readyz, as Kubernetes' own components answer them.

/livez says that the event loop turns: that it answers is the answer. /readyz says whether requests
should be sent here. Each check can be left out (`?exclude=ping`) or asked alone (`/readyz/ping`);
`?verbose` lists them, and so does a failure.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from proxy.control.asked import Answered, Asked, Refusal, as_text
from proxy.control.members import Answer

LIVEZ = "livez"
READYZ = "readyz"


class Check(NamedTuple):
    """One line: whether it is well, and what is known."""

    name: str
    ok: bool
    detail: str = ""


PING = Check("ping", True)


def checks_of(page: str, answers: Iterable[Answer]) -> list[Check]:
    """Return the checks of a page; `answers` are the processes' to the question for readiness."""
    if page == LIVEZ:
        return [PING]
    given = [one for one in answers if isinstance(one, dict) and "able" in one]
    if not given:
        return [PING, Check("workers", False, "no worker process answers")]
    # One process that serves is enough: the others may be starting, or ending.
    best: dict[str, Any] = max(given, key=lambda one: (not one["draining"], one["able"]))
    return [
        PING,
        Check("draining", not best["draining"], "this server is shutting down"),
        Check("backends", best["able"] > 0, best["detail"]),
    ]


def show_health(asked: Asked, checks: Sequence[Check], tells_why: bool = True) -> Answered:
    """Return the response; `tells_why` is for an address that not everybody can reach.

    Raises:
        Refusal: there is no such check.
    """
    page, *rest = asked.segments
    if rest:
        chosen = [check for check in checks if [check.name] == rest]
        if not chosen:
            raise Refusal(404, "no_check", f"there is no check {rest[0][:50]!r}", f"see /{page}")
        return _show(page, asked, chosen, set(), tells_why)
    return _show(page, asked, checks, set(asked.query.get("exclude", ())), tells_why)


def _show(
    page: str, asked: Asked, checks: Sequence[Check], excluded: set[str], tells_why: bool
) -> Answered:
    lines = [_line(check, check.name in excluded, tells_why) for check in checks]
    if unknown := sorted(excluded - {check.name for check in checks}):
        names = ",".join(f'"{name[:50]}"' for name in unknown[:5])
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
    ok = all(check.ok or check.name in excluded for check in checks)
    if ok and "verbose" not in asked.query:
        return as_text("ok\n")
    lines.append(f"{page} check {'passed' if ok else 'failed'}")
    return as_text("\n".join(lines) + "\n", 200 if ok else 503)


def _line(check: Check, is_excluded: bool, tells_why: bool) -> str:
    if is_excluded:
        return f"[+]{check.name} excluded: ok"
    if check.ok:
        return f"[+]{check.name} ok"
    return f"[-]{check.name} failed: {check.detail if tells_why else 'reason withheld'}"
