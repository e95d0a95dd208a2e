"""What a load generator is told to do, and what it tells afterwards; both travel as JSON.

Pure. The generator is a process of its own (`load`), so these are its whole interface.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from proxy.lab.load.ask import Wanted

GOOD = "ok"
BUSY_AT = 0.85
"""Share of a core from which on the generator may be what limits a load."""
LATE_US = 1000.0
"""If one in a hundred requests is sent later than this, the rate was not kept."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One load."""

    port: int
    host: str = "127.0.0.1"
    loop: Literal["closed", "open"] = "closed"
    seconds: float = 3.0
    warm_seconds: float = 0.0
    """Before the measured time; what is asked then is thrown away."""
    clients: int = 8
    """Closed loop: each has one request at a time."""
    rate: float = 100.0
    """Open loop: requests per second."""
    arrivals: Literal["poisson", "even"] = "poisson"
    burst: int = 1
    """Open loop: so many requests at each arrival; the rate stays."""
    seed: int = 1
    timeout_s: float = 10.0
    keep_alive: bool = True
    tls: str = ""
    """The certificate to trust; empty: plain HTTP."""
    requests: tuple[Wanted, ...] = (Wanted(),)
    generator: Literal["own", "wrk"] = "own"
    """Closed loop: who sends."""

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        requests = tuple(Wanted.from_json(each) for each in said.pop("requests"))
        return cls(**said, requests=requests)


@dataclass(slots=True)
class Load:
    """What became of one load."""

    seconds: float
    """Measured time."""
    sent: int
    """Requests whose time came within the measured time."""
    outcomes: dict[str, int]
    """All of them by class: ok, 4xx, 5xx, refused, connect, reset, empty, truncated, timeout..."""
    statuses: dict[str, int]
    in_time: int
    """Good answers that came within the measured time; throughput is made of them."""
    latency_us: dict[str, float]
    """Of good answers, from the moment at which the request was meant to be sent."""
    service_us: dict[str, float]
    """The same from the moment at which it was sent: what a closed loop would call latency."""
    late_us: dict[str, float]
    """By how much the generator itself was late (open loop)."""
    histogram: str
    """The latencies, see `latency`."""
    cpu_s: float
    """Of the generator, within the measured time."""
    retried: int = 0
    bytes_in: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def good(self) -> int:
        """Requests with a good answer."""
        return self.outcomes.get(GOOD, 0)

    @property
    def failed(self) -> int:
        """Requests without."""
        return sum(self.outcomes.values()) - self.good

    @property
    def errors(self) -> dict[str, int]:
        """What failed, by class."""
        return {kind: count for kind, count in self.outcomes.items() if kind != GOOD}

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**said)


def class_of(outcome: int | str) -> str:
    """Return the class of an outcome of the engine: ok below 400, 4xx, 5xx, or its word."""
    if isinstance(outcome, str):
        return outcome
    return GOOD if outcome < 400 else f"{min(outcome // 100, 5)}xx"


def warnings_of(plan: Plan, cpu_s: float, wall_s: float, late_p99_us: float) -> list[str]:
    """Return what makes the numbers of a load doubtful, each as a sentence."""
    found = []
    if wall_s > 0 and cpu_s / wall_s > BUSY_AT:
        found.append(
            f"the load generator used {cpu_s / wall_s:.0%} of a core: it may be the bottleneck"
        )
    if plan.loop == "open" and late_p99_us > LATE_US:
        found.append(
            f"the generator sent 1 % of its requests more than {late_p99_us / 1000:.1f} ms late: "
            "the machine is too busy for this rate"
        )
    return found
