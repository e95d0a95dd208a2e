"""Everything that is wrong with a tree of settings, at once, in the user's words.

Ranges come from the table of options; here and in `check_upstream` is what depends on more than one
value, in `check_machine` what depends on files and installed packages. Nothing is changed, bound or
connected. A backend's socket that does not exist yet is no complaint: the application may start
later.
"""

import os
from collections.abc import Iterator
from itertools import combinations

from proxy.config import (
    check_admin,
    check_log,
    check_machine,
    check_tls,
    check_upstream,
    check_workers,
    clash,
)
from proxy.config.kinds import parse_app
from proxy.config.option import DEFAULTS
from proxy.config.options import OPTIONS
from proxy.config.words import why_out_of_range
from proxy.settings import PacketSettings, Settings, UpstreamSettings

_PRINTABLE_FORBIDDEN = frozenset(" =")
"""In the name of a parameter, besides everything outside printable ASCII."""


def check(settings: Settings) -> list[str]:
    """Return one line for each thing that is wrong; none means that the settings can be run."""
    return [
        *_targets(settings),
        *_ranges(settings),
        *_texts(settings),
        *_addresses(settings),
        *check_upstream.complaints(settings.upstream),
        *_params(settings.packet),
        *check_log.complaints(settings),
        *check_workers.complaints(settings),
        *check_admin.complaints(settings.server),
        *check_tls.complaints(settings),
        *check_machine.complaints(settings),
    ]


def _targets(settings: Settings) -> Iterator[str]:
    """There is something to pass requests to, and only one kind of it."""
    app, sources = settings.worker.app, _sources(settings.upstream)
    if not app and not sources:
        yield (
            "nowhere to pass requests to; give --upstream unix:/run/app.sock, "
            "or --app module:callable"
        )
    for flag in sources if app else ():
        yield f"--app and {flag} exclude each other; --app brings its own backend"
    if app:
        try:
            parse_app(app)
        except ValueError as error:
            yield f"--app {app}: {error}"
        return
    for name in ("processes", "threads"):
        if getattr(settings.worker, name) != getattr(DEFAULTS.worker, name):
            yield f"--{name} is for the application of --app; other backends have their own"


def _sources(upstream: UpstreamSettings) -> list[str]:
    """Return the options that backends come from."""
    discovery = upstream.discovery
    sources = {
        "--upstream": upstream.backends,
        "--backends-file": discovery.file,
        "--subscribe": discovery.subscribe,
    }
    return [flag for flag, value in sources.items() if value]


def _ranges(settings: Settings) -> Iterator[str]:
    for option in OPTIONS:
        value = option.read(settings)
        if why := why_out_of_range(value, option.low, option.high, option.kind):
            yield f"{option.flag} {option.kind.show(value)}: {why}"


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
    for backend in dict.fromkeys(backend.address for backend in settings.upstream.backends):
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
