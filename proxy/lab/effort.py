"""How much is measured: which topologies, which scenarios, how many rounds of how many seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.lab.load.ask import Wanted
from proxy.lab.load.plan import Plan
from proxy.lab.scenarios import SCENARIOS, Scenario
from proxy.lab.stand.setup import Installed
from proxy.lab.stand.topologies import TOPOLOGIES, Topology, select

_START_S = 1.0
"""What starting and stopping a topology takes, about."""
_OVERHEAD_S = 0.12
"""What is done around a load, about."""
_PROBE_S = 0.5
"""What each topology adds to a round of probes, about: all are probed at once."""
_EVENT_S = 1.2
"""How long requests wait for workers to come back, about."""
_SLOW_START_S = 0.4
"""What slow clients take to start, a process of their own, about."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int = 8
    """Of scenarios in which differences are wanted; six are the least for an interval of 95 %."""
    others: int = 3
    """Of the other scenarios."""
    seconds: float = 1.5
    """Of a usual load."""
    quick: bool = False

    def rounds_of(self, scenario: Scenario) -> int:
        """Return how many rounds."""
        return self.rounds if scenario.paired else self.others

    def seconds_of(self, scenario: Scenario) -> float:
        """Return the length of one load."""
        usual = max(self.seconds, 1.0) if scenario.kind in ("slow", "event") else self.seconds
        return max(usual * scenario.weight, 0.2)

    def step_s(self, scenario: Scenario) -> float:
        """Return about how long one sample takes."""
        if scenario.kind == "probe":
            return _PROBE_S
        more = _START_S if scenario.backlog else 0.0
        more += _EVENT_S if scenario.kind == "event" else 0.0
        return self.seconds_of(scenario) + _OVERHEAD_S + more


def planned_s(
    topologies: Sequence[Topology], scenarios: Sequence[Scenario], effort: Effort
) -> float:
    """Return how long a run takes by its plan, on a machine that has nothing else to do.

    That is the time of all loads with what is done around them, the waiting for answers that do
    not come, and the starts.
    """
    total_s = _START_S * len(topologies)
    for each in scenarios:
        count = each.size([one.name for one in topologies])
        total_s += count * effort.rounds_of(each) * effort.step_s(each)
        total_s += _START_S * count if each.variants else 0.0
        if each.kind == "slow":
            alone = sum(one.front in ("none", "router") for one in topologies)
            waits_s = _SLOW_START_S * len(topologies) + each.plan.timeout_s * alone
            total_s += effort.rounds_of(each) * waits_s
    return total_s


QUICK = Effort(rounds=6, others=1, seconds=0.3, quick=True)
QUICK_SCENARIOS = ("hop", "saturation", "slow-uploads", "probes", "reload")
QUICK_TOPOLOGIES = ("uwsgi-direct", "nginx-uwsgi", "proxy-uwsgi", "proxy-uwsgi-tcp")
_WITHOUT_UWSGI = ("gunicorn-direct", "nginx-gunicorn", "proxy-gunicorn", "proxy-builtin")


def scenarios(names: Sequence[str], quick: bool) -> list[Scenario]:
    """Return the scenarios whose names begin so; without names all, or those of a quick run.

    Raises:
        ValueError: none begins so.
    """
    known = [each.name for each in SCENARIOS]
    for name in names:
        if not any(each.startswith(name) for each in known):
            raise ValueError(f"no scenario {name!r}; there are: {', '.join(known)}")
    wanted = tuple(names) or (QUICK_SCENARIOS if quick else ("",))
    return [each for each in SCENARIOS if each.name.startswith(wanted)]


def topologies(names: Sequence[str], installed: Installed, quick: bool) -> list[Topology]:
    """Return the named topologies; without names those that make sense here.

    Without uWSGI the rows of uWSGI would all give the same reason, so only one of them is kept.

    Raises:
        ValueError: there is none of that name.
    """
    if names:
        return select(list(names))
    if installed.uwsgi is None:
        return select(["uwsgi-direct", *_WITHOUT_UWSGI])
    return select(list(QUICK_TOPOLOGIES)) if quick else list(TOPOLOGIES)


def fit(
    scenario: Scenario, effort: Effort, users: tuple[Wanted, ...], processes: int, seed: int
) -> Plan:
    """Return the load of one scenario, fitted to the run; rates come later (see `runner`)."""
    plan = replace(scenario.plan, seconds=effort.seconds_of(scenario), seed=seed)
    if scenario.name == "saturation":
        plan = replace(plan, clients=4 * processes)
    if scenario.users:
        plan = replace(plan, requests=users)
    if plan.burst > 1:
        plan = replace(plan, seconds=1.0)  # which is one burst
    return plan
