"""The application: a page, a health check, and something that takes a while."""

import time
from collections.abc import Callable, Iterable
from typing import Any


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answer any request; /slow takes two seconds."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"hello from {environ['PATH_INFO']}\n".encode()]
