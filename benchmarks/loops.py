"""Load of many clients at once, in a closed or an open loop, with every outcome counted.

Runs as a process of its own (`python -m benchmarks.loops closed|open PORT ...`) and prints one JSON
object (see `Tally.report`). Closed: each client sends its next request when it has the answer to
the one before, whatever that was; 502 or 503 makes nobody wait. Open: requests are sent when an
imagined crowd sends them, whether or not the ones before were answered, and latency counts from
that moment, so a stall is seen by every request that comes during it.

It ends by itself: nothing is sent after the measured time, what is still running is waited for and
counted, and a request has a timeout. GET, or POST with a small body, over keep-alive connections to
127.0.0.1. Sockets and answers are the business of `proxy.lab.load.engine`.
"""

import argparse
import json
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.clients import HOST
from benchmarks.tally import Tally, kind_of
from proxy.lab.load.ask import Ask, Wanted
from proxy.lab.load.engine import Client, Engine, Outcome

MOST_REQUESTS = 2_000_000
"""Of one run; bounds its memory and, with the timeout, its time."""
MOST_CONNECTIONS = 2000
_POLL_S = 0.5
QUICK = "quick"
"""Label of requests that ask for little."""
_BLOCK = 20
"""Slow requests are spread so that each block of this many holds the same number of them."""


def request(path: str, body_bytes: int = 0) -> bytes:
    """Return a GET, or a POST when there is a body to send."""
    method = "POST" if body_bytes else "GET"
    return Wanted(path, method, body=f"zeros:{body_bytes}" if body_bytes else "").encode("x", True)


def add(tally: Tally, ask: Ask, outcome: Outcome, now: float, in_time: bool) -> None:
    """Count one request that has ended."""
    kind = kind_of(outcome) if isinstance(outcome, int) else outcome
    tally.add(kind, now - ask.since_s, in_time=in_time, quick=ask.label == QUICK)


class Closed:
    """A fixed number of clients, each with one request at a time."""

    def __init__(
        self, port: int, clients: int, path: str, timeout_s: float, body_bytes: int = 0
    ) -> None:
        self.tally = Tally()
        self._engine = Engine((HOST, port), timeout_s, self._finished)
        self._wire = request(path, body_bytes)
        self._clients = clients
        self._sent = 0
        self._end_s = 0.0

    def run(self, seconds: float) -> float:
        """Connect everybody, send for `seconds`, wait for the rest; return the measured time."""
        with self._engine as engine:
            clients = [engine.open() for _ in range(self._clients)]
            engine.settle(clients)
            began_s = time.perf_counter()
            self._end_s = began_s + seconds
            for client in clients:
                self._send(client, time.perf_counter())
            while engine.running:
                engine.poll(_POLL_S)
        return seconds

    def _send(self, client: Client, now: float) -> None:
        self._sent += 1
        self._engine.send(client, Ask(self._wire, now, QUICK))

    def _finished(self, client: Client, ask: Ask, outcome: Outcome, now: float) -> None:
        in_time = now < self._end_s
        add(self.tally, ask, outcome, now, in_time)
        if in_time and self._sent < MOST_REQUESTS:
            self._send(client, now)


@dataclass(frozen=True, slots=True)
class Crowd:
    """When an open loop sends what; the same for the same values, whoever is asked."""

    rate: float
    """Requests per second, on average; they come independently of each other (Poisson)."""
    seconds: float
    seed: int
    quick_ms: int
    slow_ms: int
    slow_percent: int
    """Of all requests; a multiple of 5, see _BLOCK."""

    def arrivals(self) -> Iterator[tuple[float, int]]:
        """Return (seconds after the start, milliseconds that the application sleeps), in order."""
        rng = random.Random(self.seed)
        slow = round(self.slow_percent * _BLOCK / 100)
        at_s = 0.0
        for _ in range(MOST_REQUESTS // _BLOCK):
            block = [self.slow_ms] * slow + [self.quick_ms] * (_BLOCK - slow)
            rng.shuffle(block)
            for sleep_ms in block:
                at_s += rng.expovariate(self.rate)
                if at_s >= self.seconds:
                    return
                yield at_s, sleep_ms


class Open:
    """A crowd, over as many connections as it takes."""

    FIRST_CONNECTIONS = 16
    """Made before the clock starts."""

    def __init__(self, port: int, crowd: Crowd, timeout_s: float) -> None:
        self.tally = Tally()
        self._engine = Engine((HOST, port), timeout_s, self._finished)
        self._wires = {ms: request(f"/{ms}") for ms in (crowd.quick_ms, crowd.slow_ms)}
        self._crowd = crowd
        self._idle: list[Client] = []
        self._opened = 0
        self._late: deque[Ask] = deque()
        """Due, but all connections are in use."""
        self._end_s = 0.0

    def run(self, seconds: float) -> float:
        """Send what the crowd sends, wait for the answers; return the measured time."""
        with self._engine as engine:
            self._idle = [self._open() for _ in range(self.FIRST_CONNECTIONS)]
            engine.settle(self._idle)
            due = deque(self._crowd.arrivals())
            began_s = time.perf_counter()
            self._end_s = began_s + seconds
            while due or self._late or engine.running:
                now = time.perf_counter()
                while due and began_s + due[0][0] <= now:
                    at_s, sleep_ms = due.popleft()
                    label = QUICK if sleep_ms == self._crowd.quick_ms else ""
                    self._dispatch(Ask(self._wires[sleep_ms], began_s + at_s, label))
                wait_s = began_s + due[0][0] - now if due else _POLL_S
                engine.poll(min(max(wait_s, 0.0), _POLL_S))
        return seconds

    def _open(self) -> Client:
        self._opened += 1
        return self._engine.open()

    def _dispatch(self, ask: Ask) -> None:
        if not self._idle and self._opened >= MOST_CONNECTIONS:
            self._late.append(ask)
            return
        client = self._idle.pop() if self._idle else self._open()
        self.tally.late_s.append(time.perf_counter() - ask.since_s)
        self._engine.send(client, ask)

    def _finished(self, client: Client, ask: Ask, outcome: Outcome, now: float) -> None:
        in_time = now < self._end_s
        add(self.tally, ask, outcome, now, in_time)
        self._idle.append(client)
        if self._late:
            self._dispatch(self._late.popleft())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="benchmarks.loops")
    made.add_argument("loop", choices=("closed", "open"))
    made.add_argument("port", type=int)
    made.add_argument("--seconds", type=float, default=8.0)
    made.add_argument("--timeout", type=float, default=20.0, help="seconds, of one request")
    made.add_argument("--clients", type=int, default=1, help="closed loop")
    made.add_argument("--path", default="/20", help="closed loop")
    made.add_argument("--body-bytes", type=int, default=0, help="closed loop; POST instead of GET")
    made.add_argument("--rate", type=float, default=100.0, help="open loop, requests per second")
    made.add_argument("--seed", type=int, default=0, help="open loop")
    made.add_argument("--quick-ms", type=int, default=5, help="open loop")
    made.add_argument("--slow-ms", type=int, default=400, help="open loop")
    made.add_argument("--slow-percent", type=int, default=5, help="open loop")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one load and print what became of it; 1 when the front end cannot be reached at all."""
    args = parser().parse_args(argv)
    try:
        if args.loop == "closed":
            load: Closed | Open = Closed(
                args.port, args.clients, args.path, args.timeout, args.body_bytes
            )
        else:
            crowd = Crowd(
                args.rate, args.seconds, args.seed, args.quick_ms, args.slow_ms, args.slow_percent
            )
            load = Open(args.port, crowd, args.timeout)
        seconds = load.run(args.seconds)
    except OSError as error:
        print(f"{args.loop} loop: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"seconds": seconds, **load.tally.report()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
