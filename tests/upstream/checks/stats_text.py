"""What uWSGI's stats server says (2.0.30), in few words."""

import json
from typing import Any

Tree = dict[str, Any]


def core(number: int = 0, in_request: int = 0, variables: tuple[str, ...] = ()) -> Tree:
    """One thread or greenlet of a worker."""
    return {
        "id": number,
        "requests": 5,
        "write_errors": 0,
        "in_request": in_request,
        "vars": [*variables],
        "req_info": {},
    }


def worker(number: int = 1, changes: Tree | None = None, *, cores: int = 2, busy: int = 0) -> Tree:
    """One that is idle, or has `busy` busy cores; with `changes` in its fields."""
    return {
        "id": number,
        "pid": 1000 + number,
        "accepting": 1,
        "requests": 10,
        "exceptions": 1,
        "harakiri_count": 0,
        "status": "busy" if busy else "idle",
        "respawn_count": 1,
        "cores": [core(n, int(n < busy)) for n in range(cores)],
        **(changes or {}),
    }


CHEAP = {"pid": 0, "accepting": 0, "status": "cheap", "respawn_count": 0, "requests": 0}
"""A worker that sleeps."""


def tree(*workers: Tree, **changes: object) -> Tree:
    """All of it."""
    return {
        "version": "2.0.30",
        "listen_queue": 0,
        "listen_queue_errors": 0,
        "load": 0,
        "pid": 1000,
        "sockets": [
            {"name": "/run/app.sock", "proto": "uwsgi", "queue": 0, "max_queue": 0},
            {"name": "127.0.0.1:3031", "proto": "uwsgi", "queue": 0, "max_queue": 100},
        ],
        "workers": [*workers],
        **changes,
    }


def text(*workers: Tree, **changes: object) -> bytes:
    """All of it as it is sent."""
    return json.dumps(tree(*workers, **changes), indent="\t").encode()
