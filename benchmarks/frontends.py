"""The things compared, and the application server behind them: how each is configured.

Every variant gets the same backend, the same keep-alive and body limits, no access log. What a
reader needs to repeat a run is returned beside the running program as text in which the run's own
folder is written $DIR. This module starts; `drive` measures.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from benchmarks.clients import connect
from benchmarks.results import CONTROL
from proxy.lab.processes import ROOT, START_TIMEOUT_S, BenchError, Daemon, file_limit, find

PROCESSES = 2
KEEPALIVE_S = 600
KEEPALIVE_REQUESTS = 1_000_000_000
MAX_BODY = "16m"
BODY_BUFFER = "1m"
LISTEN_QUEUE = 1024
"""More than the most clients of any workload: with uWSGI's default of 100, nginx would answer part
of 256 clients with 502 and look fast doing so."""

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


@dataclass(frozen=True, slots=True)
class Backend:
    """Running uWSGI."""

    daemon: Daemon
    unix: str
    """Path of its unix socket."""
    tcp_port: int
    """0 without one."""
    config: str

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.stop()


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
    argv += ["--socket", str(unix), *(["--socket", "127.0.0.1:0"] if runs.tcp else [])]
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
    return Backend(daemon, str(unix), port, _shown(argv, place))


def start_nginx(place: Path, upstream: str, extra: Sequence[str] = (), group: str = "") -> Frontend:
    """Start nginx with one worker process; `group` is an upstream block that `upstream` names."""
    port = free_port()
    place.mkdir(parents=True, exist_ok=True)
    config = nginx_config(place, port, upstream, group)
    (place / "nginx.conf").write_text(config)
    argv = [find("nginx") or "nginx", "-p", str(place), "-c", str(place / "nginx.conf"), *extra]
    daemon = Daemon.start("nginx", argv, place / "output.log")
    _wait_for_port(daemon, port)
    return Frontend("nginx", daemon, port, _hide(config, place))


def start_control(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start nginx once more, to be compared with itself."""
    return replace(start_nginx(place, upstream, extra), name=CONTROL)


def start_proxy(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start this project's proxy as its users do, metrics on."""
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "proxy", "--upstream", upstream, "--listen", "127.0.0.1:0"]
    argv += ["--admin", "127.0.0.1:0", "--access-log", "off"]
    argv += ["--keepalive-timeout", str(KEEPALIVE_S)]
    argv += ["--keepalive-requests", str(KEEPALIVE_REQUESTS)]
    argv += ["--client-max-body-size", MAX_BODY, "--client-body-buffer-size", BODY_BUFFER]
    argv += ["--shutdown-timeout", "1", *extra]
    daemon = Daemon.start("proxy", argv, place / "output.log", {"TMPDIR": str(place)})
    try:
        port = daemon.wait_for(r"listening on http://127\.0\.0\.1:(\d+)")
        daemon.wait_for(r"admin on http://127\.0\.0\.1:(\d+)")
    except BaseException:
        daemon.stop()
        raise
    return Frontend("proxy", daemon, int(port[1]), _shown(argv, place))


def start_router(place: Path, upstream: str, extra: Sequence[str] = ()) -> Frontend:
    """Start uWSGI's own HTTP router in a process of its own, with keep-alive, for context."""
    port = free_port()
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, *_UWSGI, "--master", "--die-on-term", "--disable-logging"]
    argv += ["--http", f"127.0.0.1:{port}", "--http-to", upstream.removeprefix("unix:")]
    argv += [f"--http-keepalive={KEEPALIVE_S}", "--listen", str(listen_queue()), *extra]
    daemon = Daemon.start("router", argv, place / "output.log")
    _wait_for_port(daemon, port)
    return Frontend("router", daemon, port, _shown(argv, place))


Starter = Callable[[Path, str, Sequence[str]], Frontend]
STARTERS: dict[str, Starter] = {
    "nginx": start_nginx,
    "proxy": start_proxy,
    "router": start_router,
    CONTROL: start_control,
}


def free_port() -> int:
    """Return a port that the kernel had free just now, for programs that cannot listen on 0."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def nginx_config(place: Path, port: int, upstream: str, group: str = "") -> str:
    """Write nginx's configuration; the parameters are those of Debian's uwsgi_params."""
    user = "user root;\n" if os.getuid() == 0 else ""
    temp = "\n".join(
        f"    {kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "uwsgi", "proxy", "fastcgi", "scgi")
    )
    return f"""\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {file_limit()};
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{
    worker_connections 16384;
}}
http {{
    access_log off;
    keepalive_timeout {KEEPALIVE_S};
    keepalive_requests {KEEPALIVE_REQUESTS};
    client_max_body_size {MAX_BODY};
    client_body_buffer_size {BODY_BUFFER};
{temp}
{group}    server {{
        listen 127.0.0.1:{port};
        location / {{
            uwsgi_pass {upstream};
            uwsgi_param QUERY_STRING $query_string;
            uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param CONTENT_TYPE $content_type;
            uwsgi_param CONTENT_LENGTH $content_length;
            uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param PATH_INFO $document_uri;
            uwsgi_param DOCUMENT_ROOT $document_root;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param REQUEST_SCHEME $scheme;
            uwsgi_param HTTPS $https if_not_empty;
            uwsgi_param REMOTE_ADDR $remote_addr;
            uwsgi_param REMOTE_PORT $remote_port;
            uwsgi_param SERVER_PORT $server_port;
            uwsgi_param SERVER_NAME $server_name;
        }}
    }}
}}
"""


def _wait_for_port(daemon: Daemon, port: int) -> None:
    """Wait until somebody listens there; stop the program if nobody comes to."""
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while True:
            daemon.check()
            try:
                connect(port).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise BenchError(f"{daemon.name}: nothing listens on its port") from None
                time.sleep(0.01)
    except BaseException:
        daemon.stop()
        raise


def _shown(argv: Sequence[str], place: Path) -> str:
    """Return a command line to show, without the paths of this machine."""
    words = ["python" if word == sys.executable else word for word in argv]
    quoted = [f'"{word}"' if " " in word else word for word in words]
    return _hide(" ".join(quoted), place)


def _hide(text: str, place: Path) -> str:
    """Write the folder of the run, which holds `place`, as $DIR."""
    return text.replace(str(place.parent), "$DIR").replace(str(ROOT), ".")
