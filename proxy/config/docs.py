"""docs/settings.md, made from the table: `python -m proxy.config.docs > docs/settings.md`."""

import sys
from itertools import chain

from proxy.config.option import Group, Option
from proxy.config.options import GROUPS
from proxy.exits import MEANINGS

_HEAD = """\
# Settings

<!-- Made by `python -m proxy.config.docs > docs/settings.md`; do not edit. -->

Every setting is an option of the command line and a variable of the environment. Nothing is
required but one of `--upstream` and `--app`. Defaults are nginx's where nginx has the setting.

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
values in one variable are separated by commas, those of `--param` by line breaks, since values may
have commas in them. An empty variable counts as not set. An unknown option is an error, and so is
an unknown variable that begins with `UWSGI_FRONTEND_`, except for those that Kubernetes makes for a
service of the name `uwsgi-frontend`.

## How values are written

| kind | how | examples |
|---|---|---|
| SIZE | bytes, or a whole number with `k`, `m`, `g` (1024, 1024², 1024³) | `4096` `64k` `1m` |
| TIME | seconds, or a number with `ms`, `s`, `m`, `h`, `d` | `60` `1.5` `500ms` `2m` `1h` |
| on\\|off | also true, false, yes, no, 1, 0; an option without a value means on | `on` |
| ADDRESS | a unix socket: `unix:/path`, or `unix:@name` in the abstract namespace of Linux | \
`unix:/run/app.sock` |
| | TCP: `HOST:PORT`, IPv6 in brackets | `127.0.0.1:3031` `[::1]:3031` |
| | for listening only: `:PORT`, `*:PORT` and `PORT` mean every IPv4 address, port 0 a free port | \
`:8080` |

A path of a unix socket has at most 107 bytes; that is the kernel's limit.
"""

_EXITS_HEAD = """
## Exit codes

| code | meaning |
|---|---|
"""


def page() -> str:
    """Return the whole page."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS)
    return _HEAD + "".join(map(_section, GROUPS)) + _EXITS_HEAD + codes


def _section(group: Group) -> str:
    rows = chain.from_iterable(_row(option) for option in group.options)
    head = "| option | default | what it does | elsewhere |\n|---|---|---|---|\n"
    return f"\n## {group.title}\n\n{head}" + "".join(rows)


def _row(option: Option) -> str:
    cells = (
        f"`{option.usage}`".replace("|", "\\|") + f"<br>`{option.environment}`",
        f"`{option.default}`" if option.default else "",
        option.help.replace("|", "\\|") + _range(option),
        ", ".join(f"{program} `{name}`" for program, name in map(_split_alike, option.alike)),
    )
    return "| " + " | ".join(cells) + " |\n"


def _split_alike(alike: str) -> tuple[str, str]:
    program, _, name = alike.partition(" ")
    return program, name


def _range(option: Option) -> str:
    if option.low is None or option.high is None:
        return ""
    return f" From {option.low} to {option.high}."


if __name__ == "__main__":
    sys.stdout.write(page())
