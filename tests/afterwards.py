"""What is left of a test that has failed: the last lines of the servers that it started.

A red run of continuous integration may be the only one of its kind, on a machine that nobody can
look at. So the report of a failure has the logs beside it (`tests/conftest.py`).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.servers import RECENT

LINES = 40
MOST_FILES = 8
Section = tuple[str, str]


def logs_of(values: Iterable[object]) -> Iterator[Section]:
    """Yield the ends of the logs that a test's fixtures know of, and of the last front ends."""
    files = dict.fromkeys(file for value in values for file in _files(value))
    for file in list(files)[:MOST_FILES]:
        if text := _tail(file.read_text(errors="replace").splitlines()):
            yield f"end of {file}", text
    for front in RECENT:
        if text := _tail(front.log):
            yield f"end of the log of front end {front.process.pid}", text


def _files(value: object) -> Iterator[Path]:
    """Logs are named `log` or `something.log` here, and lie in a directory that a fixture made."""
    if isinstance(value, Path) and value.is_dir():
        yield from sorted(file for file in value.glob("**/*log") if file.is_file())
    elif isinstance(file := getattr(value, "log_file", None), Path) and file.is_file():
        yield file


def _tail(lines: list[str]) -> str:
    return "\n".join(lines[-LINES:])
