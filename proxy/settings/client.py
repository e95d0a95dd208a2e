"""The client side: what a connection may do, where bytes wait, what the application is told."""

from dataclasses import dataclass
from typing import Literal

from proxy.settings.units import GIB, KIB, MIB


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What one client connection may do, and for how long. nginx's names are in parentheses."""

    header_timeout_s: float = 60.0
    """For a whole request head: from accept, or from the first byte on a kept-alive connection
    (client_header_timeout)."""
    body_timeout_s: float = 60.0
    """Between two reads of a request body (client_body_timeout)."""
    send_timeout_s: float = 60.0
    """Without progress while a response is written (send_timeout)."""
    keepalive_timeout_s: float = 75.0
    """Idle between two requests; 0 turns keep-alive off (keepalive_timeout)."""
    keepalive_requests: int = 1000
    """Requests on one connection (keepalive_requests)."""
    keepalive_time_s: float = 3600.0
    """Age of a connection after which the next response closes it (keepalive_time)."""
    lingering_time_s: float = 30.0
    """In all, to read away what a client still sends after an early answer (lingering_time)."""
    lingering_timeout_s: float = 5.0
    """Between two of those reads (lingering_timeout)."""
    max_body_bytes: int = MIB
    """Request body, 413 over it; 0 for no limit (client_max_body_size)."""
    max_request_line_bytes: int = 8 * KIB
    """Request line with its CRLF, 414 over it (large_client_header_buffers, size)."""
    max_header_line_bytes: int = 8 * KIB
    """One header line with its CRLF, 400 over it (large_client_header_buffers, size)."""
    max_header_buffers: int = 4
    """How many buffers of that size a head may fill (large_client_header_buffers, number)."""
    max_headers: int = 1000
    """Header lines that are passed on, 400 over it (max_headers)."""
    merge_slashes: bool = True
    """Runs of slashes in a path become one (merge_slashes)."""
    underscores_in_headers: bool = False
    """Keep header names with an underscore instead of dropping the line (same name)."""
    ignore_invalid_headers: bool = True
    """Drop header names outside letters, digits and hyphen (same name)."""
    ignore_client_abort: bool = False
    """Let the application finish when the client has gone (uwsgi_ignore_client_abort)."""
    dangerously_accept_bare_lf: bool = False
    """Take a line feed without carriage return as the end of a line."""
    dangerously_accept_headers_without_colon: bool = False
    """Take a header line without a colon as a header with an empty value."""
    dangerously_match_connection_by_substring: bool = False
    """Look for `close` and `keep-alive` anywhere in the text of Connection."""


@dataclass(frozen=True, slots=True)
class BufferSettings:
    """Where bytes wait while one side is slower than the other."""

    request_buffering: bool = True
    """Read a whole request body before a worker is taken (uwsgi_request_buffering)."""
    request_memory_bytes: int = MIB
    """Of one request body; the rest goes to a temporary file (client_body_buffer_size)."""
    reply_buffering: bool = True
    """Drain a reply at the worker's speed, not the client's (uwsgi_buffering)."""
    reply_memory_bytes: int = 256 * KIB
    """Of one reply that its client has not taken yet (uwsgi_buffers)."""
    max_temp_file_bytes: int = GIB
    """Of one reply on disk; then the worker has to wait; 0 for no file (same name)."""
    spool_dir: str = ""
    """Where temporary files are made; empty: the system's choice (uwsgi_temp_path)."""


@dataclass(frozen=True, slots=True)
class PacketSettings:
    """What a request says to the application besides what the client said."""

    modifier1: int = 0
    """0-255 (uwsgi_modifier1)."""
    modifier2: int = 0
    """0-255 (uwsgi_modifier2)."""
    params: tuple[tuple[str, str], ...] = ()
    """Added or replaced variables, in order (uwsgi_param)."""
    server_name: str = ""
    """SERVER_NAME, and HTTP_HOST for an HTTP/1.0 request without Host (server_name)."""
    document_root: str = "/var/www/html"
    """DOCUMENT_ROOT (root)."""
    path_info: Literal["decoded", "raw"] = "decoded"
    """`raw` leaves PATH_INFO percent-encoded, for servers that decode it themselves (gunicorn)."""
    content_variables: Literal["nginx", "wsgi"] = "nginx"
    """`nginx` sends CONTENT_TYPE and CONTENT_LENGTH always, empty when absent, and each again as
    HTTP_CONTENT_TYPE and HTTP_CONTENT_LENGTH; `wsgi` sends them once, and only when there (PEP
    3333). gunicorn's asgi worker takes every variable for a header and needs the latter."""
    backend_buffer_bytes: int = 65535
    """The worker's own limit for the variable block: 431 over it (uWSGI: buffer-size)."""
    backend_max_vars: int = 0
    """The worker's own limit for variables: 431 over it; 0 for none. uWSGI takes 128 by default,
    and N for --max-vars of N/2."""
    close_connection: bool = True
    """Send HTTP_CONNECTION=close instead of the client's Connection header, so that gunicorn does
    not hold the socket open after its reply."""
    dangerously_pass_proxy_header: bool = False
    """Pass the client's `Proxy:` header as HTTP_PROXY (the httpoxy hole)."""
    dangerously_pass_transfer_encoding: bool = False
    """Pass HTTP_TRANSFER_ENCODING although the body has been decoded."""
    dangerously_pass_control_characters: bool = False
    """Let control characters through to PATH_INFO and to response heads."""
    dangerously_allow_uwsgi_params: bool = False
    """Let `params` name UWSGI_* variables, which make uWSGI load code."""
