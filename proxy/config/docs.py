"""docs/settings.md, made from the table: `python -m proxy.config.docs > docs/settings.md`."""

import sys
from collections.abc import Sequence
from dataclasses import fields
from itertools import chain
from typing import Any

from proxy.config import backend, check_spec, sticky
from proxy.config.option import Group, Option
from proxy.config.options import GROUPS
from proxy.config.words import Parameter
from proxy.exits import MEANINGS
from proxy.settings import BackendSettings, CheckSpec, StickySettings

_HEAD = """\
# Settings

<!-- Made by `python -m proxy.config.docs > docs/settings.md`; do not edit. -->

Every setting is an option of the command line and a variable of the environment. Nothing is
required but one of `--upstream`, `--backends-file`, `--subscribe` and `--app`. Defaults are nginx's
where nginx has the setting.

    uwsgi-frontend --upstream unix:/run/app.sock --listen :8080
    UWSGI_FRONTEND_UPSTREAM=unix:/run/app.sock UWSGI_FRONTEND_LISTEN=:8080 uwsgi-frontend

`--check-config` says what is wrong with the settings, all of it at once, or `configuration ok`.
`--print-config` shows every setting in effect, and where those come from that are not defaults.
`python -m proxy` is the same as `uwsgi-frontend`.

## Which source wins

The command line wins over the environment, the environment over the default, each for the whole
option: one `--upstream` on the command line replaces all of `UWSGI_FRONTEND_UPSTREAM`. An option
that cannot repeat may still be given again, and then the last one counts.

A variable is named after its option: `--send-timeout` is `UWSGI_FRONTEND_SEND_TIMEOUT`. Several
values in one variable are separated by commas or line breaks, those of `--param` and `--check` by
line breaks alone, since values may have commas in them. An empty variable counts as not set. An
unknown option is an error, and so is an unknown variable that begins with `UWSGI_FRONTEND_`, except
for those that Kubernetes makes for a service of the name `uwsgi-frontend`.

## How values are written

| kind | how | examples |
|---|---|---|
| SIZE | bytes, or a whole number with `k`, `m`, `g` (1024, 1024², 1024³) | `4096` `64k` `1m` |
| TIME | seconds, or a number with `ms`, `s`, `m`, `h`, `d` | `60` `1.5` `500ms` `2m` `1h` |
| PERCENT | a whole number, with or without a per cent sign | `20` `20%` |
| on\\|off | also true, false, yes, no, 1, 0; an option without a value means on | `on` |
| ADDRESS | a unix socket: `unix:/path`, or `unix:@name` in the abstract namespace of Linux | \
`unix:/run/app.sock` |
| | TCP: `HOST:PORT`, IPv6 in brackets | `127.0.0.1:3031` `[::1]:3031` |
| | for listening only: `:PORT`, `*:PORT` and `PORT` mean every IPv4 address, port 0 a free port | \
`:8080` |

A path of a unix socket has at most 107 bytes; that is the kernel's limit.
"""

_WORDS_HEAD = """
## How a backend is written

As nginx's `server` line: the address, then words, in any order. A value with spaces in it stands
in quotes. A line copied from nginx may keep its `server` and its semicolon. In a file of
`--backends-file`, each line is one backend, `#` begins a comment, and the one word `none` is for no
backend at all; an empty file is taken for an accident.

    uwsgi-frontend --upstream "unix:/run/a.sock weight=5 max_conns=8" --upstream "app:3031 backup"

"""

_STICKY_HEAD = """
## How a sticky cookie is written

Its name, then words: `--sticky-cookie "srv_id expires=1h secure"`.

"""

_CHECKS_HEAD = """
## How a check is written

One of these words, `http` with a path and words behind it:

    uwsgi-frontend --upstream app:3031 --check ping --check 'http /healthz header="X-Ready: ^yes"'

"""

_EXITS_HEAD = """
## Exit codes

| code | meaning |
|---|---|
"""


def page() -> str:
    """Return the whole page."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS)
    words = (
        _WORDS_HEAD + _words(backend.PARAMETERS, BackendSettings),
        _STICKY_HEAD + _words(sticky.PARAMETERS, StickySettings),
        _CHECKS_HEAD + _check_kinds() + "\n" + _words(check_spec.PARAMETERS, CheckSpec),
    )
    return _HEAD + "".join(words) + "".join(map(_section, GROUPS)) + _EXITS_HEAD + codes


def _words(parameters: Sequence[Parameter], dataclass: type) -> str:
    defaults = {field.name: field.default for field in fields(dataclass)}
    rows = (_word_row(word, defaults[word.field]) for word in parameters)
    return "| word | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _word_row(word: Parameter, default: Any) -> str:
    nothing = default is False or default in ("", None, ())
    shown = "" if nothing else word.kind.show(default)
    cells = (
        f"`{_escaped(word.usage)}`",
        f"`{shown}`" if shown else "",
        _escaped(word.help) + (" May stand several times." if word.many else "") + _range(word),
    )
    return "| " + " | ".join(cells) + " |\n"


def _check_kinds() -> str:
    rows = (f"| `{kind}` | {about} |\n" for kind, about in check_spec.KINDS.items())
    return "| check | what is good |\n|---|---|\n" + "".join(rows)


def _section(group: Group) -> str:
    rows = chain.from_iterable(_row(option) for option in group.options)
    head = "| option | default | what it does | elsewhere |\n|---|---|---|---|\n"
    return f"\n## {group.title}\n\n{head}" + "".join(rows)


def _row(option: Option) -> str:
    cells = (
        f"`{_escaped(option.usage)}`<br>`{option.environment}`",
        f"`{option.default}`" if option.default else "",
        _escaped(option.help) + _range(option),
        ", ".join(f"{program} `{name}`" for program, name in map(_split_alike, option.alike)),
    )
    return "| " + " | ".join(cells) + " |\n"


def _split_alike(alike: str) -> tuple[str, str]:
    program, _, name = alike.partition(" ")
    return program, name


def _escaped(text: str) -> str:
    """Return text with what would end the cell of a table made harmless."""
    return text.replace("|", "\\|")


def _range(row: Option | Parameter) -> str:
    if row.low is None or (row.high is None and row.low == 0):
        return ""  # that nothing is negative goes without saying
    if row.high is None:
        return f" At least {row.kind.show(row.low)}."
    return f" From {row.kind.show(row.low)} to {row.kind.show(row.high)}."


if __name__ == "__main__":
    sys.stdout.write(page())
