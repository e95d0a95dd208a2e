"""Why an exchange failed: the closed list of reasons, and the errors that carry them.

Every answer that this program makes itself, and every exchange that ends badly, has exactly one
reason. The same word stands in the error log, in the access log and in the metrics, and each comes
with the operator's next step. docs/reasons.md is made from this table.
"""

from dataclasses import dataclass
from enum import Enum


class Blame(Enum):
    """Whose fault an error is: where to look first."""

    CLIENT = "client"
    BACKEND = "backend"
    OPERATOR = "operator"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Reason:
    """One word for one kind of failure.

    `status` is what the client gets, or what the log says when it can get nothing (408, 499, 0).
    `answered` tells whether the client gets an answer, as long as no response has begun.
    """

    word: str
    blame: Blame
    status: int
    next_step: str
    answered: bool = True


def _client(word: str, status: int, next_step: str, answered: bool = True) -> Reason:
    return Reason(word, Blame.CLIENT, status, next_step, answered)


def _backend(word: str, status: int, next_step: str) -> Reason:
    return Reason(word, Blame.BACKEND, status, next_step)


def _operator(word: str, status: int, next_step: str) -> Reason:
    return Reason(word, Blame.OPERATOR, status, next_step)


# -- nothing was sent to a backend ----------------------------------------------------------------

SOCKET_MISSING = _operator(
    "socket_missing",
    502,
    "start the application, or correct --upstream: nothing exists at this path (in a container: is "
    "the socket's directory shared?)",
)
PERMISSION_DENIED = _operator(
    "permission_denied",
    502,
    "give this user write permission on the socket and search permission on its directories: same "
    "group and uWSGI's --chmod-socket=660, not 777",
)
CONNECT_REFUSED = _backend(
    "connect_refused",
    502,
    "start the application: the address exists but nobody listens (a socket file stays behind "
    "when uWSGI is killed)",
)
BACKLOG_FULL = _backend(
    "backlog_full",
    503,
    "all workers are busy and the listen queue is full: find what keeps the workers, then add "
    "workers or raise uWSGI's --listen (and net.core.somaxconn)",
)
CONNECT_TIMEOUT = _backend(
    "connect_timeout",
    504,
    "the backend's host does not answer, or its TCP listen queue is full: check route and "
    "firewall, then workers and --listen",
)
CONNECT_FAILED = _backend(
    "connect_failed", 502, "see the system's error in this line; check the address in --upstream"
)
QUEUE_FULL = _backend(
    "queue_full",
    503,
    "as many requests as --queue-size allows wait for a backend: find what keeps the workers, then "
    "add workers (and raise max_conns with them)",
)
QUEUE_TIMEOUT = _backend(
    "queue_timeout",
    503,
    "no backend had a free slot within --queue-timeout: find what keeps the workers, then add "
    "workers (and raise max_conns with them)",
)
NO_BACKEND = _operator(
    "no_backend",
    502,
    "no backend may be used: all are down, draining, paused or absent; see their states in the log "
    "and in /metrics, or give more with --upstream",
)

# -- a backend was reached ------------------------------------------------------------------------

SEND_TIMEOUT = _backend(
    "send_timeout",
    504,
    "the worker does not read its request: it is stuck before the application; see its log",
)
READ_TIMEOUT = _backend(
    "read_timeout",
    504,
    "the application took longer than --backend-read-timeout: speed it up, or raise the limit "
    "above uWSGI's --harakiri",
)
EOF_BEFORE_HEADERS = _backend(
    "eof_before_headers",
    502,
    "the worker closed without a word: the application raised before start_response, the worker "
    "died, or harakiri struck (compare the elapsed time); uWSGI's log says which",
)
RESET_BEFORE_HEADERS = _backend(
    "reset_before_headers",
    502,
    "the worker closed without reading all that was sent: mostly variables over uWSGI's "
    "--buffer-size (compare the packet's size); with an upload, the application raised or the "
    "worker died before it was read (see uWSGI's log); else a stop with this request still in the "
    "listen queue",
)
EOF_MID_HEADERS = _backend(
    "eof_mid_headers", 502, "the worker died while it wrote the reply head; see its log"
)
EOF_MID_BODY = _backend(
    "eof_mid_body",
    502,
    "the reply is shorter than its Content-Length: the application raised or the worker died half "
    "way, or uWSGI's --socket-timeout struck; see its log",
)
RESET_MID_BODY = _backend(
    "reset_mid_body",
    502,
    "the worker died or was stopped half way through the reply (see its log); over TCP, also an "
    "application that answers an upload without reading it: the end of its answer is lost then, "
    "which a unix socket does not do",
)
READ_TIMEOUT_MID_BODY = _backend(
    "read_timeout_mid_body",
    504,
    "the application went silent half way through the reply for longer than --backend-read-timeout",
)
BAD_REPLY_HEAD = _backend(
    "bad_reply_head",
    502,
    "the reply does not begin with an HTTP or CGI head that may be passed on; see what the "
    "application puts into its headers",
)
REPLY_HEAD_TOO_LARGE = _backend(
    "reply_head_too_large",
    502,
    "raise --backend-head-size, or make the application's headers (cookies mostly) smaller",
)
BAD_REPLY_BODY = _backend(
    "bad_reply_body", 502, "the application chunked its reply itself, and wrongly"
)
UNSAFE_REDIRECT = _backend(
    "unsafe_redirect",
    404,
    "the application's X-Accel-Redirect is no path here: named locations and `..` are not served",
)
REDIRECT_CYCLE = _backend(
    "redirect_cycle", 500, "the application answers its own X-Accel-Redirect with another one"
)
NOT_UWSGI = _operator(
    "backend_speaks_http",
    502,
    "this socket speaks HTTP: bind uWSGI with --socket instead of --http or --http-socket, "
    "gunicorn with --protocol uwsgi",
)

# -- the request does not fit ---------------------------------------------------------------------

PACKET_TOO_LARGE = _client(
    "packet_too_large",
    500,
    "the request's variables exceed the 65,535 bytes that uwsgi can carry: shorter cookies or URI",
)
PACKET_OVER_WORKER_LIMIT = _client(
    "packet_over_worker_limit",
    431,
    "the request's headers exceed the worker's own limit: raise uWSGI's --buffer-size or "
    "--max-vars, and --backend-buffer-size or --backend-max-vars here",
)
BODY_TOO_LARGE = _client(
    "body_too_large", 413, "raise --client-max-body-size if such uploads are meant to be"
)

# -- the client's bytes ---------------------------------------------------------------------------

_RETRY = "the client has to send a correct request"
BAD_REQUEST = {
    word: _client(word, status, next_step)
    for word, status, next_step in (
        ("bad_request_line", 400, _RETRY),
        ("bad_version", 400, _RETRY),
        ("bad_request_target", 400, _RETRY),
        ("bad_line_end", 400, _RETRY),
        ("bad_header", 400, _RETRY),
        ("bad_host", 400, _RETRY),
        ("no_host", 400, _RETRY),
        ("duplicate_header", 400, _RETRY),
        ("bad_content_length", 400, _RETRY),
        ("bad_transfer_encoding", 400, _RETRY),
        ("bad_chunk", 400, _RETRY),
        ("method_refused", 405, "TRACE and CONNECT are not served"),
        ("request_line_too_long", 414, "raise --max-request-line-size, or shorten the URI"),
        ("headers_too_large", 400, "raise --max-header-line-size, or shorten the cookies"),
        ("too_many_headers", 400, "raise --max-headers if this client is honest"),
        ("tls_on_http_listener", 400, "the client speaks TLS to a plain listener: use http://"),
        (
            "uwsgi_on_http_listener",
            400,
            "the client speaks uwsgi to an HTTP listener: in nginx use proxy_pass here",
        ),
    )
}
HTTP_ON_TLS_LISTENER = _client(
    "http_on_tls_listener", 400, "the client speaks HTTP to a listener with TLS: use https://"
)
CLIENT_GONE = _client(
    "client_gone", 499, "nothing: the client left before its answer (if often: too slow?)", False
)
CLIENT_HEADER_TIMEOUT = _client(
    "client_header_timeout", 408, "nothing: the client was too slow with its head", False
)
CLIENT_BODY_TIMEOUT = _client(
    "client_body_timeout", 408, "nothing: the client was too slow with its body", False
)
CLIENT_SEND_TIMEOUT = _client(
    "client_send_timeout", 408, "nothing: the client did not take its response", False
)

# -- ourselves ------------------------------------------------------------------------------------

SPOOL_FAILED = Reason(
    "spool_failed",
    Blame.OURS,
    500,
    "a temporary file could not be written: check space and permission of --spool-dir",
)
SHUTDOWN_CUT = Reason(
    "shutdown_cut", Blame.OURS, 0, "raise --shutdown-timeout if exchanges take longer", False
)
OUT_OF_DESCRIPTORS = Reason(
    "out_of_descriptors",
    Blame.OURS,
    503,
    "raise the limit of open files (ulimit -n, LimitNOFILE=): each client needs one, and each "
    "running exchange another",
)
INTERNAL_ERROR = Reason(
    "internal_error", Blame.OURS, 500, "this is a bug here: report it with the traceback"
)

ALL: dict[str, Reason] = {
    reason.word: reason
    for reason in (
        *(value for value in list(globals().values()) if isinstance(value, Reason)),
        *BAD_REQUEST.values(),
    )
}
"""Every reason by its word."""


class ProxyError(Exception):
    """An exchange failed, for one of the reasons above; `detail` says what was seen.

    `nothing_sent` is true when no byte of the request reached a backend: only then may another be
    tried without a danger of doing things twice.
    """

    def __init__(self, reason: Reason, detail: str = "", *, nothing_sent: bool = False) -> None:
        super().__init__(f"{reason.word}: {detail}" if detail else reason.word)
        self.reason = reason
        self.detail = detail
        self.nothing_sent = nothing_sent


class ClientGone(ProxyError):
    """The client closed its connection, or its sending half, before it had its answer."""

    def __init__(self) -> None:
        super().__init__(CLIENT_GONE)


class BackendBusy(Exception):
    """A listen queue is full (EAGAIN of a unix socket): not a failure, the same again later."""
