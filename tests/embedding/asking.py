"""Applications and a client for tests of embedded front ends."""

import http.client
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from tests.servers import DEADLINE_S


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the path."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]


def ask(port: int, path: str = "/x") -> tuple[int, bytes]:
    """Return the status and the body of one GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def holdings() -> tuple[int, int]:
    """Return how many descriptors and threads this process has."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()
