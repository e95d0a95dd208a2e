"""What one process says about itself: the answers to the questions of `proxy.control.members`.

The only place that reads pools and connections for the admin address. An answer is what JSON can
carry; times in it are seconds, or Unix time where a name ends in `_at`.
"""

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client.core import Metric

from proxy import __version__
from proxy.connection import Connection
from proxy.control.commands import run_command
from proxy.control.failures import Failures
from proxy.control.looks import Looks, find_troubles
from proxy.control.members import Answer, Question
from proxy.control.numbers import Numbers, of_backend, sum_trees
from proxy.control.show import show_settings
from proxy.settings import Settings
from proxy.upstream.backend import Backend
from proxy.upstream.discovery.feeds import ParseBackend
from proxy.upstream.group import Upstream

Carry = Callable[[Iterable[Metric]], Answer]
"""Turns metric families into what gets to whoever merges them: JSON, if that is another process."""


class Door(Protocol):
    """What is asked of a public listener."""

    connections: set[Connection]

    @property
    def url(self) -> str:
        """What to type into a client."""


@dataclass(slots=True)
class Parts:
    """Whatever a process can be asked about."""

    settings: Settings
    upstreams: Callable[[], Iterator[Upstream]]
    doors: Callable[[], Sequence[Door]]
    is_draining: Callable[[], bool]
    families: Callable[[], Iterable[Metric]]
    numbers: Callable[[], Numbers]
    carry: Carry
    failures: Failures
    looks: Looks
    parse_backend: ParseBackend | None
    now: Callable[[], float]
    wall_clock: Callable[[], float]


class Answers:
    """Answers for one process; `answer` is for `Local`, or for who carries questions here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = parts.now()

    def answer(self, question: Question) -> Answer:
        """Answer one question."""
        parts = self._parts
        if "do" in question:
            return run_command(question, parts.upstreams, parts.parse_backend, self._show_one)
        match question.get("ask"):
            case "metrics":
                return parts.carry(parts.families())
            case "overview":
                parts.looks.note_question()
                return self.overview()
            case "numbers":
                return {"numbers": self._numbers()}
            case "readiness":
                parts.looks.note_question()
                return self.readiness()
            case "settings":
                return show_settings(parts.settings)
        return {"error": {"status": 500, "code": "bad_question", "text": "nobody asks this"}}

    def readiness(self) -> dict[str, Any]:
        """Return what /readyz wants to know."""
        now, looks = self._parts.now(), self._parts.looks
        total, troubles = 0, Counter[str]()
        for upstream in self._parts.upstreams():
            found = find_troubles(upstream, looks, now)
            total += len(found)
            troubles.update(trouble for trouble in found.values() if trouble)
        able = total - troubles.total()
        words = ", ".join(f"{count} {word}" for word, count in troubles.most_common(5))
        return {
            "draining": self._parts.is_draining(),
            "able": able,
            "detail": f"{able} of {total} can serve" + (f": {words}" if words else ""),
        }

    def overview(self) -> dict[str, Any]:
        """Return everything that there is to see, but settings and metrics."""
        parts = self._parts
        return {
            "process": self._process(),
            "listeners": [
                {"url": door.url, "connections": len(door.connections)} for door in parts.doors()
            ],
            "upstreams": [self._show_upstream(upstream) for upstream in parts.upstreams()],
            "failures": parts.failures.latest,
            "numbers": self._numbers(),
        }

    def _numbers(self) -> Numbers:
        """Return what has happened so far. A backend of several upstreams counts for each."""
        backends = sum_trees(
            {one.name: of_backend(one.tally) for one in upstream.pool.backends}
            for upstream in self._parts.upstreams()
        )
        return {**self._parts.numbers(), "backends": backends}

    def _process(self) -> dict[str, Any]:
        parts = self._parts
        connections = [one for door in parts.doors() for one in door.connections]
        phases = Counter(connection.phase.name.lower() for connection in connections)
        uptime_s = parts.now() - self._started
        return {
            "pid": os.getpid(),
            "version": __version__,
            "python": platform.python_version(),
            "started_at": round(parts.wall_clock() - uptime_s, 3),
            "uptime_s": round(uptime_s, 1),
            "draining": parts.is_draining(),
            "requests_in_flight": sum(one.record is not None for one in connections),
            "connections": {"open": len(connections), **dict(sorted(phases.items()))},
        }

    # -- upstreams --------------------------------------------------------------------------------

    def _show_upstream(self, upstream: Upstream) -> dict[str, Any]:
        pool, budget = upstream.pool, upstream.means.budget
        line = pool.line
        found = find_troubles(upstream, self._parts.looks, self._parts.now())
        return {
            "name": upstream.settings.name,
            "balance": upstream.settings.balance.algorithm,
            "queue": {
                "size": len(line),
                "max_size": line.max_waiting,
                "longest": line.longest,
                "overflows": line.refused,
            },
            "retries": {"running": budget.running, "refused": budget.refused},
            "checks": [spec.kind for spec in upstream.settings.check.checks],
            "backends": [
                self._show_backend(upstream, backend, trouble) for backend, trouble in found.items()
            ],
        }

    def _show_one(self, upstream: Upstream, backend: Backend) -> dict[str, Any]:
        found = find_troubles(upstream, self._parts.looks, self._parts.now())
        return self._show_backend(upstream, backend, found.get(backend, ""))

    def _show_backend(self, upstream: Upstream, backend: Backend, trouble: str) -> dict[str, Any]:
        now, health = self._parts.now(), backend.health
        found = self._parts.looks.finding(backend)
        detail = found.detail if found is not None and trouble == found.word else ""
        queue = backend.backlog
        return {
            "server": backend.name,
            "source": backend.source,
            "backup": backend.settings.backup,
            "weight": backend.weight,
            "duty": _duty(backend),
            "state": health.state(now).value,
            "state_for_s": _since(health.changed_at, now),
            "trouble": trouble,
            "detail": detail.removeprefix(f"{backend.name}: "),
            "active": backend.in_flight,
            "max_conns": backend.max_conns,
            "limit": backend.cap,
            "requests": backend.attempts,
            "fails": backend.failures,
            "fails_in_a_row": health.fails,
            "ejected_for_s": max(0.0, round(health.ejected_until - now, 1)),
            "header_time_ms": round(backend.header_ms, 1),
            "response_time_ms": round(backend.last_byte_ms, 1),
            "idle_connections": len(backend.idle),
            "listen_queue": None
            if queue is None
            else {"pending": queue.pending, "limit": queue.limit},
            "health_checks": self._show_checks(upstream, backend, now),
        }

    @staticmethod
    def _show_checks(upstream: Upstream, backend: Backend, now: float) -> dict[str, Any] | None:
        if upstream.checks is None:
            return None
        tally = upstream.checks.tally(backend)
        return {
            "checks": tally.checks,
            "fails": tally.fails,
            "busy": tally.busy,
            "unknown": tally.unknown,
            "unhealthy": tally.downs,
            "last": [
                {
                    "check": result.check,
                    "verdict": result.finding.verdict.value,
                    "word": result.finding.word,
                    "detail": result.finding.detail,
                    "warning": result.finding.warning,
                    "seconds": round(result.duration_s, 4),
                    "ago_s": round(now - result.at, 1),
                }
                for result in upstream.checks.results(backend)
            ],
        }


def _duty(backend: Backend) -> str:
    """Return what a backend is meant for, whatever its health: `serving` is the usual word."""
    if backend.leaving:
        return "leaving"
    if backend.down:
        return "down"
    return "draining" if backend.draining else "serving"


def _since(when: float | None, now: float) -> float | None:
    return None if when is None else round(now - when, 1)
