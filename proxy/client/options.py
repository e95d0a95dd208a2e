"""The command line of `uwsgi-frontend curl`: curl's letters, read into one value."""

import argparse
import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

PROGRAM = "uwsgi-frontend curl"

_FORM = "application/x-www-form-urlencoded"

_EPILOGUE = """\
examples:
  uwsgi-frontend curl unix:/run/app.sock /healthz
  uwsgi-frontend curl 127.0.0.1:3031 /login -d user=a -d password=b -i
  uwsgi-frontend curl unix:/run/app.sock /api -X PUT --data-binary @body.json \\
      -H 'Content-Type: application/json' --param REMOTE_USER=alice -v

exit codes are curl's: 0 a reply, 2 bad usage, 7 cannot connect, 8 no HTTP head, 18 cut off,
22 status 400 or more (with -f), 23 cannot write, 26 cannot read a file, 28 too slow, 52 no reply,
55 too large to send, 56 the connection broke.
"""


class UsageError(Exception):
    """The command line cannot be understood; the text is one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be sent, and what becomes of the reply."""

    address: str
    method: str
    path: str
    headers: list[tuple[str, str | None]]
    """None for one that is not to be sent."""
    body: bytes
    params: list[tuple[str, str]]
    modifiers: tuple[int, int]
    timeout_s: float | None
    output: str
    show_head: bool
    """Write the head in front of the body."""
    silent: bool
    verbose: bool
    fail: bool
    """A status of 400 or more is a failure, and its body is not shown."""


def read_options(arguments: Sequence[str]) -> Options:
    """Return what a command line says; files that it names are read.

    Raises:
        UsageError: it makes no sense.
        OSError: a file cannot be read.
        SystemExit: help was asked for.
    """
    try:
        words = _parser().parse_intermixed_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from None
    body = b"&".join(_read_data(kind, text) for kind, text in words.data)
    headers = _headers(words)
    method = words.request or ("HEAD" if words.head else "POST" if words.data else "GET")
    return Options(
        address=words.address,
        method=method,
        path=words.path,
        headers=headers,
        body=body,
        params=[_param(text) for text in words.param],
        modifiers=(words.modifier1, words.modifier2),
        timeout_s=words.max_time or None,
        output=words.output,
        show_head=words.include or words.head,
        silent=words.silent and not words.show_error,
        verbose=words.verbose,
        fail=words.fail,
    )


def _headers(words: argparse.Namespace) -> list[tuple[str, str | None]]:
    """Return the headers, those with a letter of their own first; -H comes instead of them."""
    usual: list[tuple[str, str | None]] = []
    if words.data:
        usual.append(("Content-Type", _FORM))
    if words.user_agent is not None:
        usual.append(("User-Agent", words.user_agent))
    if words.cookie:
        usual.append(("Cookie", "; ".join(words.cookie)))
    if words.user is not None:
        token = base64.b64encode(words.user.encode("utf-8", "surrogateescape")).decode()
        usual.append(("Authorization", f"Basic {token}"))
    given = [_header(text) for text in words.header]
    names = {name.lower() for name, _ in given}
    return [pair for pair in usual if pair[0].lower() not in names] + given


def _header(text: str) -> tuple[str, str | None]:
    """Read a -H as curl does: `Name: value`, `Name:` for none of it, `Name;` for an empty one."""
    name, colon, value = text.partition(":")
    if colon and name.strip():
        return name.strip(), value.strip() or None
    name, semicolon, rest = text.partition(";")
    if semicolon and name.strip() and not rest.strip():
        return name.strip(), ""
    raise UsageError(f"-H {text!r}: write it like 'Name: value'")


def _param(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise UsageError(f"--param {text!r}: write it like NAME=VALUE")
    return name.strip(), value


def _read_data(kind: str, text: str) -> bytes:
    if kind == "raw" or not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    name = text[1:]
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    if kind == "binary":
        return data
    return data.translate(None, b"\r\n\0")  # what curl -d does to a file


class _Data(argparse.Action):
    """Keeps --data and its relatives in the order in which they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        kind = {"--data-binary": "binary", "--data-raw": "raw"}.get(option_string or "", "text")
        namespace.data = [*namespace.data, (kind, values)]


class _Parser(argparse.ArgumentParser):
    """One that complains as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Ask the application behind a uwsgi socket, as curl asks an HTTP server.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("address", metavar="ADDRESS", help="unix:/path, unix:@name or HOST:PORT")
    add("path", metavar="PATH", nargs="?", default="/", help="with its query [/]")
    add("-X", "--request", metavar="METHOD", help="instead of GET, or POST when there is data")
    told = "'NAME:' for none of it, 'NAME;' for an empty one"
    add("-H", "--header", metavar="'NAME: VALUE'", action="append", default=[], help=told)
    data: dict[str, Any] = {"action": _Data, "dest": "data", "default": [], "metavar": "DATA|@FILE"}
    add("-d", "--data", **data, help="body; of a file without its line ends; @- is standard input")
    add("--data-binary", **data, help="the same as it is")
    add("--data-raw", **data, help="the same, and @ means nothing")
    add("-A", "--user-agent", metavar="NAME")
    add("-b", "--cookie", metavar="NAME=VALUE", action="append", default=[])
    add("-u", "--user", metavar="USER:PASSWORD", help="basic authentication")
    add("-I", "--head", action="store_true", help="ask with HEAD and show the head")
    add("-i", "--include", action="store_true", help="show the head in front of the body")
    add("-o", "--output", metavar="FILE", default="-", help="write the body there")
    add("-s", "--silent", action="store_true", help="no word about failures")
    add("-S", "--show-error", action="store_true", help="with -s: say them all the same")
    add("-f", "--fail", action="store_true", help="exit code 22 for a status of 400 or more")
    add("-v", "--verbose", action="store_true", help="show the variables sent, and the reply head")
    add("-m", "--max-time", metavar="SECONDS", type=float, default=0.0, help="for everything")
    add("--param", metavar="NAME=VALUE", action="append", default=[], help="a uwsgi variable")
    add("--modifier1", metavar="N", type=int, default=0, choices=range(256), help="[0]")
    add("--modifier2", metavar="N", type=int, default=0, choices=range(256), help="[0]")
    return parser
