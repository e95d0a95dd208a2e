"""What uWSGI's stats server says, as facts: JSON text in, a frozen value out.

The master answers it, in under a millisecond, also while every worker is busy or stopped. Nothing
here trusts the text: fields that are missing or of another type count as nothing, and it may hold
bytes that are no UTF-8, since `cores[].vars` are the variables of running requests, cookies
included (they are not kept). Source: uWSGI 2.0.21 and 2.0.30, `--stats`, `--stats-http`,
`--stats-min`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

MOST = 2**53
"""No number of it counts for more: what JSON can hold does not fit elsewhere."""

_NOT_SERVING = frozenset(("cheap", "pause"))


class StatsError(ValueError):
    """This is not what uWSGI's stats server says."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker in uWSGI's own words, for those who have watched them before; times in us."""

    id: int
    status: str
    cores: int
    apps: int
    accepting: int
    requests: int
    delta_requests: int
    exceptions: int
    harakiri_count: int
    signals: int
    signal_queue: int
    respawn_count: int
    tx: int
    rss: int
    vsz: int
    running_time: int
    last_spawn: int
    avg_rt: int


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """One socket of uWSGI, likewise."""

    name: str
    proto: str
    queue: int
    max_queue: int
    shared: int
    can_offload: int


@dataclass(frozen=True, slots=True)
class StatsFacts:
    """One look at one uWSGI instance. Counters only grow while `pid` stays the same."""

    version: str
    """Of uWSGI."""
    pid: int
    """Of the master."""
    capacity: int
    """Requests that the workers which run now can work on at a time: the sum of their cores
    (threads, greenlets). Workers put to sleep by uWSGI's cheaper mode do not count."""
    busy: int
    """Cores in the middle of a request. The workers' own `status` is unreliable with threads."""
    workers: int
    """Workers that run: not cheap."""
    asleep: int
    """Workers that are cheap: uWSGI starts them when it needs them."""
    accepting: int
    """Workers that serve: application loaded, not paused, not on their way out."""
    worker_pids: tuple[int, ...]
    """Of the workers that run."""
    requests: int
    """Served so far."""
    exceptions: int
    """Raised by the application so far; a front end that disconnects early causes one, too."""
    harakiri: int
    """Workers killed so far because a request took too long."""
    respawns: int
    """Workers started again so far, for whatever reason; the first start does not count."""
    listen_queue: int
    """Connections waiting at the TCP sockets; uWSGI always says 0 for unix sockets."""
    max_listen_queue: int
    """Over which the kernel drops connections, of all TCP sockets together; 0 if unknown."""
    listen_queue_errors: int
    """How often uWSGI has found a listen queue full."""

    signal_queue: int = 0
    each_worker: tuple[WorkerFacts, ...] = field(default=(), compare=False)
    each_socket: tuple[SocketFacts, ...] = field(default=(), compare=False)

    @property
    def is_dead(self) -> bool:
        """Whether nobody serves and nobody is asleep who could be woken."""
        return not self.accepting and not self.asleep


def parse_stats(data: bytes) -> StatsFacts:
    """Read all that a stats server has sent, with or without the HTTP head of `--stats-http`.

    Raises:
        StatsError: it is not what uWSGI sends.
    """
    tree = _load(_strip_head(data))
    workers = list(_dicts(tree.get("workers")))
    if not workers:
        raise StatsError("no workers in it")
    awake = [worker for worker in workers if _text(worker, "status") != "cheap"]
    cores = [core for worker in awake for core in _dicts(worker.get("cores"))]
    sockets = list(_dicts(tree.get("sockets")))
    return StatsFacts(
        version=_text(tree, "version"),
        pid=_number(tree, "pid"),
        capacity=len(cores),
        busy=sum(_number(core, "in_request") > 0 for core in cores),
        workers=len(awake),
        asleep=len(workers) - len(awake),
        accepting=sum(_serves(worker) for worker in awake),
        worker_pids=tuple(pid for worker in awake if (pid := _number(worker, "pid"))),
        requests=_total(workers, "requests"),
        exceptions=_total(workers, "exceptions"),
        harakiri=_total(workers, "harakiri_count"),
        respawns=sum(max(0, _number(worker, "respawn_count") - 1) for worker in workers),
        listen_queue=_number(tree, "listen_queue"),
        max_listen_queue=_total(sockets, "max_queue"),
        listen_queue_errors=_number(tree, "listen_queue_errors"),
        signal_queue=_number(tree, "signal_queue"),
        each_worker=tuple(map(_worker, workers)),
        each_socket=tuple(map(_socket, sockets)),
    )


_WORKER_NUMBERS = [one.name for one in fields(WorkerFacts) if one.type is int]
_SOCKET_NUMBERS = [one.name for one in fields(SocketFacts) if one.type is int]


def _worker(entry: dict[str, Any]) -> WorkerFacts:
    numbers = {name: _number(entry, name) for name in _WORKER_NUMBERS}
    for name in ("cores", "apps"):
        numbers[name] = sum(1 for _ in _dicts(entry.get(name)))
    return WorkerFacts(status=_text(entry, "status"), **numbers)


def _socket(entry: dict[str, Any]) -> SocketFacts:
    numbers = {name: _number(entry, name) for name in _SOCKET_NUMBERS}
    return SocketFacts(name=_text(entry, "name"), proto=_text(entry, "proto"), **numbers)


def _strip_head(data: bytes) -> bytes:
    if not data.startswith(b"HTTP/"):
        return data
    _, _, body = data.partition(b"\r\n\r\n")
    return body


def _load(data: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise StatsError(f"no JSON: {error}") from error
    if not isinstance(tree, dict):
        raise StatsError("no JSON object")
    return tree


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def _number(entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(0, value), MOST)
    return 0


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _total(entries: Iterable[dict[str, Any]], name: str) -> int:
    return sum(_number(entry, name) for entry in entries)


def _serves(worker: dict[str, Any]) -> bool:
    return (
        _number(worker, "pid") > 0
        and _number(worker, "accepting") > 0
        and _text(worker, "status") not in _NOT_SERVING
    )
