"""Which program runs the application, and with which arguments.

Real uWSGI is preferred, but only one that has been tried: it must start, and its Python must be
this very Python with this very environment, or the application would not find its packages. In
order: the `pyuwsgi` package of this interpreter; a `uwsgi` beside this interpreter; a `uwsgi` on
PATH, with Debian's plugins when that build needs them. Else the built-in worker.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.settings import WorkerSettings

Kind = Literal["auto", "uwsgi", "builtin"]

IO_TIMEOUT_S = 75
"""For one read or write of the worker. Longer than the proxy's own timeouts (60 s): when a client
stalls it is the proxy that says so. uWSGI's default of 4 s would cut slow streams."""

_HERE = Path(__file__).resolve().parent
_PROBE_TIMEOUT_S = 20.0
_PROBE = "import sys; print('frontend-probe', sys.version_info[:3], sys.prefix); raise SystemExit"
_PLUGINS = ((), ("python3", "ping"), ("python3",))
MERCY_S = 8
"""How long uWSGI lets running requests finish when it is told to end, in seconds."""

_MAX_VARS = 1100  # uWSGI accepts twice that; max_headers is 1000, and some thirty are ours
_MAX_LISTEN = 1024


@dataclass(frozen=True, slots=True)
class Uwsgi:
    """A uWSGI that works here. `program` is empty for the pyuwsgi package."""

    version: str
    program: str = ""
    plugins: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a name for the log."""
        return f"uWSGI {self.version} ({self.program or 'pyuwsgi'})"


@dataclass(frozen=True, slots=True)
class Place:
    """What one worker is given: its socket, its files, where its application is looked for."""

    socket: str
    """Path of the listening socket."""
    listener: int
    """Its descriptor, which the worker inherits."""
    failure_file: str
    python_path: str
    http_listener: int = -1
    """A socket on which uWSGI itself is to speak HTTP, besides; inherited, too."""


def find_uwsgi() -> Uwsgi | None:
    """Return the first uWSGI that works here. Starts each candidate once, which takes a moment."""
    return _find_package() or next(_find_programs(), None)


def command(uwsgi: Uwsgi | None, settings: WorkerSettings, place: Place) -> list[str]:
    """Return the command line of a worker; without a uWSGI that of the built-in one."""
    if uwsgi is None:
        return launch("builtin", *_builtin_options(settings, place))
    options = _uwsgi_options(settings, place)
    if not uwsgi.program:
        # Without a binary path a reload would execute the interpreter outside the environment.
        return launch("pyuwsgi", *options, "--binary-path", sys.executable)
    return launch("exec", uwsgi.program, *environment_options(uwsgi.plugins), *options)


def environment() -> dict[str, str]:
    """Return the worker's environment: ours without what would be misread there.

    uWSGI takes every UWSGI_ variable for an option, our own ones too; NOTIFY_SOCKET would let it
    tell systemd that the service is ready when only the worker is.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("UWSGI_FRONTEND_") and name != "NOTIFY_SOCKET"
    }


def launch(kind: str, *arguments: str) -> list[str]:
    """Return the command line of a process whose life is tied to ours (see `launch`)."""
    return [sys.executable, str(_HERE / "launch.py"), str(os.getpid()), kind, *arguments]


def _builtin_options(settings: WorkerSettings, place: Place) -> list[str]:
    return [
        *("--socket", f"fd://{place.listener}"),
        *("--threads", str(settings.threads)),
        *("--path", place.python_path),
        *("--failure", place.failure_file),
        settings.app,
    ]


def _uwsgi_options(settings: WorkerSettings, place: Place) -> list[str]:
    return [
        *("--master", "--need-app", "--no-orphans", "--vacuum"),
        # SIGTERM finishes what runs (uWSGI 2.0 would reload; --die-on-term alone would cut it).
        *("--die-on-term", "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
        # Its default of 60 s would be longer than anybody waits, and a thread may never end.
        *("--reload-mercy", str(MERCY_S), "--worker-reload-mercy", str(MERCY_S)),
        *("--socket", f"fd://{place.listener}"),
        *(("--http-socket", f"fd://{place.http_listener}") if place.http_listener >= 0 else ()),
        *("--processes", str(settings.processes)),
        *("--threads", str(settings.threads)),
        *("--enable-threads", "--single-interpreter"),
        *("--listen", str(listen_queue())),
        *("--buffer-size", "65535"),
        *("--max-vars", str(_MAX_VARS)),
        *("--socket-timeout", str(IO_TIMEOUT_S)),
        "--disable-logging",  # of requests: the proxy has an access log
        *("--wsgi-file", str(_HERE / "target.py")),
        *("--set", f"frontend-app={settings.app}"),
        *("--set", f"frontend-path={place.python_path}"),
        *("--set", f"frontend-failure={place.failure_file}"),
    ]


def environment_options(plugins: tuple[str, ...]) -> list[str]:
    """Return the options with which a uWSGI program finds this Python and its packages."""
    options = ["--plugins", ",".join(plugins)] if plugins else []
    if sys.prefix != sys.base_prefix:
        options += ["--virtualenv", sys.prefix]
    return options


def listen_queue() -> int:
    """Return a queue length that uWSGI accepts: over the kernel's limit it refuses to start."""
    try:
        limit = int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))
    except (OSError, ValueError):
        limit = 100  # uWSGI's own default
    return min(limit, _MAX_LISTEN)


def _find_package() -> Uwsgi | None:
    if importlib.util.find_spec("pyuwsgi") is None:
        return None
    version = version_in(output(launch("pyuwsgi", "--version")))
    return Uwsgi(version) if version else None


def _find_programs() -> Iterator[Uwsgi]:
    beside = Path(sys.executable).with_name("uwsgi")
    for program in dict.fromkeys((str(beside), shutil.which("uwsgi") or "")):
        if not program or not os.access(program, os.X_OK):
            continue
        for plugins in _PLUGINS:
            version = _probe(program, plugins)
            if version:
                yield Uwsgi(version, program, plugins)


def _probe(program: str, plugins: tuple[str, ...]) -> str:
    """Let uWSGI's Python say who it is; return uWSGI's version when that Python is ours."""
    with tempfile.TemporaryDirectory(prefix="uwsgi-frontend-") as directory:
        # uWSGI runs code only when it has a socket; --need-app ends it where the code cannot.
        options = ["--need-app", "--socket", f"{directory}/probe.sock", "--eval", _PROBE]
        said = output([program, *environment_options(plugins), *options])
    expected = f"frontend-probe {sys.version_info[:3]} {sys.prefix}"
    version = re.search(r"Starting uWSGI (\S+)", said)
    return version[1] if version and expected in said.splitlines() else ""


def version_in(said: str) -> str:
    """Return the version that a program has printed on a line of its own; empty without one."""
    version = re.search(r"^\d+\.\d[\w.-]*", said, re.MULTILINE)
    return version[0] if version else ""


def output(command_line: list[str]) -> str:
    """Return all output of a short program, run as a worker would be; empty when it cannot be run
    or does not end.
    """
    try:
        return subprocess.run(
            command_line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PROBE_TIMEOUT_S,
            env=environment(),
            check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
