"""An application whose cost is known, and can be set: each request sleeps so long, and computes for
so much CPU time of its own, however long that takes on a machine that does other things as well.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

APP = f"{__name__}:application"
_FILE = Path("cost")


def set_cost(place: Path, sleep_ms: int = 0, burn_us: int = 0) -> None:
    """Set what each request costs from now on, where the application runs in this folder."""
    (place / _FILE).write_text(f"{sleep_ms} {burn_us}")


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Cost what is set."""
    began_ns = time.thread_time_ns()
    sleep_ms, burn_us = map(int, _FILE.read_text().split())
    time.sleep(sleep_ms / 1000)
    while time.thread_time_ns() - began_ns < burn_us * 1000:
        pass
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
