"""The command: from arguments and environment to a running server, or to one clear line.

Owns what the user sees before the first request: help, version, the listing of settings, and
complaints about them. Everything after that is `proxy.process`. Another word in front (`curl`,
`ping`) is another program, which is imported only when it is asked for.
"""

import importlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

from proxy import __version__
from proxy.compiled import is_compiled
from proxy.config.argv import PROGRAM, help_text, read_argv
from proxy.config.check import check
from proxy.config.check_workers import line_parser
from proxy.config.env import read_env
from proxy.config.show import listing, printable
from proxy.config.sources import load
from proxy.exits import Exit
from proxy.settings import Settings

SUBCOMMANDS = {
    "curl": "proxy.client.curl",
    "from-nginx": "proxy.migration.command",
    "health": "proxy.client.health",
    "lab": "proxy.lab.cli",
    "ping": "proxy.client.ping",
}
"""The module of each subcommand, with a `main` that takes its arguments and returns the exit code;
what it is for says `proxy.config.names`. By name, since importing is what takes the time."""

_COMPONENTS = ("h11", "httptools", "uvloop", "pyuwsgi", "dnspython", "cryptography")
"""Packages whose version matters in a report about a bug."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Do what the command line asks for and return the exit code (`proxy.exits`).

    `argv` is without the program's name; both default to those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in SUBCOMMANDS:
        code: int = importlib.import_module(SUBCOMMANDS[words[0]]).main(words[1:])
        return code
    line = read_argv(words[1:] if words[:1] == ["serve"] else words)
    if "help" in line.commands:
        print(help_text())
        return Exit.STOPPED
    if "version" in line.commands:
        print(version())
        return Exit.STOPPED
    loaded = load([read_env(os.environ if environ is None else environ), line.source])
    complaints = loaded.complaints or check(loaded.settings)
    if "print-config" in line.commands and not loaded.complaints:
        print(listing(loaded, __version__), end="")
    for complaint in complaints:
        print(f"{PROGRAM}: error: {printable(complaint)}", file=sys.stderr)
    if complaints:
        return Exit.BAD_SETTINGS
    if "check-config" in line.commands:
        print("configuration ok")
    if line.commands:
        return Exit.STOPPED
    return _serve(loaded.settings)


def version() -> str:
    """Return one line with our version and those of what we stand on."""
    parts = [f"{platform.python_implementation()} {platform.python_version()}"]
    if is_compiled():
        parts.insert(0, "compiled")
    for name in _COMPONENTS:
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{PROGRAM} {__version__} ({', '.join(parts)})"


def _serve(settings: Settings) -> int:
    # Imported late: --help, --version and complaints need neither a loop nor a parser.
    from proxy.process import run

    return run(settings, line_parser(settings.server.workers))
