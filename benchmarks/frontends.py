"""The things compared, and the application server behind them: how each is configured.

Every variant gets the same backend, the same keep-alive and body limits, no access log. What a
reader needs to repeat a run is returned beside the running program as text in which the run's own
folder is written $DIR. This module starts; `drive` measures.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from benchmarks.results import CONTROL, KEPT, OURS, TWINS
from proxy.lab.processes import ROOT, Daemon, find, stop_all
from proxy.lab.stand.fronts import PROXY_LIMITS
from proxy.lab.stand.nginx import KEEPALIVE_S, Nginx
from proxy.lab.stand.ports import free_port, wait_for_port
from proxy.lab.stand.shown import hide, shown

PROCESSES = 2
LISTEN_QUEUE = 1024
"""More than the most clients of any workload: with uWSGI's default of 100, nginx would answer part
of 256 clients with 502 and look fast doing so."""

COMPILED = ROOT / "build" / "compiled"
"""Where `make compiled` puts the compiled build."""

_UWSGI = ["-c", "import pyuwsgi; pyuwsgi.run()"]


@dataclass(frozen=True, slots=True)
class Application:
    """What uWSGI runs, and how."""

    module: str = "benchmarks.app:application"
    processes: int = PROCESSES
    listen: int = LISTEN_QUEUE
    """Listen queue; no more than the kernel allows."""
    tcp: bool = True
    """Whether it listens on a TCP port besides its unix socket."""
    puwsgi: bool = False
    """Whether connections to its unix socket stay open, each with a process of its own."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Running uWSGI."""

    daemon: Daemon
    unix: str
    """Path of its unix socket."""
    tcp_port: int
    """0 without one."""
    config: str
    processes: int = PROCESSES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.stop()

    def address(self, family: str) -> str:
        """Return `unix:/path` or `host:port`, as nginx and the proxy both write it."""
        return f"unix:{self.unix}" if family == "unix" else f"127.0.0.1:{self.tcp_port}"


@dataclass(frozen=True, slots=True)
class Frontend:
    """One running variant."""

    name: str
    daemon: Daemon
    port: int
    config: str
    own: Backend | None = None
    """The application server that it does not share with the others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        stop_all([self.daemon, *([self.own.daemon] if self.own else [])])


def listen_queue(wanted: int = LISTEN_QUEUE) -> int:
    """Return the backlog for uWSGI, which refuses to start with more than the kernel allows."""
    return min(wanted, int(Path("/proc/sys/net/core/somaxconn").read_text()))


def start_backend(place: Path, runs: Application | None = None) -> Backend:
    """Start uWSGI on a unix socket, and on a TCP port unless told otherwise.

    Raises:
        BenchError: it did not start.
    """
    runs = runs or Application()
    place.mkdir(parents=True, exist_ok=True)
    unix = place / "app.sock"
    argv = [sys.executable, *_UWSGI, "--master", "--die-on-term", "--need-app"]
    argv += ["--pythonpath", str(ROOT), "--module", runs.module]
    argv += ["--puwsgi-socket" if runs.puwsgi else "--socket", str(unix)]
    argv += ["--socket", "127.0.0.1:0"] if runs.tcp else []
    argv += ["--processes", str(runs.processes), "--listen", str(listen_queue(runs.listen))]
    argv += ["--disable-logging", "--socket-timeout", "600"]
    daemon = Daemon.start("uwsgi", argv, place / "uwsgi.log")
    try:
        bound = r"bound to TCP address 127\.0\.0\.1:(\d+)"
        port = int(daemon.wait_for(bound)[1]) if runs.tcp else 0
        daemon.wait_for(rf"spawned uWSGI worker {runs.processes} ")
    except BaseException:
        daemon.stop()
        raise
    return Backend(daemon, str(unix), port, shown(argv, place), runs.processes)


def start_nginx(place: Path, upstream: str, extra: Sequence[str] = (), group: str = "") -> Frontend:
    """Start nginx with one worker process; `group` is an upstream block that `upstream` names."""
    port = free_port()
    place.mkdir(parents=True, exist_ok=True)
    config = Nginx(place, port, upstream, group).config()
    (place / "nginx.conf").write_text(config)
    argv = [find("nginx") or "nginx", "-p", str(place), "-c", str(place / "nginx.conf"), *extra]
    daemon = Daemon.start("nginx", argv, place / "output.log")
    wait_for_port(daemon, port)
    return Frontend("nginx", daemon, port, hide(config, place))


def start_control(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start nginx once more, to be compared with itself."""
    return replace(start_nginx(place, upstream, extra), name=CONTROL)


def start_proxy(
    place: Path, upstream: str, extra: Sequence[str] = (), tree: Path = ROOT
) -> Frontend:
    """Start this project's proxy as its users do, metrics on; that of another `tree` if wanted."""
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "proxy", "--upstream", upstream, "--listen", "127.0.0.1:0"]
    argv += ["--admin", "127.0.0.1:0", *PROXY_LIMITS, *extra]
    daemon = Daemon.start("proxy", argv, place / "output.log", {"TMPDIR": str(place)}, tree)
    try:
        port = daemon.wait_for(r"listening on http://127\.0\.0\.1:(\d+)")
        daemon.wait_for(r"admin on http://127\.0\.0\.1:(\d+)")
    except BaseException:
        daemon.stop()
        raise
    return Frontend("proxy", daemon, int(port[1]), shown(argv, place))


def start_kept(
    place: Path, processes: int = PROCESSES, extra: Sequence[str] = (), tree: Path = ROOT
) -> Frontend:
    """Start the proxy with as many persistent connections as uWSGI has processes.

    They hold the processes while they are idle, too. So it has a uWSGI of its own.
    """
    runs = Application(processes=processes, tcp=False, puwsgi=True)
    own = start_backend(place / "uwsgi", runs)
    try:
        upstream = f"{own.address('unix')} puwsgi keepalive={processes}"
        front = start_proxy(place / "proxy", upstream, extra, tree)
    except BaseException:
        own.daemon.stop()
        raise
    return replace(front, name=KEPT, config=f"{own.config}\n\n{front.config}", own=own)


def start_compiled(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start the compiled build of the proxy."""
    return replace(start_proxy(place, upstream, extra, COMPILED), name=TWINS[OURS])


def start_router(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start uWSGI's own HTTP router in a process of its own, with keep-alive, for context."""
    port = free_port()
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, *_UWSGI, "--master", "--die-on-term", "--disable-logging"]
    argv += ["--http", f"127.0.0.1:{port}", "--http-to", upstream.removeprefix("unix:")]
    argv += [f"--http-keepalive={KEEPALIVE_S}", "--listen", str(listen_queue()), *extra]
    daemon = Daemon.start("router", argv, place / "output.log")
    wait_for_port(daemon, port)
    return Frontend("router", daemon, port, shown(argv, place))


Starter = Callable[[Path, str, Sequence[str]], Frontend]
STARTERS: dict[str, Starter] = {
    "nginx": start_nginx,
    "proxy": start_proxy,
    "router": start_router,
    CONTROL: start_control,
    TWINS[OURS]: start_compiled,
}


def start(
    name: str, place: Path, backend: Backend, family: str, extra: Sequence[str] = ()
) -> Frontend:
    """Start a variant before `backend`, or before one that is its own and like it."""
    if name not in (KEPT, TWINS[KEPT]):
        return STARTERS[name](place, backend.address(family), extra)
    tree = ROOT if name == KEPT else COMPILED
    return replace(start_kept(place, backend.processes, extra, tree), name=name)
