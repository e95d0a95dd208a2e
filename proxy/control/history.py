"""The last two minutes, second by second: rates and latencies for the page's small curves.

Bounded: so many seconds, so many backends, whatever happens. Nothing is stored that cannot be
computed from two looks at the numbers (`proxy.control.numbers`).
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from proxy.control.numbers import Numbers, empty, grown, percentile

SECONDS = 120
"""How far back it goes."""

MAX_BACKENDS = 200
"""That have curves of their own."""

WINDOW_S = 60
"""Over which the numbers beside the curves are taken."""

Point = dict[str, float | None]


def _point(requests: float, failed: float, took: dict[str, float], seconds: float) -> Point:
    return {
        "rate": round(requests / seconds, 3),
        "failed": round(failed / seconds, 3),
        "p50": _ms(percentile(took, 0.5)),
        "p95": _ms(percentile(took, 0.95)),
        "p99": _ms(percentile(took, 0.99)),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _server_errors(codes: Mapping[str, float]) -> float:
    return sum(count for code, count in codes.items() if code.startswith("5"))


class History:
    """See the module. `add` is called about once a second."""

    def __init__(self) -> None:
        self.total: deque[Point] = deque(maxlen=SECONDS)
        """Of all requests together."""
        self.backends: dict[str, deque[Point]] = {}
        """Of each backend, by its name."""
        self._looks: deque[tuple[float, Numbers]] = deque(maxlen=WINDOW_S + 1)

    def add(self, numbers: Numbers, now: float) -> None:
        """Take note of what the numbers are now; `now` is in seconds, monotonic."""
        if not self._looks:
            self._looks.append((now, numbers))
            return
        then, before = self._looks[-1]
        seconds = now - then
        if seconds <= 0:
            return
        self._looks.append((now, numbers))
        self.total.append(_between(before, numbers, seconds))
        self._add_backends(before["backends"], numbers["backends"], seconds)

    def _add_backends(
        self, before: Mapping[str, Any], after: Mapping[str, Any], seconds: float
    ) -> None:
        for name, numbers in after.items():
            ring = self.backends.get(name)
            if ring is None:
                if len(self.backends) >= MAX_BACKENDS:
                    continue
                ring = self.backends[name] = deque(maxlen=SECONDS)
            ring.append(_of_backend(before.get(name), numbers, seconds))

    def keep(self, names: set[str]) -> None:
        """Forget the backends that are gone."""
        for name in self.backends.keys() - names:
            del self.backends[name]

    def window(self) -> dict[str, Any]:
        """Return what happened within the last minute, or since the start if that was later."""
        if len(self._looks) < 2:
            return {"seconds": 0.0, **_between(empty(), empty(), 1.0), "errors": {}, "requests": 0}
        (then, before), (now, after) = self._looks[0], self._looks[-1]
        errors = {word: n for word, n in grown(after["errors"], before["errors"]).items() if n}
        return {
            "seconds": round(now - then, 1),
            **_between(before, after, now - then),
            "errors": errors,
            "requests": max(0, after["requests"] - before["requests"]),
        }


def _between(before: Numbers, after: Numbers, seconds: float) -> Point:
    codes = grown(after["codes"], before["codes"])
    took = grown(after["duration"], before["duration"])
    requests = max(0.0, after["requests"] - before["requests"])
    return _point(requests, _server_errors(codes), took, seconds)


def _of_backend(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], seconds: float
) -> Point:
    if before is None:
        before = {"attempts": 0, "failures": 0, "first_byte": {}}
    return _point(
        max(0.0, after["attempts"] - before["attempts"]),
        max(0.0, after["failures"] - before["failures"]),
        grown(after["first_byte"], before["first_byte"]),
        seconds,
    )
