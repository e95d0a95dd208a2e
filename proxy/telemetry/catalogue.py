"""Every metric: its name, type and labels, what it means, and the question that it answers.

The one table: collectors get their families here, `exposition` its rules for several processes, and
docs/observability.md its rows. Values of labels come from closed sets, or are names of upstreams
and backends, which settings and discovery give and clients do not.
"""

from dataclasses import dataclass
from typing import Literal

from proxy.telemetry.family import SUFFIXES, Family

PREFIX = "uwsgi_frontend_"
"""Begins the names of all metrics of our own."""

Kind = Literal["counter", "gauge", "histogram", "info"]
Rule = Literal["sum", "max", "min", "any"]
"""How to make one number of those of several processes; `any` takes the first that there is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric. `name` is the family's: without what the type adds to it in the text."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    """What it is: the line that stands with it in /metrics."""
    question: str
    """What it answers: for the page about it."""
    rule: Rule = "sum"

    @property
    def shown(self) -> str:
        """The name as it stands in the text, in rules and on dashboards."""
        return self.name + SUFFIXES.get(self.kind, "")

    def family(self) -> Family:
        """Return it without any samples yet."""
        return Family(self.name, self.text, self.kind, self.labels)


def _own(
    name: str, kind: Kind, labels: str, text: str, question: str, *, rule: Rule = "sum"
) -> Entry:
    return Entry(PREFIX + name, kind, tuple(labels.split()), text, question, rule)


# -- clients --------------------------------------------------------------------------------------

REQUESTS = _own(
    "http_requests", "counter", "method code",
    "Exchanges by method and status",
    "How much traffic is there, and how much of it fails? 499 is a client that left, 408 one that "
    "was too slow, 000 one that we have cut off at the end.",
)  # fmt: skip
DURATIONS = _own(
    "http_request_duration_seconds", "histogram", "method code_class",
    "From the first byte of a request to the last of its response",
    "How long do clients wait, at the median and at the slow end?",
)  # fmt: skip
REQUEST_SIZES = _own(
    "http_request_size_bytes", "histogram", "",
    "Size of requests, heads included",
    "How large are uploads?",
)  # fmt: skip
RESPONSE_SIZES = _own(
    "http_response_size_bytes", "histogram", "",
    "Size of responses, heads included",
    "How large are responses?",
)  # fmt: skip
RECEIVED = _own(
    "received_bytes", "counter", "",
    "Bytes of request heads and bodies received",
    "How much comes in?",
)  # fmt: skip
SENT = _own(
    "sent_bytes", "counter", "",
    "Bytes of responses written, heads included",
    "How much goes out?",
)  # fmt: skip
IN_FLIGHT = _own(
    "http_requests_in_flight", "gauge", "",
    "Exchanges that run now",
    "How busy is it at this moment?",
)  # fmt: skip
CONNECTIONS = _own(
    "client_connections", "gauge", "state",
    "Open client connections: new, reading (a head has begun), active, idle, closing",
    "Who holds the connections: requests, keep-alive, or clients that send slowly?",
)  # fmt: skip
ACCEPTED = _own(
    "client_connections_accepted", "counter", "",
    "Client connections so far",
    "Do clients keep their connections? Compare with the requests.",
)  # fmt: skip
SHED = _own(
    "client_connections_shed", "counter", "result",
    "Connections closed for want of descriptors: new ones turned_away, idle ones that gave_way",
    "Is the limit of open files too low for so many clients?",
)  # fmt: skip
TLS_HANDSHAKES = _own(
    "tls_handshakes", "counter", "result",
    "TLS handshakes that are over, by how they ended",
    "Can clients connect, do they resume sessions, and if not, why? See "
    "[handshakes](#tls-handshakes).",
)  # fmt: skip
TLS_SHAKING = _own(
    "tls_handshakes_running", "gauge", "",
    "Clients in the middle of a TLS handshake; they have no connection yet",
    "Do clients hang in their handshake?",
)  # fmt: skip
TLS_CERTIFICATE_END = _own(
    "tls_certificate_not_after_seconds", "gauge", "certificate",
    "When the certificate in use ends, in Unix time",
    "How long is it good for, and has the new one been taken?",
    rule="min",
)  # fmt: skip
TLS_CERTIFICATE_LOADS = _own(
    "tls_certificate_loads", "counter", "result",
    "Changed certificate files: used, or refused (then the old ones stay)",
    "Did the renewal arrive? With `--workers` each one counts.",
)  # fmt: skip
ABORTS = _own(
    "client_aborts", "counter", "phase",
    "Clients that left: while sending the request, in the queue, at a backend, in the response",
    "Where do clients lose their patience?",
)  # fmt: skip
ERRORS = _own(
    "errors", "counter", "reason blame",
    "Failed exchanges by reason",
    "Why do requests fail, and whose fault is it? See [the reasons](reasons.md).",
)  # fmt: skip

# -- upstreams ------------------------------------------------------------------------------------

ATTEMPTS = _own(
    "upstream_attempts", "counter", "upstream backend result",
    "Tries at backends by result: ok for any reply, else the reason",
    "Which backend fails, and how? Also what a retry has hidden from the client.",
)  # fmt: skip
RETRIES = _own(
    "upstream_retries", "counter", "upstream reason",
    "Requests that were tried again, by what the try before had met",
    "How much do retries hide?",
)  # fmt: skip
CONNECTS = _own(
    "upstream_connect_duration_seconds", "histogram", "upstream",
    "From the begin of a try to its connection",
    "Is it the network, or a listen queue?",
)  # fmt: skip
FIRST_BYTES = _own(
    "upstream_first_byte_seconds", "histogram", "upstream backend",
    "From the begin of a try to the first byte of its reply",
    "How long does the application take, and which backend is slow?",
)  # fmt: skip
WAITS = _own(
    "upstream_queue_wait_seconds", "histogram", "upstream",
    "Time in line of requests that had to wait for a backend",
    "Are there enough workers? `_count` over the requests is the share that had to wait.",
)  # fmt: skip
QUEUE_LENGTH = _own(
    "upstream_queue_length", "gauge", "upstream",
    "Requests in line for a backend",
    "Is it overloaded now? The number to scale by.",
)  # fmt: skip
QUEUE_LIMIT = _own(
    "upstream_queue_limit", "gauge", "upstream",
    "Requests that may be in line",
    "How near is the line to refusing requests?",
)  # fmt: skip
QUEUE_REFUSED = _own(
    "upstream_queue_refused", "counter", "upstream",
    "Requests that found the line full",
    "Was the line too short?",
)  # fmt: skip
RETRIES_IN_FLIGHT = _own(
    "upstream_retries_in_flight", "gauge", "upstream",
    "Requests that run again after a failure",
    "How near is the retry budget to its end?",
)  # fmt: skip
RETRIES_REFUSED = _own(
    "upstream_retries_refused", "counter", "upstream",
    "Retries that the budget did not allow",
    "Did the retry budget cut off retries?",
)  # fmt: skip
PANIC = _own(
    "upstream_panic", "gauge", "upstream",
    "1 while so few backends are healthy that health is ignored",
    "Do requests go to backends that are known to be unwell?",
    rule="max",
)  # fmt: skip

# -- backends -------------------------------------------------------------------------------------

STATE = _own(
    "backend_state", "gauge", "upstream backend state",
    "1 for the state that a backend is in, 0 for the others",
    "Which backend is out, and why? With several workers: 1 if one of them sees it so.",
    rule="max",
)  # fmt: skip
SERVES = _own(
    "backend_serves", "gauge", "upstream backend",
    "Whether a backend is meant to get requests",
    "Has an operator, or discovery, taken it out?",
    rule="min",
)  # fmt: skip
BACKEND_IN_FLIGHT = _own(
    "backend_in_flight", "gauge", "upstream backend",
    "Requests at a backend",
    "How is the load spread?",
)  # fmt: skip
MAX_CONNS = _own(
    "backend_max_conns", "gauge", "upstream backend",
    "Requests that a backend takes at a time; 0 for any number",
    "How full is it? Its saturation is what is in flight over this.",
)  # fmt: skip
WEIGHT = _own(
    "backend_weight", "gauge", "upstream backend",
    "Share of a backend",
    "What share is it meant to get?",
    rule="max",
)  # fmt: skip
BACKLOG_FULL = _own(
    "backend_backlog_full", "counter", "upstream backend",
    "Connects that found the listen queue full",
    "Is uWSGI's `--listen` too small? The requests have waited in line instead.",
)  # fmt: skip
EJECTIONS = _own(
    "backend_ejections", "counter", "upstream backend",
    "How often a backend was ejected as an outlier",
    "Does one backend fail more than the others?",
)  # fmt: skip
LISTEN_QUEUE = _own(
    "backend_listen_queue", "gauge", "upstream backend",
    "Connections that wait in the kernel to be accepted",
    "Do requests wait where nobody else can see it? Unix sockets as well as TCP.",
    rule="max",
)  # fmt: skip
LISTEN_QUEUE_LIMIT = _own(
    "backend_listen_queue_limit", "gauge", "upstream backend",
    "Connections that may wait there",
    "How near is it to refusing connections?",
    rule="max",
)  # fmt: skip
IDLE = _own(
    "backend_idle_connections", "gauge", "upstream backend",
    "Connections kept open to a backend",
    "Are persistent connections kept?",
)  # fmt: skip
REUSED = _own(
    "backend_connections_reused", "counter", "upstream backend",
    "Requests on a connection that had served another",
    "Are persistent connections used?",
)  # fmt: skip
CHECKS = _own(
    "backend_checks", "counter", "upstream backend result",
    "Active checks: good, bad, busy, unknown",
    "What do active checks find?",
)  # fmt: skip
SUBSCRIPTIONS = _own(
    "subscription_events", "counter", "event",
    "Announcements of uWSGI instances, and what became of them",
    "Were announcements refused? All workers hear the same ones.",
    rule="max",
)  # fmt: skip

# -- the process ----------------------------------------------------------------------------------

BUFFERED = _own(
    "buffered_bytes", "gauge", "what",
    "Bytes in memory: request_bodies, replies, unread from and unsent to clients",
    "What is the memory used for?",
)  # fmt: skip
TEMP_FILE_BYTES = _own(
    "temp_file_bytes", "gauge", "what",
    "Bytes in temporary files",
    "How much space does `--spool-dir` need?",
)  # fmt: skip
TEMP_FILES = _own(
    "temp_files", "counter", "what",
    "Bodies that were too large for memory",
    "How often does it have to use the disk?",
)  # fmt: skip
ACCESS_LOG_LOST = _own(
    "access_log_lost_lines", "counter", "",
    "Lines of the access log that were not written",
    "Is the access log complete?",
)  # fmt: skip
LOOP_LAG = _own(
    "event_loop_lag_seconds", "histogram", "",
    "How much later than planned the event loop does things, ten times a second",
    "Is this process itself the bottleneck?",
)  # fmt: skip
WORKER_UP = _own(
    "worker_up", "gauge", "worker",
    "Whether a worker serves, and has answered in time; else its numbers are old",
    "With `--workers`: do all of them serve, and did they answer just now?",
)  # fmt: skip
WORKER_RESTARTS = _own(
    "worker_restarts", "counter", "worker",
    "How often a worker that had ended was started again",
    "With `--workers`: do workers die?",
)  # fmt: skip
BUILD = _own(
    "build", "info", "version python loop parser compiled",
    "Versions and choices",
    "What exactly runs here?",
    rule="any",
)  # fmt: skip

OWN = tuple(value for value in list(globals().values()) if isinstance(value, Entry))
"""Every metric of our own, in the order of the page."""
