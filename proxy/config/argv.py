"""The command line as a source of settings, and its help.

argparse splits the words and lays out the help; the meaning of values, and every message about
them, comes from the table of options.
"""

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.config import backend, check_spec, sticky
from proxy.config.conditions import CONDITIONS
from proxy.config.names import (
    COMMANDS,
    NO_FILE,
    SUBCOMMANDS,
    is_file_of_settings,
    suggest_flag,
    suggest_subcommand,
)
from proxy.config.option import ENVIRONMENT_PREFIX, Option
from proxy.config.options import GROUPS, OPTIONS
from proxy.config.sources import Source
from proxy.config.words import Parameter
from proxy.exits import MEANINGS

PROGRAM = "uwsgi-frontend"

_USAGE = f"""\
uwsgi-frontend [serve] --upstream unix:/run/app.sock [--upstream ...] [options]
       uwsgi-frontend [serve] --app package.module:callable [options]
       uwsgi-frontend {{{",".join(SUBCOMMANDS)}}} ..."""

_ABOUT = """\
Accepts HTTP and passes each request on to an application behind the uwsgi protocol: real uWSGI, or
gunicorn --protocol uwsgi. Behaves like nginx with uwsgi_pass, and has its defaults."""


def _words(start: str, parameters: Sequence[Parameter]) -> str:
    text = start + " " + " ".join(parameter.usage for parameter in parameters)
    return textwrap.fill(
        text,
        96,
        initial_indent=" " * 11,
        subsequent_indent=" " * 13,
        break_on_hyphens=False,
        break_long_words=False,
    ).lstrip()


_KINDS = f"""\
values:
  SIZE     bytes, or with k, m or g: 4096, 64k, 1m
  TIME     seconds, or with a unit: 60, 1.5, 500ms, 30s, 2m, 1h
  on|off   an option without a value means on
  ADDRESS  unix:/path, unix:@name, HOST:PORT, [IPV6]:PORT

several words in one value, in quotes:
  BACKEND  {_words("ADDRESS", backend.PARAMETERS)}
  COOKIE   {_words("NAME", sticky.PARAMETERS)}
  CHECK    {" | ".join(kind for kind in check_spec.KINDS if kind != "http")}, or
           {_words("http /path", check_spec.PARAMETERS)}

  uwsgi-frontend --upstream "unix:/run/app.sock max_conns=4" --check "http /healthz status=200"

environment:
  Every option can be given as a variable named after it: --send-timeout as
  {ENVIRONMENT_PREFIX}SEND_TIMEOUT. The command line wins. Several values are separated by commas
  or line breaks, those of --param and --check by line breaks alone. An empty variable counts as
  not set.
"""


@dataclass(slots=True)
class CommandLine:
    """What was asked for: settings, and commands that are done instead of serving."""

    source: Source = field(default_factory=Source)
    commands: set[str] = field(default_factory=set)


def read_argv(argv: Sequence[str]) -> CommandLine:
    """Return what `argv`, without the program's name, says."""
    line = CommandLine()
    try:
        words, unknown = _parser().parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        line.source.complaints.append(_why_not_split(error))
        return line
    line.commands = {name for name in COMMANDS if getattr(words, name)}
    line.source.complaints += _why_unknown(unknown)
    for option in OPTIONS:
        if texts := getattr(words, option.path):
            line.source.take(option, texts, f"{option.flag} ", "command line")
    return line


def help_text() -> str:
    """Return the text of --help, as wide as the terminal but not wider than people read."""
    return _parser().format_help()


_WITH_WORDS = (
    ("--upstream", "ADDRESS", backend.PARAMETERS),
    ("--check", "http /path", check_spec.PARAMETERS),
    ("--sticky-cookie", "NAME", sticky.PARAMETERS),
)
"""Options whose value is made of words: the option, what comes first, and the words."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=_USAGE,
        description=_ABOUT,
        epilog=_epilogue(),
        formatter_class=_layout,
        allow_abbrev=False,  # an abbreviation that works today is ambiguous after the next release
        add_help=False,
        exit_on_error=False,
    )
    commands = parser.add_argument_group("Commands")
    for name, about in COMMANDS.items():
        flags = ["-h", "--help"] if name == "help" else [f"--{name}"]
        commands.add_argument(*flags, dest=name, action="store_true", help=about)
    for group in GROUPS:
        section = parser.add_argument_group(group.title)
        for option in group.options:
            _add(section, option)
    return parser


def _add(section: "argparse._ArgumentGroup", option: Option) -> None:
    about = option.help.replace("%", "%%")
    if option.default:
        about += f" [{option.default.replace('%', '%%')}]"
    section.add_argument(
        option.flag,
        dest=option.path,
        action="append",
        metavar=option.kind.metavar,
        nargs="?" if option.kind.is_switch else None,
        const="on" if option.kind.is_switch else None,
        help=about,
    )


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Leaves words such as round-robin whole, as they have to be typed."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


def _layout(prog: str) -> argparse.HelpFormatter:
    columns = shutil.get_terminal_size(fallback=(100, 24)).columns
    return _Layout(prog, max_help_position=30, width=max(60, min(columns, 100)) - 2)


def _epilogue() -> str:
    codes = "".join(f"  {code:<6} {meaning}\n" for code, meaning in MEANINGS)
    others = "".join(f"  {name:<10} {about}\n" for name, about in SUBCOMMANDS.items())
    parts = (f"other commands:\n{others}", _KINDS, f"exit codes:\n{codes}")
    return "\n".join((*parts, "Every option at length: docs/settings.md"))


def _why_not_split(error: argparse.ArgumentError) -> str:
    for option in OPTIONS:
        if option.flag == error.argument_name:
            return f"{option.flag} has no value; write it like {option.example}"
    return f"{error.argument_name} takes no value"


def _why_unknown(words: list[str]) -> list[str]:
    """Return complaints about words that are no option, nor the value of one."""
    flags = [word for word in words if word.startswith("-") and word.strip("-")]
    if flags:  # the other words are most likely their values
        return [f"unknown option {flag.partition('=')[0]}: {suggest_flag(flag)}" for flag in flags]
    return [f"unexpected argument {word}: {_why_unexpected(word)}" for word in words]


def _why_unexpected(word: str) -> str:
    if is_file_of_settings(word):
        return NO_FILE
    name, equals, _ = word.partition("=")
    for flag, first, parameters in _WITH_WORDS:
        is_word = any(name == one.name and (equals or one.kind.is_switch) for one in parameters)
        if is_word:
            return f'the words of one value stand in quotes: {flag} "{first} {word}"'
    if word in CONDITIONS:
        return f"the conditions of one value stand without spaces: --next-upstream error,{word}"
    if word.startswith("/") and not word.endswith(".sock"):
        return f'the words of one value stand in quotes: --check "http {word}"'
    if word.startswith("unix:") or word.endswith(".sock"):
        return f"did you mean --upstream {word}?"
    if ":" in word:
        return f"did you mean --app {word}, --upstream {word} or --listen {word}?"
    if command := suggest_subcommand(word):
        return f"a command stands in front of everything: {PROGRAM} {command}"
    return "every setting is an option that begins with --"
