"""The root of the tree, and the branches of the process itself: listeners, worker, log."""

from dataclasses import dataclass, field
from typing import Literal

from proxy.settings.address import Address
from proxy.settings.client import BufferSettings, ClientSettings, PacketSettings
from proxy.settings.tls import TlsSettings
from proxy.settings.upstream import UpstreamSettings


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The embedded application server behind --app."""

    app: str = ""
    """`package.module:callable`; empty when the backends are somebody else's."""
    processes: int = 1
    """Worker processes (real uWSGI only)."""
    threads: int = 4
    """Threads in each process."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The process: where it listens, what it runs on, how it ends."""

    listen: tuple[Address, ...] = (Address(host="127.0.0.1", port=8080),)
    """Where clients come in."""
    admin: Address | None = None
    """Where metrics, health, the page and the JSON API are; None for nowhere."""
    admin_token_file: str = ""
    """Its first line is what a change through the API needs; read again for each."""
    admin_token: str = ""
    """The same, given as it is; the file goes before."""
    admin_hosts: tuple[str, ...] = ()
    """Names of the admin address, besides localhost and IP addresses; with any, no others."""
    expose_health: bool = False
    """Answer /livez and /readyz on the public listeners, instead of the application."""
    workers: int = 1
    """Processes that serve; with more than one, another watches over them."""
    backlog: int = 511
    """Listen queue of each listener, in connections (nginx's default)."""
    send_buffer_bytes: int = 0
    """SO_SNDBUF of each TCP connection of a client; 0: the kernel fits it to the connection."""
    receive_buffer_bytes: int = 0
    """SO_RCVBUF of each; 0 likewise."""
    http_parser: Literal["auto", "httptools", "h11"] = "auto"
    """Who splits header blocks and decodes chunks."""
    loop: Literal["auto", "uvloop", "asyncio"] = "auto"
    """Which event loop runs."""
    drain_delay_s: float = 0.0
    """After SIGTERM or SIGQUIT, for which clients are still let in, though not ready any more."""
    shutdown_timeout_s: float = 30.0
    """For running exchanges after SIGTERM or SIGQUIT; then they are cut."""
    server_header: str = "uwsgi-frontend"
    """Server: of responses whose application sends none; empty for no such line."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written, and where."""

    access_log: str = "-"
    """A file, `-` for standard output, `syslog:...`, empty for none."""
    access_format: str = "main"
    """The name of a format, or a text with variables (log_format)."""
    error_log: str = "-"
    """A file, `-` for standard error, `syslog:...`."""
    error_burst: int = 10
    """Lines about the same failure at the same backend within ten seconds; 0 for no limit."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Of the error log."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What a request is called, and what responses tell about how they were made."""

    request_id: Literal["off", "new", "accept"] = "off"
    """X-Request-ID: nobody looks at it, a new one for each request, or the client's if usable."""
    request_id_response: bool = False
    """Tell the client as well."""
    traceparent: Literal["off", "new", "accept"] = "off"
    """W3C Trace Context: the same."""
    otel: bool = False
    """Report spans through OpenTelemetry."""
    reason_header: bool = False
    """X-Frontend-Reason in answers of our own."""
    server_timing: bool = False
    """Server-Timing in responses."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The root. `proxy.config` builds it, `proxy.server` takes it apart."""

    server: ServerSettings = field(default_factory=ServerSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    buffers: BufferSettings = field(default_factory=BufferSettings)
    packet: PacketSettings = field(default_factory=PacketSettings)
    upstream: UpstreamSettings = field(default_factory=UpstreamSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
