"""Which option a person meant who wrote a name that does not exist.

A name may be misspelt, or be the right one for nginx, uWSGI or gunicorn.
"""

import difflib
from typing import get_args

from proxy.config.backend import PARAMETERS
from proxy.config.option import ENVIRONMENT_PREFIX
from proxy.config.options import OPTIONS
from proxy.settings import Algorithm

_ALGORITHMS = get_args(Algorithm)


def _normal(name: str) -> str:
    return name.strip("-").lower().replace("_", "-")


COMMANDS = {
    "help": "Show this text and exit.",
    "version": "Show the version and exit.",
    "check-config": "Say what is wrong with the settings, or `configuration ok`, and exit.",
    "print-config": "Show every setting in effect and where it comes from, and exit.",
}
"""What can be asked instead of serving, with its help; only on the command line."""

SUBCOMMANDS = {
    "curl": "Ask a uwsgi socket something, as curl asks an HTTP server.",
    "from-nginx": "Say which options do what an nginx.conf does, and what is left behind.",
    "health": "Ask a running front end whether it lives, for container engines.",
    "lab": "Measure your application behind uWSGI alone, nginx and this proxy.",
    "ping": "Ask whether a worker is free, as uwsgi --ping does.",
}
"""What can stand in front of all options to do something else than to serve; each has --help."""

_ELSEWHERE = {
    "port": "listen",
    "host": "listen",
    "b": "listen",
    "backend": "upstream",
    "timeout-queue": "queue-timeout",
    "timeout-check": "check-timeout",
    "option-redispatch": "next-upstream",
    "option-httpchk": "check",
    "v": "version",
    "t": "check-config",
    "test": "check-config",
}
"""What people try first, and short options; the table of options has no room for them."""

_BEHIND = {
    _normal(parameter.name): parameter.usage
    for parameter in PARAMETERS
    # Those are options of other things, too.
    if parameter.name not in ("stats", "keepalive")
} | {"maxconn": "max_conns=N", "slowstart": "slow_start=TIME"}
"""Words of nginx's `server` line and of HAProxy's, which stand behind an address here."""


def _names_elsewhere() -> dict[str, str]:
    names = dict(_ELSEWHERE)
    for option in OPTIONS:
        for alike in option.alike:
            names.setdefault(_normal(alike.split()[-1]), option.name)
    return names


_FOREGROUND = "it stays in the foreground: let systemd, or whatever starts it, do the rest"
NO_FILE = (
    "there is no configuration file: every setting is an option or an environment variable; "
    "what an nginx.conf comes to says uwsgi-frontend from-nginx FILE"
)
ANSWERS = {
    **dict.fromkeys(("c", "config", "conf", "config-file", "ini", "toml", "yaml"), NO_FILE),
    **dict.fromkeys(("d", "daemon", "daemonize", "background"), _FOREGROUND),
}
"""What people look for that does not exist, and what there is instead."""


def suggest_flag(text: str) -> str:
    """Return the end of a sentence about an unknown command-line option `text`."""
    word = _normal(text.partition("=")[0])
    if word in ANSWERS:
        return ANSWERS[word]
    if word in _BEHIND:
        return f'it stands behind an address: --upstream "ADDRESS {_BEHIND[word]}"'
    if word in _ALGORITHMS:
        return f"did you mean --balance {word}?"
    near = _nearest(word, list(COMMANDS))
    return f"did you mean --{near}?" if near else "see --help for all of them"


def is_file_of_settings(word: str) -> bool:
    """Whether a word on the command line looks like a file with settings in it."""
    return word.endswith((".conf", ".toml", ".ini", ".yaml", ".yml", ".cfg"))


def nearest_option(text: str) -> str | None:
    """Return the name of the option, without its hyphens in front, that `text` is most like."""
    return _nearest(_normal(text), [])


def suggest_subcommand(word: str) -> str | None:
    """Return the subcommand that was most likely meant, or None."""
    near = difflib.get_close_matches(word, [*SUBCOMMANDS, "serve"], n=1, cutoff=0.7)
    return near[0] if near else None


def suggest_environment(name: str) -> str:
    """Return the end of a sentence about an unknown environment variable `name`."""
    word = _normal(name.removeprefix(ENVIRONMENT_PREFIX))
    if word in COMMANDS:
        return f"--{word} works on the command line only"
    if word in _BEHIND:
        return (
            f"it stands behind an address: {ENVIRONMENT_PREFIX}UPSTREAM='ADDRESS {_BEHIND[word]}'"
        )
    if word in _ALGORITHMS:
        return f"did you mean {ENVIRONMENT_PREFIX}BALANCE={word}?"
    near = _nearest(word, [])
    if near:
        return f"did you mean {ENVIRONMENT_PREFIX}{near.upper().replace('-', '_')}?"
    return "see --help for all options; a variable is named after its option"


def _nearest(word: str, more: list[str]) -> str | None:
    """Return the name of an option, or one of `more`, that `word` is most like."""
    names = [option.name for option in OPTIONS] + more
    known = {name: right for name, right in _names_elsewhere().items() if right in names}
    known |= {name: name for name in names}
    if word in known:
        return known[word]
    begun = [name for name in names if len(word) > 2 and name.startswith(word)]
    near = begun or difflib.get_close_matches(word, known, n=1, cutoff=0.65)
    return known[near[0]] if near else None
