"""The two ways to put load on a server: clients that wait for answers, and a crowd that does not.

Closed: each client sends its next request when the one before has ended. It finds how much a server
can do, but it asks less while the server stalls, so it hides stalls. Open: requests are sent when
their time has come, whether or not the ones before were answered, and a latency counts from that
time; every request that comes during a stall sees it.

Nothing is sent after the measured time; what still runs is waited for and counted.
"""

import random
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator

from proxy.lab.load.ask import Ask, Mix
from proxy.lab.load.engine import Client, Engine, Outcome
from proxy.lab.load.latency import Latencies
from proxy.lab.load.plan import GOOD, Load, Plan, class_of, warnings_of
from proxy.lab.load.secure import SecureEngine

MOST_REQUESTS = 2_000_000
"""Of one load; bounds its memory and, with the time limit of each, its time."""
MOST_CONNECTIONS = 2000
FIRST_CONNECTIONS = 16
"""Of an open loop that keeps them, made before the clock starts."""
_POLL_S = 0.2


class Tally:
    """Counts of one load. Latencies are kept as they are and sorted into histograms at the end."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.in_time = 0
        self.latencies_s = array("d")
        self.service_s = array("d")
        self.late_s = array("d")

    def add(self, ask: Ask, outcome: Outcome, now: float) -> None:
        """Count one request that has ended."""
        kind = class_of(outcome)
        self.outcomes[kind] += 1
        if isinstance(outcome, int):
            self.statuses[str(outcome)] += 1
        self.late_s.append(ask.sent_s - ask.since_s)
        if kind == GOOD:
            self.latencies_s.append(now - ask.since_s)
            self.service_s.append(now - ask.sent_s)


def arrivals(plan: Plan, seconds: float) -> Iterator[float]:
    """Return the moments, in seconds after the start, at which an open loop sends.

    The same for the same plan, whoever is asked.
    """
    rng = random.Random(plan.seed)
    rate = plan.rate / plan.burst
    at_s = 0.0
    for number in range(MOST_REQUESTS // plan.burst):
        even = plan.arrivals == "even"
        at_s = (number + 0.5) / rate if even else at_s + rng.expovariate(rate)
        if at_s >= seconds:
            return
        for _ in range(plan.burst):
            yield at_s


class Loop:
    """What both loops share: an engine, a mix of requests, and the measured time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        address = (plan.host, plan.port)
        self.engine = (
            SecureEngine(plan.tls, address, plan.timeout_s, self._finished, plan.keep_alive)
            if plan.tls
            else Engine(address, plan.timeout_s, self._finished, plan.keep_alive)
        )
        self.mix = Mix(plan.requests, f"{plan.host}:{plan.port}", plan.keep_alive, plan.seed)
        self._from_s = self._until_s = 0.0
        self._cpu_s = [0.0, 0.0]

    def run(self) -> Load:
        """Put the load on the server and return what became of it."""
        with self.engine:
            began_s = self._prepare()
            self._from_s = began_s + self.plan.warm_seconds
            self._until_s = self._from_s + self.plan.seconds
            self._go(began_s)
        return self._load()

    def _prepare(self) -> float:
        """Connect; return when the load begins."""
        raise NotImplementedError

    def _go(self, began_s: float) -> None:
        raise NotImplementedError

    def _next(self, client: Client, now: float) -> None:
        """Go on after a request of this client has ended."""
        raise NotImplementedError

    def _mark(self, now: float) -> None:
        """Read our own clock when the measured time begins, and when it ends."""
        for at, moment in enumerate((self._from_s, self._until_s)):
            if not self._cpu_s[at] and now >= moment:
                self._cpu_s[at] = time.process_time()

    def _finished(self, client: Client, ask: Ask, outcome: Outcome, now: float) -> None:
        self._mark(now)
        if self._from_s <= now < self._until_s and class_of(outcome) == GOOD:
            self.tally.in_time += 1  # also what was asked for during the warm-up
        if ask.since_s >= self._from_s:
            self.tally.add(ask, outcome, now)
        self._next(client, now)

    def _load(self) -> Load:
        tally = self.tally
        began, ended = self._cpu_s
        cpu_s = max((ended or time.process_time()) - began, 0.0) if began else 0.0
        latencies, late = Latencies.of(tally.latencies_s), Latencies.of(tally.late_s)
        wall_s = self.plan.seconds
        return Load(
            seconds=wall_s,
            sent=tally.outcomes.total(),
            outcomes=dict(sorted(tally.outcomes.items())),
            statuses=dict(sorted(tally.statuses.items())),
            in_time=tally.in_time,
            latency_us=latencies.summary(),
            service_us=Latencies.of(tally.service_s).summary(),
            late_us=late.summary(),
            histogram=latencies.encode(),
            cpu_s=round(cpu_s, 4),
            retried=self.engine.retried,
            bytes_in=self.engine.bytes_in,
            warnings=warnings_of(self.plan, cpu_s, wall_s, late.percentile_us(99)),
        )


class Closed(Loop):
    """A fixed number of clients, each with one request at a time."""

    def _prepare(self) -> float:
        self._clients = [self.engine.open() for _ in range(self.plan.clients)]
        if self.plan.keep_alive:
            self.engine.settle(self._clients)
        self._sent = 0
        return time.perf_counter()

    def _go(self, began_s: float) -> None:
        for client in self._clients:
            self._next(client, time.perf_counter())
        while self.engine.running:
            self.engine.poll(_POLL_S)
            self._mark(time.perf_counter())

    def _next(self, client: Client, now: float) -> None:
        if now < self._until_s and self._sent < MOST_REQUESTS:
            self._sent += 1
            self.engine.send(client, self.mix.next(now))


class Open(Loop):
    """A crowd, over as many connections as it takes."""

    def _prepare(self) -> float:
        self._idle: list[Client] = []
        self._opened = 0
        self._waiting: deque[Ask] = deque()
        """Due, but all connections are in use."""
        if self.plan.keep_alive:
            self._idle = [self._open() for _ in range(FIRST_CONNECTIONS)]
            self.engine.settle(self._idle)
        return time.perf_counter()

    def _go(self, began_s: float) -> None:
        due = arrivals(self.plan, self.plan.warm_seconds + self.plan.seconds)
        next_s = next(due, None)
        while next_s is not None or self._waiting or self.engine.running:
            now = time.perf_counter()
            self._mark(now)
            while next_s is not None and began_s + next_s <= now:
                self._dispatch(self.mix.next(began_s + next_s))
                next_s = next(due, None)
            wait_s = _POLL_S if next_s is None else began_s + next_s - time.perf_counter()
            self.engine.poll(min(max(wait_s, 0.0), _POLL_S))

    def _open(self) -> Client:
        self._opened += 1
        return self.engine.open()

    def _dispatch(self, ask: Ask) -> None:
        if not self._idle and self._opened >= MOST_CONNECTIONS:
            self._waiting.append(ask)
            return
        self.engine.send(self._idle.pop() if self._idle else self._open(), ask)

    def _next(self, client: Client, now: float) -> None:
        self._idle.append(client)
        if self._waiting:
            self._dispatch(self._waiting.popleft())


def loop_of(plan: Plan) -> Loop:
    """Return the loop that a plan asks for."""
    return Open(plan) if plan.loop == "open" else Closed(plan)
