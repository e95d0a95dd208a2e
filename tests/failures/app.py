"""An application that fails in every way an application can; run by real servers.

Standard library only: Debian's uWSGI runs it with Debian's Python.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]
LONG = 40_000


def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Fail as the path says."""
    return PAGES[environ["PATH_INFO"]](environ, start_response)


def _answer(start_response: Start, body: bytes, length: int | None = None) -> list[bytes]:
    size = len(body) if length is None else length
    start_response("200 OK", [("Content-Length", str(size)), ("Content-Type", "text/plain")])
    return [body]


def _ok(_: Environ, start_response: Start) -> Iterable[bytes]:
    return _answer(start_response, b"ok")


def _brief(_: Environ, start_response: Start) -> Iterable[bytes]:
    time.sleep(0.005)
    return _answer(start_response, b"ok")


def _raise(_: Environ, __: Start) -> Iterable[bytes]:
    raise RuntimeError("as asked")


def _raise_late(_: Environ, start_response: Start) -> Iterator[bytes]:
    yield from _answer(start_response, b"0123456789", 1000)
    raise RuntimeError("as asked")


def _exit(_: Environ, __: Start) -> Iterable[bytes]:
    os._exit(7)  # gunicorn gives up after some other codes


def _exit_once(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Die, unless the file that the request names says that this has been done."""
    flag = Path(environ["HTTP_X_FLAG"])
    if not flag.exists():
        flag.touch()
        os._exit(7)
    return _answer(start_response, b"ok")


def _hang(_: Environ, __: Start) -> Iterable[bytes]:
    time.sleep(60)
    return []


def _hold(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer when there is the file that the request names."""
    while not Path(environ["HTTP_X_FLAG"]).exists():
        time.sleep(0.01)
    return _answer(start_response, b"ok")


def _unread(_: Environ, start_response: Start) -> Iterable[bytes]:
    return _answer(start_response, b"y" * LONG)


def _digest(environ: Environ, start_response: Start) -> Iterable[bytes]:
    size = int(environ["CONTENT_LENGTH"])
    return _answer(
        start_response, hashlib.sha256(environ["wsgi.input"].read(size)).hexdigest().encode()
    )


def _big_head(_: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Set-Cookie", "a=" + "x" * 6000)])
    return [b""]


def _shorter(_: Environ, start_response: Start) -> Iterable[bytes]:
    return _answer(start_response, b"0123456789", 1000)


PAGES: dict[str, Callable[[Environ, Start], Iterable[bytes]]] = {
    "/ok": _ok,
    "/brief": _brief,
    "/raise": _raise,
    "/raise-late": _raise_late,
    "/exit": _exit,
    "/exit-once": _exit_once,
    "/hang": _hang,
    "/hold": _hold,
    "/unread": _unread,
    "/digest": _digest,
    "/big-head": _big_head,
    "/shorter": _shorter,
}
