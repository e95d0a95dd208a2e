"""Application servers: uWSGI, gunicorn and the built-in worker, each started from the same setup.

Whatever is started here is tied to this process (see `proxy.worker.launch`): it ends when we do,
also when we are killed. A server is returned when it listens.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.processes import BenchError, Daemon
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.shown import shown
from proxy.worker.command import environment_options, launch

_APP = Path(__file__).with_name("app.py")
_MODULE = "proxy.lab.stand.app:application"
KEEPALIVE_S = 600


@dataclass(frozen=True, slots=True)
class AppServer:
    """A running one."""

    daemon: Daemon
    addresses: tuple[str, ...]
    """As `--upstream` and `uwsgi_pass` take them, or `127.0.0.1:port` of an HTTP socket."""
    config: str
    front_pid: int = 0
    """Of a process within it that does a front end's work: uWSGI's HTTP router."""


def start_uwsgi(
    setup: Setup, sockets: Sequence[str], processes: int, more: Sequence[str] = ()
) -> AppServer:
    """Start uWSGI with these options for sockets.

    Raises:
        BenchError: it is not installed, or did not start.
    """
    if setup.installed.uwsgi is None:
        raise BenchError("uWSGI is not installed: pip install pyuwsgi")
    options = ["--master", "--need-app", "--die-on-term", "--no-orphans", "--wsgi-file", str(_APP)]
    options += [*sockets, "--processes", str(processes), "--listen", str(setup.backlog)]
    options += ["--disable-logging", "--socket-timeout", "60", *more]
    if setup.socket_bytes:
        size = str(setup.socket_bytes)
        options += ["--socket-sndbuf", size, "--socket-rcvbuf", size]
    daemon = Daemon.start(
        "uwsgi", uwsgi_argv(setup, options), setup.place / "uwsgi.log", setup.environment(),
        setup.directory,
    )  # fmt: skip
    try:
        daemon.wait_for(rf"spawned uWSGI worker {processes} ")
        # Builds differ in whether they speak of the router before or after the workers.
        routed = {"--http", "--https"} & set(sockets)
        front = daemon.wait_for(r"spawned uWSGI http 1 \(pid: (\d+)\)") if routed else None
        text = daemon.output()
    except BaseException:
        daemon.stop()
        raise
    config = shown(["uwsgi", *options], setup.place)
    if setup.tls is not None:
        config = config.replace(str(setup.tls.certificate.parent), "$DIR/tls")
    return AppServer(daemon, tuple(_bound(text)), config, int(front[1]) if front else 0)


def uwsgi_argv(setup: Setup, options: Sequence[str]) -> list[str]:
    """Return the command line of a uWSGI whose life is tied to ours."""
    uwsgi = setup.installed.uwsgi
    assert uwsgi is not None
    if not uwsgi.program:
        return launch("pyuwsgi", *options, "--binary-path", sys.executable)
    plugins = (*uwsgi.plugins, "http") if uwsgi.plugins else ()
    found = environment_options(plugins)
    if setup.foreign:
        found = ["--plugins", ",".join(plugins)] if plugins else []
    return launch("exec", uwsgi.program, *found, *options)


def _bound(log: str) -> list[str]:
    """Return where uWSGI says that it listens, in its own order. Files of TLS follow a comma."""
    found = re.findall(r"bound to (UNIX|TCP) address ([^\s,]+)", log)
    return [f"unix:{address}" if kind == "UNIX" else address for kind, address in found]


def start_gunicorn(setup: Setup, protocol: str, bind: str) -> AppServer:
    """Start gunicorn with workers of one thread that keep connections.

    Args:
        protocol: `http` or `uwsgi`.
        bind: `127.0.0.1:0`, or `unix:/path`.

    Raises:
        BenchError: it is not installed, or did not start.
    """
    if not setup.installed.gunicorn:
        raise BenchError("gunicorn is not installed: pip install gunicorn")
    options = ["--bind", bind, "--workers", str(setup.processes), "--worker-class", "gthread"]
    options += ["--threads", "1", "--backlog", str(setup.backlog), "--graceful-timeout", "1"]
    options += ["--keep-alive", str(KEEPALIVE_S)]
    if setup.tls is not None:
        options += ["--certfile", str(setup.tls.certificate), "--keyfile", str(setup.tls.key)]
    options += ["--protocol", protocol, "--timeout", "60", *_without_control(), _MODULE]
    argv = launch("exec", sys.executable, "-m", "gunicorn", *options)
    log = setup.place / "gunicorn.log"
    daemon = Daemon.start("gunicorn", argv, log, setup.environment(), setup.directory)
    try:
        address = daemon.wait_for(r"Listening at: (?:https?://|uwsgi://)?(\S+) \(")[1]
        daemon.wait_for(rf"(?s)(?:Booting worker.*){{{setup.processes}}}")
    except BaseException:
        daemon.stop()
        raise
    return AppServer(daemon, (address,), shown(["gunicorn", *options], setup.place))


def _without_control() -> list[str]:
    """Return the option that keeps a newer gunicorn from making a socket in the home directory."""
    from gunicorn.config import KNOWN_SETTINGS

    known = {flag for each in KNOWN_SETTINGS for flag in each.cli or ()}
    return [flag for flag in ("--no-control-socket",) if flag in known]


def start_builtin(setup: Setup) -> AppServer:
    """Start the built-in worker: one process, with a thread where others have a process.

    Raises:
        BenchError: it did not start.
    """
    path = setup.place / "builtin.sock"
    options = ["--socket", str(path), "--threads", str(setup.processes)]
    options += ["--path", ".", _MODULE]
    log = setup.place / "builtin.log"
    daemon = Daemon.start(
        "builtin", launch("builtin", *options), log, setup.environment(), setup.directory
    )
    try:
        daemon.wait_until(path.exists)
    except BaseException:
        daemon.stop()
        raise
    config = shown(["python", "-m", "proxy.worker.builtin", *options], setup.place)
    return AppServer(daemon, (f"unix:{path}",), config)
