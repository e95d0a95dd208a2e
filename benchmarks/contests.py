"""Contests: ways to put a front end before busy workers, each with uWSGI instances of its own.

It owns what competes under which load, and starting and driving one contestant. The workloads of
`workloads` ask what a front end costs; these ask what its clients get when workers are scarce. The
application sleeps (`sleeper`), so that the workers are the bottleneck and not the cores.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.clients import connect, fetch
from benchmarks.frontends import (
    Application,
    Backend,
    Frontend,
    start_backend,
    start_nginx,
    start_proxy,
)
from benchmarks.results import CEILING, OURS, THEIRS
from proxy.lab.load.answer import BadReply
from proxy.lab.processes import ROOT, BenchError, Daemon, stop_all

APPLICATION = "benchmarks.sleeper:application"
REQUEST_TIMEOUT_S = 20.0
"""After which the generator gives a request up; far above the longest wait in line."""
WARM_REQUESTS = 20
_GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """One front end before one arrangement of workers."""

    name: str
    front: Literal["nginx", "proxy"]
    text: str
    """What it is, in a few words."""
    instances: int = 1
    processes: int = 2
    """Of each instance."""
    method: str = ""
    """nginx: a line of the upstream block. The proxy: of --balance."""
    max_conns: int = 0
    """The proxy: of each instance."""
    clients: int = 0
    """Closed loop: instead of the contest's."""
    listen: int = 0
    """Listen queue: instead of the contest's."""
    body_bytes: int = 0
    """Closed loop: of each request, which is a POST then."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One load, and who stands it."""

    name: str
    title: str
    kind: Literal["overload", "mixed"]
    contestants: tuple[Contestant, ...]
    listen: int = 100
    """uWSGI's listen queue, of each instance."""
    clients: int = 500
    """Overload: closed loop."""
    rate: float = 0.0
    """Mixed: requests per second of an open loop."""
    quick_ms: int = 20
    slow_ms: int = 0
    slow_percent: int = 0

    @property
    def detail(self) -> str:
        """Say in a few words what is not in the title."""
        if self.kind == "overload":
            load = f"closed loop, {self.clients} clients, application sleeps {self.quick_ms} ms"
        else:
            load = f"open loop, {self.rate:g} requests/s, application sleeps {self.quick_ms} ms, "
            load += f"in {self.slow_percent} % of the requests {self.slow_ms} ms"
        return f"{load}, unix sockets, --listen {self.listen}"

    def names(self, frontends: Sequence[str]) -> list[str]:
        """Return the contestants with one of these front ends."""
        return [each.name for each in self.contestants if each.front in frontends]

    def find(self, name: str) -> Contestant:
        """Return the contestant of that name."""
        return next(each for each in self.contestants if each.name == name)

    def load(self, contestant: Contestant, seconds: float, seed: int) -> list[str]:
        """Return the generator's options."""
        words = ["--seconds", str(seconds), "--timeout", str(REQUEST_TIMEOUT_S)]
        if self.kind == "overload":
            clients = contestant.clients or self.clients
            words += ["--clients", str(clients), "--path", f"/{self.quick_ms}"]
            return [*words, "--body-bytes", str(contestant.body_bytes)]
        words += ["--rate", str(self.rate), "--seed", str(seed), "--quick-ms", str(self.quick_ms)]
        return [*words, "--slow-ms", str(self.slow_ms), "--slow-percent", str(self.slow_percent)]


OVERLOAD = Contest(
    "overload",
    "more clients than workers and listen queue hold",
    "overload",
    (
        Contestant(THEIRS, "nginx", "nginx, `uwsgi_pass` to one instance of 2 processes"),
        Contestant(
            "nginx-least-conn", "nginx", "nginx, `least_conn` over 2 instances of 1 process",
            instances=2, processes=1, method="least_conn",
        ),
        Contestant(
            OURS, "proxy", "the proxy, one instance of 2 processes, `max_conns=2`", max_conns=2
        ),
        Contestant(
            "proxy-uncapped", "proxy",
            "the proxy, one instance of 2 processes, without `max_conns`: it meets a full queue",
        ),
        Contestant(
            "proxy-posts", "proxy", "as `proxy`, but every request is a POST with 100 bytes",
            max_conns=2, body_bytes=100,
        ),
        Contestant(
            "nginx-long-queue", "nginx",
            "nginx, one instance of 2 processes, `--listen 1024`: the kernel holds everybody",
            listen=1024,
        ),
        Contestant(
            CEILING, "nginx",
            "nginx with 50 clients, which the listen queue holds: the workers never idle, nothing "
            "fails, and so it is what they can do",
            clients=50,
        ),
        Contestant(
            "two-clients", "nginx",
            "nginx with 2 clients: nobody waits, but a worker idles until its client asks again",
            clients=2,
        ),
    ),
)  # fmt: skip

MIXED = Contest(
    "mixed",
    "slow requests among quick ones, four workers",
    "mixed",
    (
        Contestant(
            THEIRS, "nginx", "nginx, round robin over 4 instances of 1 process",
            instances=4, processes=1,
        ),
        Contestant(
            "nginx-least-conn", "nginx", "nginx, `least_conn` over 4 instances of 1 process",
            instances=4, processes=1, method="least_conn",
        ),
        Contestant(
            OURS, "proxy",
            "the proxy, 4 instances of 1 process with `max_conns=1` each, `--balance least-conn`",
            instances=4, processes=1, method="least-conn", max_conns=1,
        ),
        Contestant(
            "nginx-one", "nginx", "nginx, one instance of 4 processes, which share a listen queue",
            processes=4,
        ),
        Contestant(
            "proxy-one", "proxy", "the proxy, one instance of 4 processes, `max_conns=4`",
            processes=4, max_conns=4,
        ),
    ),
    rate=113.0,  # 70 % of 4 workers / (0.95 * 5 ms + 0.05 * 400 ms)
    quick_ms=5,
    slow_ms=400,
    slow_percent=5,
)  # fmt: skip

CONTESTS = (OVERLOAD, MIXED)


@dataclass(frozen=True, slots=True)
class Stand:
    """A contestant, running."""

    frontend: Frontend
    backends: tuple[Backend, ...]
    config: str
    """What sets it apart: uWSGI's command line, nginx's upstream block or the proxy's line."""


@contextmanager
def set_up(
    contest: Contest, contestant: Contestant, place: Path, extra: Sequence[str] = ()
) -> Iterator[Stand]:
    """Start a contestant in a folder and warm it; stop it afterwards.

    Args:
        extra: more options of the proxy.

    Raises:
        BenchError: something did not start, or answered wrongly.
    """
    listen = contestant.listen or contest.listen
    runs = Application(APPLICATION, contestant.processes, listen, tcp=False)
    backends: list[Backend] = []
    daemons: list[Daemon] = []
    try:
        for at in range(1, contestant.instances + 1):
            backends.append(start_backend(place / f"u{at}", runs))
            daemons.append(backends[-1].daemon)
        start = _start_proxy if contestant.front == "proxy" else _start_nginx
        frontend, shown = start(contestant, place, backends, extra)
        daemons.append(frontend.daemon)
        _warm(frontend)
        instances = f"{contestant.instances} x: " if contestant.instances > 1 else ""
        config = f"{instances}{backends[0].config}\n\n{shown}"
        yield Stand(frontend, tuple(backends), config.replace(str(place), "$DIR"))
        for each in daemons:
            each.check()
    finally:
        stop_all(daemons)


def generate(
    contest: Contest, contestant: Contestant, port: int, seconds: float, seed: int
) -> dict[str, Any]:
    """Run the generator; return what it counted (`Tally.report`) and `elapsed_s`.

    Raises:
        BenchError: it failed or hung; requests that fail are no failure.
    """
    loop = "closed" if contest.kind == "overload" else "open"
    argv = [sys.executable, "-m", "benchmarks.loops", loop, str(port)]
    argv += contest.load(contestant, seconds, seed)
    limit_s = seconds + REQUEST_TIMEOUT_S + _GRACE_S
    began_s = time.perf_counter()
    try:
        done = subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"generator: no end after {limit_s:g} s") from error
    if done.returncode:
        raise BenchError(f"generator: {done.stderr.strip() or done.returncode}")
    said: dict[str, Any] = json.loads(done.stdout)
    return {**said, "elapsed_s": time.perf_counter() - began_s}


def _start_nginx(
    contestant: Contestant, place: Path, backends: Sequence[Backend], extra: Sequence[str]
) -> tuple[Frontend, str]:
    if len(backends) == 1 and not contestant.method:
        upstream = backends[0].address("unix")
        return start_nginx(place / "f", upstream), f"uwsgi_pass {upstream};"
    lines = [contestant.method] if contestant.method else []
    lines += [f"server {each.address('unix')}" for each in backends]
    group = "upstream app {\n" + "".join(f"    {line};\n" for line in lines) + "}\n"
    return start_nginx(place / "f", "app", group=group), group + "uwsgi_pass app;"


def _start_proxy(
    contestant: Contestant, place: Path, backends: Sequence[Backend], extra: Sequence[str]
) -> tuple[Frontend, str]:
    cap = f" max_conns={contestant.max_conns}" if contestant.max_conns else ""
    first, *others = (each.address("unix") + cap for each in backends)
    more = [word for each in others for word in ("--upstream", each)]
    if contestant.method:
        more += ["--balance", contestant.method]
    frontend = start_proxy(place / "f", first, [*more, *extra])
    return frontend, frontend.config


def _warm(frontend: Frontend) -> None:
    """Make a few requests, so that nothing is done for the first time later."""
    buffer = bytearray(64 * 1024)
    try:
        with connect(frontend.port) as sock:
            for _ in range(WARM_REQUESTS):
                fetch(sock, "/1", buffer)
    except (OSError, BadReply) as error:
        frontend.daemon.check()
        raise BenchError(f"{frontend.name}: {type(error).__name__}: {error}") from error
