"""What is done to a running topology, and what is written down of it.

A scenario is a row of a table: what clients do, for how long, how often. `measure` does it once to
one stand and returns a sample. Which topologies, in which order and how many rounds is the business
of `runner`.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from proxy.lab import probes, struck
from proxy.lab.load import wrk
from proxy.lab.load.ask import Wanted
from proxy.lab.load.generator import Generator, slow_clients
from proxy.lab.load.plan import Load, Plan
from proxy.lab.load.slow import SlowPlan
from proxy.lab.processes import BenchError
from proxy.lab.report.results import HELD, SENT_BY_WRK, Sample
from proxy.lab.stand.topologies import Stand
from proxy.lab.stand.variants import BUFFERS, PLAIN_OR_TLS, Variant

Kind = Literal["load", "slow", "probe", "event", "held"]
HELLO = (Wanted("/.lab/hello"),)
SHORT_SLEEP = (Wanted("/.lab/sleep/5"),)
_TRIES = 3
"""Of each probe; and of an event that came too late."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that clients do."""

    name: str
    title: str
    detail: str
    kind: Kind
    plan: Plan = field(default_factory=lambda: Plan(0))
    """For every stand; its port is filled in."""
    users: bool = False
    """Whether it asks for the user's own paths."""
    keeps: bool = True
    """Whether clients keep connections where the server does."""
    slow: SlowPlan | None = None
    event: str = ""
    """`kill` or `reload`."""
    backlog: int = 0
    """A listen queue of its own, for stands of its own."""
    paired: bool = False
    """Whether differences are wanted, and so enough rounds for an interval."""
    weight: float = 1.0
    """Its time in relation to the usual length of a load."""
    variants: tuple[Variant, ...] = ()
    """Of each topology that takes part, besides the topology as it is."""
    as_it_is: bool = True
    """Whether that takes part as well."""
    fit_for: tuple[str, ...] = ()
    """With variants: which topologies take part, of those that run."""

    def size(self, topologies: Collection[str]) -> int:
        """Return how many rows it has with these; without variants the first one has two."""
        if not self.variants:
            return len(topologies) + self.paired
        taking_part = sum(name in self.fit_for for name in topologies)
        return taking_part * (len(self.variants) + self.as_it_is)


_WITH_BUFFERS = ("uwsgi-direct", "nginx-uwsgi", "proxy-uwsgi", "nginx-uwsgi-tcp", "proxy-uwsgi-tcp")
_SIZES = "those of the kernel against 16 KB and 1 MB, of uWSGI and of the front end"

_WITH_TLS = ("uwsgi-direct", "uwsgi-http", "nginx-uwsgi", "proxy-uwsgi", "gunicorn-direct")


def _tls(name: str, title: str, detail: str, path: str, *, keeps: bool = True) -> Scenario:
    """Return a scenario that measures plain HTTP and TLS side by side."""
    return Scenario(
        name, title, f"one client, {detail}; plain, and with TLS 1.3 (ECDSA P-256, no resumption)",
        "load", Plan(0, clients=1, requests=(Wanted(path),)), keeps=keeps, paired=True, weight=0.3,
        variants=PLAIN_OR_TLS, as_it_is=False, fit_for=_WITH_TLS if not keeps else _WITH_TLS[1:],
    )  # fmt: skip


def _transfers(name: str, title: str, detail: str, wanted: Wanted) -> Scenario:
    """Return a scenario in which bodies are large enough to fill buffers."""
    plan = Plan(0, clients=4, requests=(wanted,))
    return Scenario(
        name, title, f"{detail}; socket buffers: {_SIZES}", "load", plan, paired=True, weight=0.2,
        variants=BUFFERS, fit_for=_WITH_BUFFERS,
    )  # fmt: skip


SCENARIOS = (
    Scenario(
        "hop", "The cost of the hop",
        "one client, a new connection for each request, a path that does nothing",
        "load", Plan(0, clients=1, requests=HELLO), keeps=False, paired=True, weight=0.5,
    ),
    Scenario(
        "kept", "The same on kept connections",
        "one client, one connection where the server keeps it, a path that does nothing",
        "load", Plan(0, clients=1, requests=HELLO), paired=True, weight=0.5,
    ),
    Scenario(
        "saturation", "Throughput at saturation",
        "closed loop, as many clients as four times the workers, your paths",
        "load", Plan(0), users=True, paired=True,
    ),
    Scenario(
        "rate-50", "Latency at half of what the slowest can do",
        "open loop, the same arrivals for everybody, your paths",
        "load", Plan(0, loop="open"), users=True, paired=True,
    ),
    Scenario(
        "rate-80", "Latency at four fifths of what the slowest can do",
        "open loop, the same arrivals for everybody, your paths",
        "load", Plan(0, loop="open"), users=True, paired=True,
    ),
    Scenario(
        "slow-uploads", "Clients that upload slowly",
        "twice as many slow uploads (5 bytes/s) as workers; others ask 50 times per second",
        "slow", Plan(0, loop="open", rate=50.0, requests=HELLO, timeout_s=2.0),
        slow=SlowPlan(0, path="/.lab/count"),
    ),
    Scenario(
        "slow-downloads", "Clients that download slowly",
        "twice as many downloads of 32 MB at 20 kB/s as workers; others ask 50 times per second",
        "slow", Plan(0, loop="open", rate=50.0, requests=HELLO, timeout_s=2.0),
        slow=SlowPlan(
            0, way="down", path="/.lab/bytes/32000000", bytes_per_s=20_000, body_bytes=32_000_000
        ),
    ),
    Scenario(
        "burst", "A burst that the listen queue cannot hold",
        "300 requests at once, of 5 ms each, listen queues of 100 (uWSGI's default)",
        "load",
        Plan(0, loop="open", rate=300.0, burst=300, arrivals="even", requests=SHORT_SLEEP),
        keeps=False, backlog=100,
    ),
    Scenario(
        "probes", "Single requests that often fail",
        "each three times, on connections of their own",
        "probe", weight=0.2,
    ),
    Scenario(
        "kill", "A worker is killed under load",
        "open loop, 100 requests per second of 5 ms; SIGKILL to a worker that is at a GET of "
        f"{struck.WORK_MS} ms, then to one at such a POST",
        "event", Plan(0, loop="open", rate=100.0, requests=SHORT_SLEEP), event="kill", weight=1.5,
    ),
    Scenario(
        "reload", "A graceful reload under load",
        "open loop, 100 requests per second of 5 ms; SIGHUP to the application servers",
        "event", Plan(0, loop="open", rate=100.0, requests=SHORT_SLEEP), event="reload", weight=1.5,
    ),
    _transfers(
        "buffers-64k", "Socket buffers and replies of 64 KB",
        "closed loop, four clients", Wanted("/.lab/bytes/65536"),
    ),
    _transfers(
        "buffers-1m", "Socket buffers and replies of 1 MB",
        "closed loop, four clients", Wanted("/.lab/bytes/1048576"),
    ),
    _transfers(
        "buffers-upload", "Socket buffers and uploads of 1 MB",
        "closed loop, four clients", Wanted("/.lab/count", "POST", body="zeros:1048576"),
    ),
    Scenario(
        "buffers-held", "Socket buffers and how long a slow client holds a worker",
        "as many clients as workers read 1 MB at 20 kB/s; when is the next request answered? "
        f"Socket buffers: {_SIZES}",
        "held", Plan(0, timeout_s=1.5), paired=True, weight=0.2,
        slow=SlowPlan(
            0, way="down", path="/.lab/bytes/1048576", bytes_per_s=20_000, body_bytes=1_048_576
        ),
        variants=BUFFERS, fit_for=_WITH_BUFFERS,
    ),
    _tls(
        "tls-new", "TLS: new connections",
        "a new connection for each request, a path that does nothing", "/.lab/hello", keeps=False,
    ),
    _tls(
        "tls-kept", "TLS: kept connections",
        "one connection, a path that does nothing", "/.lab/hello",
    ),
    _tls("tls-1m", "TLS: replies of 1 MB", "one connection", "/.lab/bytes/1048576"),
)  # fmt: skip

NOT_MEASURED = (
    "TLS beyond its own scenarios: resumed sessions, other keys, older clients",
    "HTTP/2 and HTTP/3",
    "networks: clients, front end and workers were one machine, over loopback",
    "static files, caches and compression, for which people also put nginx in front",
    "memory",
)
"""What nobody should read into a report."""


def measure(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    """Do it once.

    Args:
        plan: the load, as the runner has fitted it to the setup; port and keep-alive come from
            the stand.

    Raises:
        BenchError: a program has ended, or the generator failed. Failed requests are counted.
    """
    plan = replace(plan, host=stand.host, port=stand.port, tls=stand.certificate)
    plan = replace(plan, keep_alive=scenario.keeps and stand.topology.keeps)
    how: dict[Kind, Callable[[Scenario, Stand, Plan, Generator], Sample]] = {
        "load": _load, "slow": _slow, "probe": _probe, "event": _event, "held": _held,
    }  # fmt: skip
    sample = how[scenario.kind](scenario, stand, plan, generator)
    stand.check()
    return sample


def _load(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    before = stand.cpu_s()
    load = wrk.load(plan) if plan.generator == "wrk" else generator.run(plan)
    after = stand.cpu_s()
    sample = sample_of(load, {name: after[name] - before[name] for name in after}, plan)
    sample.notes += [SENT_BY_WRK] if plan.generator == "wrk" else []
    return sample


def sample_of(load: Load, cpu_s: dict[str, float], plan: Plan) -> Sample:
    """Return a load and the CPU time of each group as a sample."""
    values = {
        "per_s": load.in_time / load.seconds,
        "failed_percent": 100 * load.failed / load.sent if load.sent else 0.0,
        "generator_cores": load.cpu_s / load.seconds,
        "late_p99_us": load.late_us["p99"],
    }
    if load.good:
        times = load.latency_us
        values |= {f"{name}_us": times[name] for name in ("p50", "p90", "p99", "max", "mean")}
    # The warm-up is part of what the servers did; requests of it are not counted.
    share = plan.seconds / (plan.seconds + plan.warm_seconds)
    if load.sent and cpu_s:
        values |= {f"{name}_us": used * share / load.sent * 1e6 for name, used in cpu_s.items()}
        values["cpu_us"] = sum(cpu_s.values()) * share / load.sent * 1e6
    if plan.loop == "open":
        values["rate_per_s"] = plan.rate
    return Sample(0, values, load.outcomes, load.histogram, _retried(load), list(load.warnings))


def _retried(load: Load) -> list[str]:
    if not load.retried:
        return []
    return [f"{load.retried} kept connections had been closed and were opened again"]


def _slow(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    assert scenario.slow is not None
    clients = 2 * stand.setup.processes
    slow = replace(scenario.slow, port=stand.port, clients=clients)
    with slow_clients(slow) as fared:
        load = generator.run(plan)
    sample = sample_of(load, {}, plan)
    sample.values["slow_ended"] = fared.get("ended", 0)
    sample.notes.append(f"{clients} slow clients, of whom {fared.get('ended', 0)} were sent away")
    return sample


def _held(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    """Occupy every worker with a client that reads slowly; see when the next one is served."""
    assert scenario.slow is not None
    clients = stand.setup.processes
    with slow_clients(replace(scenario.slow, port=stand.port, clients=clients)):
        began = time.perf_counter()
        seen = probes.ask(stand.port, probes.Probe("next", HELLO[0]), plan.timeout_s)
        held_us = min(time.perf_counter() - began, plan.timeout_s) * 1e6
    return Sample(0, {HELD: held_us}, {seen.outcome: 1})


def _probe(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    sample = Sample(0)
    for probe in probes.PROBES:
        seen = [probes.ask(stand.port, probe) for _ in range(_TRIES)]
        good = sum(each.outcome == "ok" for each in seen)
        answered = sum(each.status > 0 for each in seen)
        sample.values[f"{probe.name}:ok"] = good
        sample.values[f"{probe.name}:answered"] = answered
        sample.values[f"{probe.name}:asked"] = len(seen)
        words = sorted({_said(each) for each in seen})
        sample.notes.append(f"{probe.name}: {', '.join(words)}")
        for each in seen:
            sample.outcomes[each.outcome] = sample.outcomes.get(each.outcome, 0) + 1
    return sample


def _said(seen: probes.Seen) -> str:
    if seen.outcome == "wrong body":
        return f"{seen.status}, but the application got {seen.text!r}"
    return str(seen.status) if seen.status else seen.outcome


def _event(scenario: Scenario, stand: Stand, plan: Plan, generator: Generator) -> Sample:
    if stand.topology.server == "builtin":
        lacks = {
            "reload": "cannot reload",
            "kill": "is one process, and nobody here starts it again",
        }
        raise BenchError(f"the built-in worker {lacks[scenario.event]}")
    for _ in range(_TRIES):
        event = _Event(scenario.event, stand)
        load, in_time = event.under(plan, generator)
        if in_time:
            break
    else:
        raise BenchError(f"{scenario.event}: the machine stands still, it came behind each load")
    sample = sample_of(load, {}, plan)
    for method, what in event.seen.items():
        struck.note(sample, method, what)
    return sample


@dataclass(slots=True)
class _Event:
    """What happens to a stand while it is asked."""

    name: str
    stand: Stand
    seen: dict[str, probes.Seen] = field(default_factory=dict)
    """What became of requests whose worker was killed, by method."""
    failed: str = ""
    began_s: float = 0.0

    def under(self, plan: Plan, generator: Generator) -> tuple[Load, bool]:
        """Let it happen within a load; say whether a good part of that was still to come."""
        # A third of the way in: what comes before and after is in the same numbers.
        timer = threading.Timer(plan.warm_seconds + plan.seconds / 3, self._happen)
        generator.get_ready()  # a process that has to start first would be late for it
        generator.begin(plan)
        timer.start()
        late_s = time.monotonic() + plan.warm_seconds + plan.seconds * 2 / 3
        try:
            load = generator.result()
            timer.join()
        finally:
            timer.cancel()
        if self.failed:
            raise BenchError(f"{self.name}: {self.failed}")
        return load, self.began_s < late_s

    def _happen(self) -> None:
        self.began_s = time.monotonic()
        try:
            if self.name == "reload":
                self.stand.reload()
                return
            for method in struck.METHODS:
                self.seen[method] = struck.strike(self.stand, method)
        except (BenchError, OSError) as error:
            self.failed = str(error)
