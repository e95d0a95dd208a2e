"""docs/reasons.md, made from the table in `proxy.errors`.

    python docs/reasons.py > docs/reasons.md

A script beside its page and no part of the package: only its test looks at it.
"""

import re
import sys
from collections.abc import Iterable

from proxy.errors import ALL, Blame, Reason
from proxy.upstream.retry import condition_of

_HEAD = """\
# Reasons

<!-- Made by `python docs/reasons.py > docs/reasons.md`; do not edit. -->

Every answer that the front end itself makes to a client, and every exchange that ends badly, has
one reason: a word from this list. You find the same word in three places:

- in the error log (standard error): one line, with what was seen and what to do next
- in the access log: the last field of the line, `-` when all went well
- in `/metrics`: the label `reason` of `uwsgi_frontend_errors_total`, from zero on

An answer of the application is never a failure here. A 500 or a 503 that it sends itself passes
through, and has no reason.

**Status** is what the client gets. Where nothing can be sent any more, it is what the log says:
408 for a client that was too slow, 499 for one that has left, 000 for one that we have cut off.
Once a response has begun its status cannot change: the client's connection is then broken off, the
status in the log stays, and the reason tells that the response was cut.

**Try again?** says whether the request is given to another `--upstream` with the usual settings:
`yes` for every request, since nothing of it had been sent; a word of `--next-upstream` for those
that may be repeated (not POST, LOCK, PATCH), if that word is listed. See [pool.md](pool.md).

"""

_BLAMES = {
    Blame.OPERATOR: (
        "Set-up",
        "Something is configured or installed wrongly. It fails until somebody changes it.",
    ),
    Blame.BACKEND: (
        "Application",
        "The application server refused, died, was slow, or said something that may not be passed "
        "on. Look into its log; the line in ours says when, and at which backend.",
    ),
    Blame.OURS: (
        "This program",
        "The front end's own doing, or a bug in it.",
    ),
    Blame.CLIENT: (
        "Client",
        "The client's doing. Logged as information only; seldom worth an alarm, but a sudden rise "
        "of one word often is the news of a release on the other side.",
    ),
}

_TAIL = """
## For your alarms

Everything that an operator can do something about:

    sum by (reason) (rate(uwsgi_frontend_errors_total{blame!="client"}[5m])) > 0

Which backend it was (attempts that failed are counted even if another backend then answered):

    sum by (backend, result) (rate(uwsgi_frontend_upstream_attempts_total{result!="ok"}[5m]))
"""

_SURELY_UNSENT = {
    "socket_missing": "yes, or waited for: `--try-duration`",
    "connect_refused": "yes, or waited for: `--try-duration`",
    "permission_denied": "yes",
    "connect_timeout": "yes",
    "connect_failed": "yes",
    "backlog_full": "yes, and waited for until `--queue-timeout`",
}
_OTHER_STATUS = {"bad_version": "400 or 505", "bad_transfer_encoding": "400 or 501"}
"""Where a parser chooses between two."""


def page() -> str:
    """Return the whole page."""
    return _HEAD + "\n".join(map(_section, _BLAMES)) + _TAIL


def _section(blame: Blame) -> str:
    title, text = _BLAMES[blame]
    rows = "".join(_row(reason) for reason in ALL.values() if reason.blame is blame)
    again = blame in (Blame.OPERATOR, Blame.BACKEND)
    columns = ("reason", "status", *(("try again?",) if again else ()), "next step")
    head = f'## {title} (`blame="{blame.value}"`)\n\n{text}\n\n'
    return head + _line(columns) + _rule(columns) + rows


def _row(reason: Reason) -> str:
    status = _OTHER_STATUS.get(reason.word, f"{reason.status:03d}")
    cells = [f"`{reason.word}`", status if reason.answered else f"{status}, in the log"]
    if reason.blame in (Blame.OPERATOR, Blame.BACKEND):
        cells.append(_again(reason))
    return _line([*cells, _as_code(reason.next_step)])


def _again(reason: Reason) -> str:
    if reason.word in _SURELY_UNSENT:
        return _SURELY_UNSENT[reason.word]
    condition = condition_of(reason)
    return "no" if condition is None else f"`{condition}`"


def _as_code(text: str) -> str:
    """Mark options up; a bar would end the cell."""
    return re.sub(r"--[a-z][a-z0-9-]*(?:=[\w.]+)?", r"`\g<0>`", text).replace("|", "\\|")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _rule(columns: Iterable[str]) -> str:
    return "|" + "---|" * len(list(columns)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
