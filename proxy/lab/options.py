"""Options that the commands of the lab share: which application, asked for what."""

import argparse
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from proxy.lab.load.ask import Wanted

PROGRAM = "uwsgi-frontend lab"
_REPORT_BYTES = 1 << 20
"""Room for the reports, about."""
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH")


def add_requests(made: argparse.ArgumentParser) -> None:
    """Add the options that say what is asked of whom, and where reports go."""
    made.add_argument("--app", default="", metavar="MODULE:CALLABLE", help="your application")
    made.add_argument(
        "--path", "--url", action="append", default=[], metavar='"[METHOD] /PATH"',
        help="what is asked for [/]; may be given several times",
    )  # fmt: skip
    made.add_argument("--body", default="", metavar="TEXT|@FILE", help="of POST, PUT and PATCH")
    made.add_argument(
        "--header", action="append", default=[], metavar='"NAME: VALUE"', help="of every request"
    )
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of arrivals and order [1]")
    made.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="for the reports [.]")


def requests(args: argparse.Namespace) -> tuple[Wanted, ...]:
    """Return what the options ask for.

    Raises:
        ValueError: a path or a header is none.
        OSError: the file of the body cannot be read.
    """
    headers = tuple(_header(each) for each in args.header)
    body = args.body
    if body.startswith("@"):
        body = Path(body[1:]).read_text(encoding="utf-8")
    return tuple(_wanted(each, headers, body) for each in args.path or ["/"])


def make_room(out: Path) -> None:
    """See that reports can be written there, before half an hour is spent on them.

    Raises:
        ValueError: they cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(bytes(_REPORT_BYTES))
    except OSError as error:
        raise ValueError(f"--out {out}: {error.strerror}") from None


def positive(text: str) -> int:
    """Return a whole number above zero, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def seconds(text: str) -> float:
    """Return a length of time of a load, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 600:
        raise argparse.ArgumentTypeError("must be a number from 0.1 to 600")
    return value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text:
        raise ValueError(f'--header {text!r} is not of the form "NAME: VALUE"')
    return name.strip(), value.strip()


def _wanted(text: str, headers: tuple[tuple[str, str], ...], body: str) -> Wanted:
    words = text.split()
    method = words.pop(0).upper() if len(words) == 2 else "GET"
    if len(words) != 1 or not method.isalpha():
        raise ValueError(f'--path {text!r} is not of the form "/path" or "METHOD /path"')
    path = words[0]
    if "://" in path:
        parts = urlsplit(path)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.startswith("/"):
        raise ValueError(f"--path {text!r}: a path begins with /")
    return Wanted(path, method, headers, body if method in _METHODS_WITH_BODY else "")
