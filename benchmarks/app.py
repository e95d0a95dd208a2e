"""The application that every front end is put before: a few WSGI routes that cost little.

It owns what is sent back and nothing else: no framework, no state, so that the numbers are about
the front end. Sizes are binary (1 MB is 1024 * 1024 bytes here). Standard library only; it runs
inside uWSGI.
"""

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

MB = 1024 * 1024
HELLO = b"Hello, world!\n"
PAGE_64K = b"0123456789abcdef" * 4096
BLOCK = bytes(MB)

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer by the first segment of the path; what follows it is ignored, so paths may vary."""
    route = environ["PATH_INFO"].split("/", 2)[1]
    if route == "hello":
        return _reply(start_response, len(HELLO), [HELLO])
    if route == "64k":
        return _reply(start_response, len(PAGE_64K), [PAGE_64K])
    if route == "100m":
        return _reply(start_response, 100 * MB, repeat(BLOCK, 100))
    if route == "1g":
        return _reply(start_response, 1024 * MB, repeat(BLOCK, 1024))
    if route == "upload":
        text = b"%d\n" % _drain(environ)
        return _reply(start_response, len(text), [text])
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def _reply(start_response: StartResponse, length: int, body: Iterable[bytes]) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(length))]
    start_response("200 OK", headers)
    return body


def _drain(environ: Environ) -> int:
    """Read the whole request body and return its length in bytes."""
    read = environ["wsgi.input"].read
    total = 0
    while block := read(64 * 1024):
        total += len(block)
    return total
