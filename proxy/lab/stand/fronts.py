"""Front ends before application servers: this proxy, and nginx, with the same limits."""

import sys
from collections.abc import Sequence

from proxy.lab.processes import BenchError, Daemon
from proxy.lab.stand.nginx import (
    BODY_BUFFER,
    KEEPALIVE_REQUESTS,
    KEEPALIVE_S,
    MAX_BODY,
    Nginx,
    upstream_block,
)
from proxy.lab.stand.ports import free_port, wait_for_port
from proxy.lab.stand.setup import BUFFER_SIZE, Setup
from proxy.lab.stand.shown import hide, shown
from proxy.worker.command import launch

PROXY_LIMITS = (
    *("--keepalive-timeout", str(KEEPALIVE_S)),
    *("--keepalive-requests", str(KEEPALIVE_REQUESTS)),
    *("--client-max-body-size", MAX_BODY),
    *("--client-body-buffer-size", BODY_BUFFER),
    *("--access-log", "off"),
    *("--shutdown-timeout", "1"),
)
"""What makes the proxy equal to nginx as `nginx` configures it."""


def start_proxy(
    setup: Setup, upstreams: Sequence[str], more: Sequence[str] = ()
) -> tuple[Daemon, int, str]:
    """Start this proxy, metrics on, as its users do; return it, its port and its configuration.

    Raises:
        BenchError: it did not start.
    """
    options = [word for each in upstreams for word in ("--upstream", each)]
    options += [*_listen(setup), "--admin", "127.0.0.1:0", *PROXY_LIMITS]
    options += ["--backlog", str(setup.backlog), *more]
    if setup.socket_bytes:
        size = str(setup.socket_bytes)
        options += ["--listen-sndbuf", size, "--listen-rcvbuf", size]
    argv = launch("exec", sys.executable, "-m", "proxy", *options)
    place = setup.place
    daemon = Daemon.start("proxy", argv, place / "proxy.log", {"TMPDIR": str(place)})
    try:
        port = int(daemon.wait_for(r"listening on https?://127\.0\.0\.1:(\d+)")[1])
    except BaseException:
        daemon.stop()
        raise
    return daemon, port, shown(["python", "-m", "proxy", *options], place)


def _listen(setup: Setup) -> list[str]:
    if setup.tls is None:
        return ["--listen", "127.0.0.1:0"]
    files = ["--tls-certificate", str(setup.tls.certificate)]
    files += ["--tls-certificate-key", str(setup.tls.key)]
    return ["--listen", "127.0.0.1:0 tls", *files]


def start_nginx(setup: Setup, upstreams: Sequence[str]) -> tuple[Daemon, int, str]:
    """Start nginx with one worker process; several upstreams share by `least_conn`.

    Raises:
        BenchError: it is not installed, or did not start.
    """
    program = setup.installed.nginx
    if not program:
        raise BenchError("nginx is not installed; on Debian: apt-get install nginx-light")
    place = setup.place
    many = len(upstreams) > 1
    group = upstream_block(list(upstreams), "least_conn") if many else ""
    port = free_port()
    upstream = "app" if many else upstreams[0]
    made = Nginx(place, port, upstream, group, setup.backlog, setup.socket_bytes, setup.tls)
    config = made.config()
    (place / "nginx.conf").write_text(config)
    argv = launch("exec", program, "-p", str(place), "-c", str(place / "nginx.conf"))
    daemon = Daemon.start("nginx", argv, place / "nginx.log")
    wait_for_port(daemon, port)
    return daemon, port, hide(config.replace(f":{port} ", ":PORT "), place)


def proxy_options(instances: int) -> list[str]:
    """Return the options that fit uWSGI as `servers` starts it."""
    options = ["--backend-buffer-size", str(BUFFER_SIZE)]
    return [*options, *(["--balance", "least-conn"] if instances > 1 else [])]
