"""Every metric that uWSGI's stats server gives, under the name that uwsgi_exporter has given to it.

The twin of `proxy.telemetry.catalogue`. These names are older than this project, and on dashboards.
"""

from proxy.telemetry.catalogue import Entry, Kind

PREFIX = "uwsgi_"
"""Begins all names."""


def _entry(name: str, kind: Kind, labels: str, text: str, question: str) -> Entry:
    """Return a metric of uwsgi_exporter, which knows no backends but has the other labels."""
    return Entry(PREFIX + name, kind, ("backend", "stats_uri", *labels.split()), text, question)


UP = _entry(
    "up", "gauge", "",
    "Whether the stats server has given a good answer lately",
    "Are the numbers of this instance those of now? At 0 there are none.",
)  # fmt: skip
WORKERS = _entry(
    "workers", "gauge", "",
    "Workers of the instance, sleeping ones included",
    "How many workers are there?",
)  # fmt: skip
LISTEN_QUEUE = _entry(
    "listen_queue_length", "gauge", "",
    "Connections in the listen queue; always 0 for unix sockets",
    "Do requests wait for a worker? See `uwsgi_frontend_backend_listen_queue` for unix sockets.",
)  # fmt: skip
LISTEN_QUEUE_ERRORS = _entry(
    "listen_queue_errors", "gauge", "",
    "Listen queue errors",
    "Was the listen queue ever full?",
)  # fmt: skip
SIGNAL_QUEUE = _entry(
    "signal_queue_length", "gauge", "",
    "Signals in the queue",
    "Does the master keep up with uWSGI's signals?",
)  # fmt: skip
SOCKET_QUEUE = _entry(
    "socket_queue_length", "gauge", "name proto",
    "Connections in the listen queue of a socket",
    "Which socket has a queue?",
)  # fmt: skip
SOCKET_MAX_QUEUE = _entry(
    "socket_max_queue_length", "gauge", "name proto",
    "Length that the listen queue of a socket may have",
    "How large may the queue grow?",
)  # fmt: skip
SOCKET_SHARED = _entry(
    "socket_shared", "gauge", "name proto",
    "Whether it is a shared socket",
    "Is it one of `--shared-socket`?",
)  # fmt: skip
SOCKET_CAN_OFFLOAD = _entry(
    "socket_can_offload", "gauge", "name proto",
    "Whether a socket can offload",
    "Can it use uWSGI's offload threads?",
)  # fmt: skip
BUSY = _entry(
    "worker_busy", "gauge", "worker_id",
    "Whether a worker is busy",
    "How many workers work? With threads uWSGI's word is not reliable.",
)  # fmt: skip
IDLE = _entry(
    "worker_idle", "gauge", "worker_id",
    "Whether a worker is idle",
    "How many workers are left?",
)  # fmt: skip
CHEAP = _entry(
    "worker_cheap", "gauge", "worker_id",
    "Whether a worker sleeps",
    "How many workers has the cheaper mode put to sleep?",
)  # fmt: skip
ACCEPTING = _entry(
    "worker_accepting", "gauge", "worker_id",
    "Whether a worker accepts requests",
    "Is a worker on its way out?",
)  # fmt: skip
REQUESTS = _entry(
    "worker_requests", "counter", "worker_id",
    "Requests of a worker",
    "Is the load spread over the workers?",
)  # fmt: skip
DELTA_REQUESTS = _entry(
    "worker_delta_requests", "gauge", "worker_id",
    "Requests of a worker since its last start",
    "How near is it to `--max-requests`?",
)  # fmt: skip
EXCEPTIONS = _entry(
    "worker_exceptions", "counter", "worker_id",
    "Exceptions of the application",
    "How often does the application raise?",
)  # fmt: skip
HARAKIRI = _entry(
    "worker_harakiri_count", "counter", "worker_id",
    "Workers killed because a request took too long",
    "How often did harakiri strike?",
)  # fmt: skip
RESPAWNS = _entry(
    "worker_respawn_count", "counter", "worker_id",
    "Starts of a worker",
    "Do workers die?",
)  # fmt: skip
SIGNALS = _entry(
    "worker_signals", "counter", "worker_id",
    "uWSGI signals that a worker has handled",
    "Are timers and crons at work?",
)  # fmt: skip
WORKER_SIGNAL_QUEUE = _entry(
    "worker_signal_queue_length", "gauge", "worker_id",
    "Signals in the queue of a worker",
    "Does it keep up with them?",
)  # fmt: skip
TRANSMITTED = _entry(
    "worker_transmitted_bytes", "counter", "worker_id",
    "Bytes that a worker has sent",
    "How much does a worker send?",
)  # fmt: skip
RSS = _entry(
    "worker_rss_bytes", "gauge", "worker_id",
    "Resident memory; 0 without --memory-report",
    "Does the application leak memory?",
)  # fmt: skip
VSZ = _entry(
    "worker_vsz_bytes", "gauge", "worker_id",
    "Address space; 0 without --memory-report",
    "How much has it mapped?",
)  # fmt: skip
RESPONSE_TIME = _entry(
    "worker_average_response_time_seconds", "gauge", "worker_id",
    "Average time of a request",
    "Is it the application that is slow?",
)  # fmt: skip
RUNNING_TIME = _entry(
    "worker_running_time_seconds", "gauge", "worker_id",
    "Time that a worker has spent in requests",
    "How busy was a worker?",
)  # fmt: skip
LAST_SPAWN = _entry(
    "worker_last_spawn_time_seconds", "gauge", "worker_id",
    "When a worker was last started, in Unix time",
    "When was the last restart?",
)  # fmt: skip
APPS = _entry(
    "worker_apps", "gauge", "worker_id",
    "Applications in a worker",
    "Has the application been loaded?",
)  # fmt: skip
CORES = _entry(
    "worker_cores", "gauge", "worker_id",
    "Threads or greenlets of a worker",
    "How many requests at a time?",
)  # fmt: skip

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Entry))
"""Every one, in the order of the page."""
