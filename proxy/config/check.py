"""Everything that is wrong with a tree of settings, at once, in the user's words.

Ranges come from the table of options; here is what depends on more than one value, or on the
machine: its files and its installed packages. Nothing is changed, bound or connected. A backend's
socket that does not exist yet is no complaint: the application may start later.
"""

import importlib.util
import os
import stat
from collections.abc import Iterator
from itertools import combinations

from proxy.config import clash
from proxy.config.kinds import parse_app
from proxy.config.option import DEFAULTS, Option
from proxy.config.options import OPTIONS
from proxy.settings import Address, LogSettings, PacketSettings, ServerSettings, Settings

_PRINTABLE_FORBIDDEN = frozenset(" =")
"""In the name of a parameter, besides everything outside printable ASCII."""


def check(settings: Settings) -> list[str]:
    """Return one line for each thing that is wrong; none means that the settings can be run."""
    return [
        *_targets(settings),
        *_ranges(settings),
        *_texts(settings),
        *_addresses(settings),
        *_params(settings.packet),
        *_files(settings),
        *_packages(settings.server),
    ]


def _targets(settings: Settings) -> Iterator[str]:
    """There is something to pass requests to, and only one kind of it."""
    app, backends = settings.worker.app, settings.upstream.backends
    if not app and not backends:
        yield "nowhere to pass requests to; give --upstream unix:/run/app.sock, or --app module"
    if app and backends:
        yield "--app and --upstream exclude each other; --app brings its own backend"
    if app:
        try:
            parse_app(app)
        except ValueError as error:
            yield f"--app {app}: {error}"
        return
    for name in ("processes", "threads"):
        if getattr(settings.worker, name) != getattr(DEFAULTS.worker, name):
            yield (
                f"--{name} is for the application of --app; the backends of --upstream "
                "have their own"
            )


def _ranges(settings: Settings) -> Iterator[str]:
    for option in OPTIONS:
        value = option.read(settings)
        if (option.low is not None and not value >= option.low) or (
            option.high is not None and not value <= option.high
        ):
            yield f"{option.flag} {option.kind.show(value)}: must be {_range(option)}"


def _range(option: Option) -> str:
    if option.low is None or option.high is None:
        return f"{option.kind.show(option.low)} or more"
    return f"from {option.low} to {option.high}"


def _texts(settings: Settings) -> Iterator[str]:
    """Texts end up in packets, heads, file names and log lines: no control characters."""
    for option in OPTIONS:
        value = option.read(settings)
        if isinstance(value, str) and not value.isprintable():
            yield f"{option.flag} {value!a}: contains a character that cannot be printed"
    header = settings.server.server_header
    if not header.isascii() and header.isprintable():
        yield f"--server-header {header}: a header has ASCII characters only"


def _addresses(settings: Settings) -> Iterator[str]:
    """Listeners do not take each other's place, and no request comes back to us."""
    server = settings.server
    listeners = [("--listen", address) for address in server.listen]
    if not listeners:
        yield "nowhere to accept requests; give --listen 127.0.0.1:8080"
    if server.admin is not None:
        listeners.append(("--admin", server.admin))
    for (_, first), (flag, second) in combinations(listeners, 2):
        if clash.same_place(first, second):
            what = "address" if first == second else "port"
            yield f"{flag} {second}: the same {what} as --listen {first}"
    backends = settings.upstream.backends
    for backend in dict.fromkeys(backend for backend in backends if backends.count(backend) > 1):
        yield f"--upstream {backend}: given more than once"
    for backend in dict.fromkeys(backends):
        yield from _backend(backend, listeners)


def _backend(backend: Address, listeners: list[tuple[str, Address]]) -> Iterator[str]:
    if not backend.is_unix and not (backend.host and 0 < backend.port < 65536):
        yield f"--upstream {backend}: a backend needs a host and a port from 1 to 65535"
    for flag, listener in listeners:
        if clash.reaches(backend, listener):
            yield f"--upstream {backend}: leads back to {flag} {listener}, in an endless circle"


def _params(packet: PacketSettings) -> Iterator[str]:
    """Parameters can be put on the wire, and none of them makes uWSGI load code unasked."""
    for name, value in packet.params:
        if why := _why_no_name(name):
            yield f"--param {ascii(name)[1:-1]}: {why}"
        elif "\0" in value:
            yield f"--param {name}: its value contains a NUL byte"
        elif name.startswith("UWSGI_") and not packet.dangerously_allow_uwsgi_params:
            yield (
                f"--param {name}: UWSGI_* variables make uWSGI load code; if that is meant, "
                "add --dangerously-allow-uwsgi-params"
            )
    pairs = packet.params
    size = sum(4 + len(os.fsencode(name)) + len(os.fsencode(value)) for name, value in pairs)
    if size > packet.backend_buffer_bytes > 0:
        yield (
            f"--param: all of them take {size} bytes, more than --backend-buffer-size "
            f"{packet.backend_buffer_bytes}"
        )


def _why_no_name(name: str) -> str:
    if not name:
        return "has no name; write NAME=VALUE"
    wrong = [
        character
        for character in name
        if not "!" <= character <= "~" or character in _PRINTABLE_FORBIDDEN
    ]
    return f"{wrong[0]!a} cannot be part of a variable's name" if wrong else ""


def _files(settings: Settings) -> Iterator[str]:
    """Directories that are written to can be, before the first request finds out."""
    spool = settings.buffers.spool_dir
    if spool and (why := _why_not_writable(spool)):
        yield f"--spool-dir {spool}: {why}"
    yield from _access_log(settings.log)
    server = settings.server
    for flag, listeners in (("--listen", server.listen), ("--admin", (server.admin,))):
        for listener in listeners:
            if listener is not None and (why := _why_no_socket(listener)):
                yield f"{flag} {listener}: {why}"


def _access_log(log: LogSettings) -> Iterator[str]:
    path = log.access_log
    if path in ("", "-"):
        return
    if os.path.isdir(path):
        yield f"--access-log {path}: a directory; name a file in it"
    elif os.path.exists(path):
        if not os.access(path, os.W_OK):
            yield f"--access-log {path}: the file cannot be written by user {os.geteuid()}"
    elif why := _why_not_writable(os.path.dirname(path) or "."):
        yield f"--access-log {path}: {why}"


def _why_no_socket(address: Address) -> str:
    """Say why a unix socket cannot be made at an address, as far as its path shows."""
    if not address.is_unix or address.path.startswith("\0"):
        return ""
    try:
        mode = os.stat(address.path).st_mode
    except OSError:
        return _why_not_writable(os.path.dirname(address.path) or ".")
    if not stat.S_ISSOCK(mode):
        return "exists and is not a socket; it is left alone"
    return ""


def _why_not_writable(directory: str) -> str:
    if not os.path.exists(directory):
        return f"directory {directory} does not exist"
    if not os.path.isdir(directory):
        return f"{directory} is not a directory"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"directory {directory} cannot be written by user {os.geteuid()}"
    return ""


def _packages(server: ServerSettings) -> Iterator[str]:
    """A parser or a loop that was asked for by name is installed."""
    for flag, name, other in (
        ("--http-parser", server.http_parser, "h11"),
        ("--loop", server.loop, "asyncio"),
    ):
        if name not in ("auto", "asyncio") and importlib.util.find_spec(name) is None:
            yield f"{flag} {name}: the package is not installed; take {other}, or auto"
