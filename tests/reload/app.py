"""An application that keeps a journal of what it executes; run by real uWSGI.

    BEGIN id PID NAME       when it is called
    END id PID NAME         when it has done what was asked, just before its reply

Each line is one write to a file opened with O_APPEND, so lines of several processes do not mix and
a killed worker leaves its BEGIN. NAME tells instances apart. Standard library only.

Query: `id` for the journal, `sleep` in seconds, and `gate`, the name of a file beside the journal:
the application goes on when it exists.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

GATE_LIMIT_S = 60.0
_STEP_S = 0.01

_journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_directory = Path(os.environ["JOURNAL"]).parent
_name = os.environ["INSTANCE"]


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Do as the query says and reply with the process id and the name of the instance."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    _note("BEGIN", query["id"])
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    time.sleep(float(query.get("sleep", "0")))
    if "gate" in query:
        _wait_for(_directory / query["gate"])
    _note("END", query["id"])
    body = f"{os.getpid()} {_name}".encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "text/plain")])
    return [body]


def _note(event: str, ident: str) -> None:
    os.write(_journal, f"{event} {ident} {os.getpid()} {_name}\n".encode())


def _wait_for(gate: Path) -> None:
    deadline = time.monotonic() + GATE_LIMIT_S
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(_STEP_S)
