"""The ways to serve one application that the lab compares, and starting one of them.

A topology is a row of a table; `start` makes a `Stand` of it: the port that clients talk to, the
processes by what they do, and every command line. One that cannot start raises, and its reason
becomes its row.
"""

import http.client
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Self

from proxy.lab import measure
from proxy.lab.processes import BenchError, Daemon, stop_all
from proxy.lab.stand import fronts, servers, tls
from proxy.lab.stand.nginx import KEEPALIVE_S
from proxy.lab.stand.ports import fetch, free_port
from proxy.lab.stand.servers import AppServer
from proxy.lab.stand.setup import Setup

Front = Literal["none", "router", "proxy", "nginx"]
Server = Literal["uwsgi", "gunicorn", "builtin"]
Link = Literal["unix", "tcp", "persistent"]
_TRIES = 3
"""For a program that cannot listen on port 0: another one may have taken its port."""


@dataclass(frozen=True, slots=True)
class Topology:
    """One way to serve the application."""

    name: str
    title: str
    front: Front = "none"
    server: Server = "uwsgi"
    link: Link = "unix"
    """Between front end and application server."""
    instances: bool = False
    """Whether every worker is an instance of its own, with a listen queue of its own."""
    keeps: bool = True
    """Whether it keeps client connections open."""


TOPOLOGIES = (
    Topology("uwsgi-direct", "uWSGI alone (--http-socket)", keeps=False),
    Topology("uwsgi-http", "uWSGI alone (its --http router)", "router"),
    Topology("nginx-uwsgi", "nginx before uWSGI (unix)", "nginx"),
    Topology("proxy-uwsgi", "this proxy before uWSGI (unix)", "proxy"),
    Topology("nginx-uwsgi-tcp", "nginx before uWSGI (TCP)", "nginx", link="tcp"),
    Topology("proxy-uwsgi-tcp", "this proxy before uWSGI (TCP)", "proxy", link="tcp"),
    Topology(
        "proxy-persistent", "this proxy before uWSGI (kept connections)", "proxy", link="persistent"
    ),
    Topology("nginx-instances", "nginx before single-worker uWSGIs", "nginx", instances=True),
    Topology("proxy-instances", "this proxy before single-worker uWSGIs", "proxy", instances=True),
    Topology("gunicorn-direct", "gunicorn alone", server="gunicorn"),
    Topology("nginx-gunicorn", "nginx before gunicorn (uwsgi)", "nginx", "gunicorn"),
    Topology("proxy-gunicorn", "this proxy before gunicorn (uwsgi)", "proxy", "gunicorn"),
    Topology("proxy-builtin", "this proxy before its built-in worker", "proxy", "builtin"),
)


@dataclass(slots=True)
class Stand:
    """A running topology."""

    topology: Topology
    setup: Setup
    port: int
    fronts: list[Daemon]
    servers: list[AppServer]
    config: list[str]
    """Command lines and configurations, ready to be shown."""
    host: str = "127.0.0.1"

    @property
    def facts(self) -> dict[str, str]:
        """Return what is printed beside the row."""
        keeps = f"{KEEPALIVE_S} s" if self.topology.keeps else "never"
        size = self.setup.socket_bytes
        return {
            "workers": str(self.setup.processes),
            "listen queue": str(self.setup.backlog),
            "keep-alive": keeps,
            "link": self.topology.link if self.topology.front in ("proxy", "nginx") else "-",
            "socket buffers": f"{size // 1024} KB" if size else "the kernel's",
            "TLS": "none" if self.setup.tls is None else f"1.3, {tls.KEY}, no resumption",
        }

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU time that each group of processes has used so far."""
        front_pids = [each.pid for each in self.fronts]
        inner = [each.front_pid for each in self.servers if each.front_pid]
        seen = measure.stats()
        front = measure.fine_cpu_seconds([*front_pids, *inner], seen)
        inside = measure.fine_cpu_seconds(inner, seen)
        both = measure.fine_cpu_seconds((each.daemon.pid for each in self.servers), seen)
        return {"front": front, "app": both - inside}

    @property
    def certificate(self) -> str:
        """What its clients have to trust; empty for plain HTTP."""
        return str(self.setup.tls.certificate) if self.setup.tls is not None else ""

    @property
    def daemons(self) -> list[Daemon]:
        """All programs, those that clients see first."""
        return [*self.fronts, *(each.daemon for each in self.servers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        stop_all(self.daemons)

    def check(self) -> None:
        """Raise BenchError if something of it has ended."""
        for daemon in self.daemons:
            daemon.check()

    def reload(self) -> None:
        """Ask the application servers for a graceful reload."""
        for each in self.servers:
            os.kill(each.daemon.pid, signal.SIGHUP)

    def kill_worker(self, pid: int) -> None:
        """Kill one of its workers, as a crash or the kernel's OOM killer would.

        Raises:
            BenchError: it is none of them.
        """
        family = {one for each in self.servers for one, _ in measure.identities(each.daemon.pid)}
        if pid not in family:
            raise BenchError(f"{self.topology.name}: no worker {pid}")
        os.kill(pid, signal.SIGKILL)


def select(names: list[str]) -> list[Topology]:
    """Return the topologies of these names; all without names.

    Raises:
        ValueError: there is none of that name.
    """
    known = {each.name: each for each in TOPOLOGIES}
    for name in names:
        if name not in known:
            raise ValueError(f"no topology {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(TOPOLOGIES)


def start(topology: Topology, setup: Setup) -> Stand:
    """Start a topology and see that it serves our application; the result is a context manager.

    Raises:
        BenchError: it cannot start; the text says why.
    """
    for at in range(_TRIES):
        with ExitStack() as stack:
            try:
                stand = _start(topology, setup.within(f"{topology.name}-{at}"), stack)
                _greet(stand)
            except BenchError as error:
                if at + 1 == _TRIES or "in use" not in str(error):
                    raise
                continue
            stack.pop_all()  # from now on its owner stops it
            return stand
    raise AssertionError


def _start(topology: Topology, setup: Setup, stack: ExitStack) -> Stand:
    make: Callable[[Topology, Setup, ExitStack], list[AppServer]] = {
        "uwsgi": _uwsgi, "gunicorn": _gunicorn, "builtin": _builtin,
    }[topology.server]  # fmt: skip
    running = make(topology, setup, stack)
    config = [each.config for each in running]
    if topology.front in ("none", "router"):
        port = int(running[0].addresses[0].rpartition(":")[2])
        return Stand(topology, setup, port, [], running, config)
    daemon, port, shown = _front(topology, setup, running)
    stack.callback(daemon.stop)
    return Stand(topology, setup, port, [daemon], running, [*config, shown])


def _uwsgi(topology: Topology, setup: Setup, stack: ExitStack) -> list[AppServer]:
    number = setup.processes if topology.instances else 1
    each = setup.processes // number
    found = []
    for at in range(number):
        own = setup.within(f"u{at + 1}")
        sockets = _sockets(topology, own)
        made = servers.start_uwsgi(own, sockets, each)
        stack.callback(made.daemon.stop)
        if topology.front == "router":  # whose own port is not among the worker's
            address = sockets[1].partition(",")[0]
            made = AppServer(made.daemon, (address,), made.config, made.front_pid)
        found.append(made)
    return found


def _sockets(topology: Topology, setup: Setup) -> list[str]:
    # uWSGI could take port 0, but would bind to another one when it reloads.
    unix = str(setup.place / "app.sock")
    if topology.front in ("router", "none"):
        return _own_http(topology, setup, f"127.0.0.1:{free_port()}")
    if topology.link == "tcp":
        return ["--socket", f"127.0.0.1:{free_port()}"]
    if topology.link == "persistent":
        return ["--puwsgi-socket", str(setup.place / "kept.sock"), "--socket", unix]
    return ["--socket", unix]


def _own_http(topology: Topology, setup: Setup, address: str) -> list[str]:
    """Return the options of a uWSGI that speaks HTTP itself."""
    kept = [f"--http-keepalive={KEEPALIVE_S}"] if topology.front == "router" else []
    if setup.tls is not None:
        option = "--https" if topology.front == "router" else "--https-socket"
        return [*tls.uwsgi_options(setup, option, address), *kept]
    return ["--http" if topology.front == "router" else "--http-socket", address, *kept]


def _gunicorn(topology: Topology, setup: Setup, stack: ExitStack) -> list[AppServer]:
    direct = topology.front == "none"
    bind = "127.0.0.1:0" if direct else f"unix:{setup.place}/app.sock"
    made = servers.start_gunicorn(setup, "http" if direct else "uwsgi", bind)
    stack.callback(made.daemon.stop)
    return [made]


def _builtin(topology: Topology, setup: Setup, stack: ExitStack) -> list[AppServer]:
    made = servers.start_builtin(setup)
    stack.callback(made.daemon.stop)
    return [made]


def _front(topology: Topology, setup: Setup, running: list[AppServer]) -> tuple[Daemon, int, str]:
    addresses = [address for each in running for address in each.addresses]
    if topology.front == "nginx":
        return fronts.start_nginx(setup, addresses)
    if topology.link == "persistent":
        kept = setup.processes - 1
        if not kept:
            raise BenchError("kept connections need two workers: one stays for the others")
        upstreams = [f"{addresses[0]} puwsgi keepalive={kept}", f"{addresses[1]} max_conns=1"]
    else:
        cap = setup.processes // len(addresses)
        upstreams = [f"{each} max_conns={cap}" for each in addresses]
    more = fronts.proxy_options(len(addresses)) if topology.server == "uwsgi" else []
    if topology.server == "gunicorn":
        more = ["--path-info", "raw"]
    return fronts.start_proxy(setup, upstreams, more)


def _greet(stand: Stand) -> None:
    """See that it is ours who answers, and that the way through works."""
    name = stand.topology.name
    try:
        status, body = fetch(stand.port, "/.lab/token", certificate=stand.certificate)
    except (OSError, http.client.HTTPException) as error:
        stand.check()
        raise BenchError(f"{name}: {type(error).__name__}: {error}") from error
    if status != 200 or body.decode(errors="replace") != stand.setup.token:
        raise BenchError(f"{name}: answers {status} {body[:80]!r}, not as our application does")
