"""The answers of all processes, made one: counts add up, and of two states the worse is shown."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from proxy.control.failures import latest_of
from proxy.control.members import Answer
from proxy.control.numbers import add_up

STATES = ("up", "recovering", "paused", "absent", "ejected", "down")
"""From the best to the worst."""

DUTIES = ("serving", "draining", "down", "leaving")

_BACKEND_SUMS = (
    "active",
    "limit",
    "requests",
    "fails",
    "idle_connections",
)


def merge_overviews(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the overview of all processes."""
    given = [one for one in answers if isinstance(one, dict) and "process" in one]
    workers = [one["process"] for one in given]
    return {
        "workers": workers,
        "draining": bool(workers) and all(one["draining"] for one in workers),
        "requests_in_flight": sum(one["requests_in_flight"] for one in workers),
        "connections": _sum_dicts(one["connections"] for one in workers),
        "listeners": _by("url", (one["listeners"] for one in given), _merge_listeners),
        "upstreams": _by("name", (one["upstreams"] for one in given), _merge_upstreams),
        "failures": latest_of(one["failures"] for one in given),
        # Also of those who have said nothing else: they have ended, or do not answer.
        "numbers": add_up(
            one["numbers"] for one in answers if isinstance(one, dict) and "numbers" in one
        ),
    }


def merge_changes(answers: Iterable[Answer]) -> dict[str, Any]:
    """Return what became of a command: done where anybody has done it, else the first error."""
    given = [one for one in answers if isinstance(one, dict)]
    done = [one["backend"] for one in given if "backend" in one]
    if done:
        return {"backend": _merge_backends(done)}
    if given:
        return {"error": given[0]["error"]}
    text = "no worker process answers"
    return {"error": {"status": 503, "code": "no_worker", "text": text}}


def _by(
    key: str,
    several: Iterable[list[dict[str, Any]]],
    merge: Callable[[list[dict[str, Any]]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Merge the items of several lists that have the same key, in the order of their coming."""
    found: dict[str, list[dict[str, Any]]] = {}
    for items in several:
        for item in items:
            found.setdefault(item[key], []).append(item)
    return [items[0] if len(items) == 1 else merge(items) for items in found.values()]


def _sum_dicts(several: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in several:
        for key, value in one.items():
            total[key] = total.get(key, 0) + value
    return total


def _merge_listeners(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {**items[0], "connections": sum(item["connections"] for item in items)}


def _merge_upstreams(items: list[dict[str, Any]]) -> dict[str, Any]:
    queues = _sum_dicts(item["queue"] for item in items)
    return {
        **items[0],
        "queue": {**queues, "longest": max(item["queue"]["longest"] for item in items)},
        "retries": _sum_dicts(item["retries"] for item in items),
        "backends": _by("server", (item["backends"] for item in items), _merge_backends),
    }


def _merge_backends(items: list[dict[str, Any]]) -> dict[str, Any]:
    if len(items) == 1:
        return items[0]
    worst = max(items, key=lambda item: STATES.index(item["state"]))
    merged = {**worst, **{key: sum(item[key] for item in items) for key in _BACKEND_SUMS}}
    merged["duty"] = min((item["duty"] for item in items), key=DUTIES.index)
    if not all(item["trouble"] for item in items):  # somebody can reach it
        merged["trouble"] = merged["detail"] = ""
    checks = [item["health_checks"] for item in items if item["health_checks"]]
    if checks:
        counts = [{k: v for k, v in one.items() if k != "last"} for one in checks]
        merged["health_checks"] = {**_sum_dicts(counts), "last": checks[0]["last"]}
    return merged
