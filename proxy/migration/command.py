"""`uwsgi-frontend from-nginx FILE`: the command line that does what a configuration does.

The command line goes to standard output, ready to be run; what is left behind goes to standard
error, a line each, with where it stands and what could be done instead. Nothing is started.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from proxy.config.argv import PROGRAM
from proxy.migration.translate import Translation, translate
from proxy.migration.tree import Unreadable, read

ALL_TAKEN, SOME_LEFT, UNREADABLE = 0, 1, 2

_COMMAND = f"{PROGRAM} from-nginx"


def main(arguments: Sequence[str]) -> int:
    """Print what becomes of a configuration; return the exit code."""
    path = Path(_parser().parse_args(arguments).file)
    try:
        made = translate(read(path))
    except Unreadable as error:
        print(f"{_COMMAND}: error: {error}", file=sys.stderr)
        return UNREADABLE
    if made is None:
        why = "no location in it has uwsgi_pass or proxy_pass; give the file that has"
        print(f"{_COMMAND}: error: {path}: {why}", file=sys.stderr)
        return UNREADABLE
    for left in made.left:
        print(f"{left.where}: left out: {left.what}: {left.why}", file=sys.stderr)
    print(command_line(made))
    return SOME_LEFT if made.left else ALL_TAKEN


def command_line(made: Translation) -> str:
    """Return the options as a command for a shell, one in a line."""
    words = [PROGRAM]
    for flag, texts in made.taken.items():
        words += [f"{flag} {shlex.quote(text)}" for text in texts]
    return " \\\n    ".join(words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Say which options do what an nginx configuration with uwsgi_pass does, and "
        "what is left behind. Nothing is started.",
        epilog=f"exit codes: {ALL_TAKEN} all was taken over, {SOME_LEFT} something is left out, "
        f"{UNREADABLE} it cannot be read. Needs crossplane, the extra nginx.",
    )
    parser.add_argument("file", metavar="FILE", help="nginx.conf, or a file of sites-enabled")
    return parser
