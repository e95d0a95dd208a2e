"""The application that every server of the lab runs: the user's own, and a few paths beside it.

What lies under `/.lab/` is answered here, everything else by the application that LAB_APP names.
The scenarios need paths whose behaviour is known: one that sleeps, one that does not read a body,
one that raises. Standard library only, and nothing of this project: uWSGI loads it by its path.

The user's application is imported when this module is, so that a mistake shows at the start.
"""

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

PREFIX = "/.lab/"
MARK = "at-work-"
"""How names of files begin that say who works: method and process follow."""
_BLOCK = bytes(64 * 1024)
_LONGEST_MS = 10_000
_LARGEST_BYTES = 1 << 30

Environ = dict[str, Any]
Start = Callable[..., object]
Application = Callable[[Environ, Start], Iterable[bytes]]


def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer paths of the lab; leave the others to the user's application."""
    path = environ.get("PATH_INFO", "/")
    if not path.startswith(PREFIX):
        return _users(environ, start_response)
    name, _, argument = path.removeprefix(PREFIX).partition("/")
    route = _ROUTES.get(name)
    if route is None or not (argument.isdigit() or not argument):
        return _text(start_response, "no such path of the lab", "404 Not Found")
    return route(environ, start_response, int(argument or 0))


def load(name: str, directory: str) -> Application:
    """Return the application `package.module:callable`; one of our own without a name."""
    if not name:
        return _nothing
    if directory and directory not in sys.path:
        sys.path.insert(0, directory)
    module, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in (attribute or "application").split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def _text(start_response: Start, text: str, status: str = "200 OK") -> Iterable[bytes]:
    body = text.encode()
    length = ("Content-Length", str(len(body)))
    start_response(status, [("Content-Type", "text/plain"), length])
    return [body]


def _nothing(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return _text(start_response, "Hello from the lab\n")


def _hello(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    return _text(start_response, "Hello from the lab\n")


def _token(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    return _text(start_response, os.environ.get("LAB_TOKEN", ""))


def _pid(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    return _text(start_response, str(os.getpid()))


def _sleep(environ: Environ, start_response: Start, milliseconds: int) -> Iterable[bytes]:
    time.sleep(min(milliseconds, _LONGEST_MS) / 1000)
    return _text(start_response, "slept\n")


def _work(environ: Environ, start_response: Start, milliseconds: int) -> Iterable[bytes]:
    """Sleep, and say meanwhile in the name of a file which process is at it."""
    name = f"{MARK}{environ['REQUEST_METHOD']}-{os.getpid()}"
    mark = os.path.join(os.environ.get("TMPDIR", "."), name)
    with open(mark, "wb"):
        pass
    try:
        return _sleep(environ, start_response, milliseconds)
    finally:
        os.unlink(mark)


def _count(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    """Read the body to its end and say how long it was."""
    read = environ["wsgi.input"].read
    left = int(environ.get("CONTENT_LENGTH") or -1)
    total = 0
    while left and (block := read(min(left, 65536) if left > 0 else 65536)):
        total += len(block)
        left -= len(block) if left > 0 else 0
    return _text(start_response, str(total))


def _unread(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    return _text(start_response, "I have not looked at it\n")


def _headers(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    """Say how many bytes of cookie arrived."""
    return _text(start_response, str(len(environ.get("HTTP_COOKIE", ""))))


def _bytes(environ: Environ, start_response: Start, size: int) -> Iterable[bytes]:
    size = min(size, _LARGEST_BYTES)
    length = ("Content-Length", str(size))
    start_response("200 OK", [("Content-Type", "application/octet-stream"), length])
    for _ in range(size // len(_BLOCK)):
        yield _BLOCK
    yield _BLOCK[: size % len(_BLOCK)]


def _raise(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    raise RuntimeError("the lab asked for an exception")


def _die(environ: Environ, start_response: Start, argument: int) -> Iterable[bytes]:
    """End the worker as a crash would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


_ROUTES: dict[str, Callable[[Environ, Start, int], Iterable[bytes]]] = {
    "hello": _hello,
    "token": _token,
    "pid": _pid,
    "sleep": _sleep,
    "work": _work,
    "count": _count,
    "unread": _unread,
    "headers": _headers,
    "bytes": _bytes,
    "raise": _raise,
    "die": _die,
}

_users = load(os.environ.get("LAB_APP", ""), os.environ.get("LAB_PATH", ""))
