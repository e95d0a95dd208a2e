"""What is wrong on this machine: files that cannot be used, packages that are not installed.

Nothing is made or imported, and nothing but the file of backends is opened.
"""

import importlib.util
import os
import stat
from collections.abc import Iterator

from proxy.config.check_workers import line_parser
from proxy.settings import (
    Address,
    BackendSettings,
    DiscoverySettings,
    IdentitySettings,
    LogSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from proxy.upstream.discovery.file import BackendsFileError, read_backends


def complaints(settings: Settings) -> Iterator[str]:
    """Yield one line for each thing that is missing on this machine."""
    yield from _files(settings)
    yield from _backends_file(settings)
    yield from _keys_dir(settings.upstream.discovery)
    yield from _chosen_packages(settings.server)
    yield from _pool_packages(settings.upstream)
    yield from _identity_packages(settings.identity)


def _files(settings: Settings) -> Iterator[str]:
    """What is written to can be, before the first request finds out."""
    spool = settings.buffers.spool_dir
    if spool and (why := _why_not_writable(spool)):
        yield f"--spool-dir {spool}: {why}"
    yield from _log_files(settings.log)
    server = settings.server
    subscribe = settings.upstream.discovery.subscribe
    for flag, listeners in (
        ("--listen", server.listen),
        ("--admin", (server.admin,)),
        ("--subscribe", (subscribe,)),
    ):
        for listener in listeners:
            if listener is not None and (why := _why_no_socket(listener)):
                yield f"{flag} {listener}: {why}"


def _log_files(log: LogSettings) -> Iterator[str]:
    for flag, path in (("--access-log", log.access_log), ("--error-log", log.error_log)):
        if path in ("", "-") or path.startswith("syslog:"):
            continue
        if os.path.isdir(path):
            yield f"{flag} {path}: a directory; name a file in it"
        elif os.path.exists(path):
            if not os.access(path, os.W_OK):
                yield f"{flag} {path}: the file cannot be written by user {os.geteuid()}"
        elif why := _why_not_writable(os.path.dirname(path) or "."):
            yield f"{flag} {path}: {why}"


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


def _backends_file(settings: Settings) -> Iterator[str]:
    """It is right as it is now, and goes with the other settings."""
    path = settings.upstream.discovery.file
    if not path:
        return
    try:
        backends = read_backends(path, line_parser(settings.server.workers))
    except BackendsFileError as error:
        yield from (f"--backends-file {complaint}" for complaint in error.complaints)
        return
    kept = [backend for backend in backends if _holds_http_open(backend)]
    # A backend of the settings with such connections turns that off by itself.
    configured = any(map(_holds_http_open, settings.upstream.backends))
    if kept and settings.packet.close_connection and not configured:
        yield (
            f"--backends-file {path}: {kept[0].name} has keepalive, but requests ask it to close; "
            "add --backend-close-connection off"
        )


def _holds_http_open(backend: BackendSettings) -> bool:
    """Whether connections are kept to a backend that looks at HTTP_CONNECTION (puwsgi does not)."""
    return backend.keepalive > 0 and not backend.puwsgi


def _keys_dir(discovery: DiscoverySettings) -> Iterator[str]:
    keys = discovery.subscribe_keys_dir
    if keys and (why := _why_no_readable_directory(keys)):
        yield f"--subscribe-keys-dir {keys}: {why}"


def _why_no_readable_directory(path: str) -> str:
    if not os.path.isdir(path):
        return "not a directory" if os.path.exists(path) else "does not exist"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"cannot be read by user {os.geteuid()}"
    return ""


def _chosen_packages(server: ServerSettings) -> Iterator[str]:
    """A parser or a loop that was asked for by name is installed."""
    for flag, name, other in (
        ("--http-parser", server.http_parser, "h11"),
        ("--loop", server.loop, "asyncio"),
    ):
        if name not in ("auto", "asyncio") and not _is_installed(name):
            yield f"{flag} {name}: the package is not installed; take {other}, or auto"


def _pool_packages(upstream: UpstreamSettings) -> Iterator[str]:
    """What a way of finding backends needs is installed."""
    for backend in upstream.backends:
        word = "service" if backend.service else "resolve"
        if (backend.resolve or backend.service) and not _is_installed("dns"):
            yield f"--upstream {backend.name}: {word} needs the package dnspython"
            break
    keys = upstream.discovery.subscribe_keys_dir
    if keys and not _is_installed("cryptography"):
        yield f"--subscribe-keys-dir {keys}: checking signatures needs the package cryptography"


def _identity_packages(identity: IdentitySettings) -> Iterator[str]:
    needed = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    if identity.otel and not all(map(_is_installed, needed)):
        yield "--otel: OpenTelemetry is not installed; install uwsgi-frontend with the extra otel"


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
