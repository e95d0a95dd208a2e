"""The table of options: every knob of the settings tree, once.

The command line, the environment, `--print-config`, the checks of ranges and docs/settings.md are
all made from it. To add a knob: a field in `proxy.settings` and a row here; a test refuses a field
without a row.
"""

from proxy.config.backend import BACKEND
from proxy.config.kinds import (
    ADMIN,
    APP,
    COUNT,
    DURATION,
    ERROR_LOG,
    LISTEN,
    LOG_FILE,
    LOG_FORMAT,
    NAME,
    PARAM,
    PATH,
    SECRET,
    SIZE,
    SWITCH,
    TEXT_OR_OFF,
    choice,
)
from proxy.config.option import MORE_THAN_0, Group, Option
from proxy.config.options_pool import POOL_GROUPS
from proxy.config.options_tls import TLS_GROUP
from proxy.settings.units import MIB

# fmt: off
# One row reads: name, place in the tree, kind, help, names elsewhere, bounds.

_LISTENERS = Group("Where requests come in", (
    Option("--listen", "server.listen", LISTEN,
        "Accept HTTP here: HOST:PORT, [IPV6]:PORT, :PORT, unix:/path or unix:@name. Port 0 takes a "
        "free one and prints it. With tls behind the address clients speak TLS there "
        "(--tls-certificate). May be given several times.",
        ("nginx listen", "gunicorn bind", "uWSGI http", "uWSGI http-socket"), many=True),
    Option("--admin", "server.admin", ADMIN,
        "Serve /metrics, /livez, /readyz, a page for people and a JSON API here, apart from the "
        "application. On a unix socket its owner may also change things.",
        ("uWSGI stats", "nginx stub_status", "HAProxy stats")),
    Option("--admin-token-file", "server.admin_token_file", PATH,
        "A file whose first line is what a change there needs (Authorization: Bearer). "
        "It is read again for each change.",
        ("nginx api write",)),
    Option("--admin-token", "server.admin_token", SECRET,
        "The same, in the environment rather than here, where other users see it; the file is "
        "better."),
    Option("--admin-host", "server.admin_hosts", NAME,
        "A name of the admin address. localhost and IP addresses always are; on a loopback "
        "address no other name is, lest web pages read it. May be given several times.",
        many=True),
    Option("--expose-health", "server.expose_health", SWITCH,
        "Answer /livez and /readyz to everybody, in place of the application, without "
        "details."),
    Option("--backlog", "server.backlog", COUNT,
        "Connections that may wait in the kernel to be accepted, for each listener; the kernel "
        "cuts it to net.core.somaxconn.",
        ("nginx listen backlog", "gunicorn backlog"), low=1, high=65535),
    Option("--listen-sndbuf", "server.send_buffer_bytes", SIZE,
        "Send buffer in the kernel of each TCP connection of a client (SO_SNDBUF), up to "
        "net.core.wmem_max; 0 lets the kernel fit it to the connection, which is faster. A small "
        "one bounds the memory that many slow clients take.",
        ("nginx listen sndbuf", "uWSGI socket-sndbuf"), low=0, high=MIB * 1024),
    Option("--listen-rcvbuf", "server.receive_buffer_bytes", SIZE,
        "Receive buffer of each (SO_RCVBUF), up to net.core.rmem_max; 0 likewise.",
        ("nginx listen rcvbuf", "uWSGI socket-rcvbuf"), low=0, high=MIB * 1024),
))

_BACKENDS = Group("Where requests go", (
    Option("--upstream", "upstream.backends", BACKEND,
        "A uwsgi socket, of uWSGI or of gunicorn --protocol uwsgi: unix:/path, unix:@name, "
        "HOST:PORT or [IPV6]:PORT, and what sets it apart: \"unix:/path weight=5 backup\". May be "
        "given several times; they share the requests.",
        ("nginx uwsgi_pass", "nginx server", "HAProxy server", "uWSGI socket",
         "uWSGI uwsgi-socket", "uWSGI http-to"), many=True),
    Option("--upstream-name", "upstream.name", NAME,
        "What logs and metrics call this group of backends.",
        ("nginx upstream",)),
    Option("--connect-timeout", "upstream.connect_timeout_s", DURATION,
        "To connect to a backend. A full listen queue of a unix socket is --queue-timeout's.",
        ("nginx uwsgi_connect_timeout",), low=MORE_THAN_0),
    Option("--backend-send-timeout", "upstream.send_timeout_s", DURATION,
        "Without progress while a request is written to a backend.",
        ("nginx uwsgi_send_timeout",), low=MORE_THAN_0),
    Option("--backend-read-timeout", "upstream.read_timeout_s", DURATION,
        "From the sent request to the whole reply head, then between two reads of the body.",
        ("nginx uwsgi_read_timeout", "uWSGI http-timeout", "gunicorn timeout"), low=MORE_THAN_0),
    Option("--backend-head-size", "upstream.max_head_bytes", SIZE,
        "Largest reply head, 502 over it.",
        ("nginx uwsgi_buffer_size",), low=64),
    Option("--backend-decode-chunked", "upstream.decode_chunked", SWITCH,
        "Decode a reply that its application has chunked itself; off passes the framing on, as "
        "nginx does."),
))

_WORKER = Group("An application of your own, started here", (
    Option("--app", "worker.app", APP,
        "Instead of --upstream: run this WSGI application behind a private uwsgi socket. The "
        "callable is `application` if left out.",
        ("uWSGI module", "uWSGI wsgi", "uWSGI wsgi-file", "gunicorn APP_MODULE")),
    Option("--processes", "worker.processes", COUNT,
        "Worker processes for --app; more than one needs real uWSGI.",
        ("uWSGI processes", "gunicorn workers"), low=1, high=1024),
    Option("--threads", "worker.threads", COUNT,
        "Threads in each worker process for --app.",
        ("uWSGI threads", "gunicorn threads"), low=1, high=1024),
))

_PACKET = Group("What the application is told", (
    Option("--param", "packet.params", PARAM,
        "Set a variable of every request, in place of the usual one of that name. May be given "
        "several times.",
        ("nginx uwsgi_param", "uWSGI http-var"), many=True, separator="\n"),
    Option("--server-name", "packet.server_name", NAME,
        "SERVER_NAME, and HTTP_HOST for an HTTP/1.0 request without Host.",
        ("nginx server_name",)),
    Option("--document-root", "packet.document_root", PATH,
        "DOCUMENT_ROOT; nothing is served from it.",
        ("nginx root",)),
    Option("--path-info", "packet.path_info", choice("decoded", "raw"),
        "raw leaves PATH_INFO percent-encoded, for backends that decode it themselves (gunicorn)."),
    Option("--modifier1", "packet.modifier1", COUNT,
        "First modifier of the uwsgi packet, which chooses uWSGI's plugin; 0 is Python.",
        ("nginx uwsgi_modifier1", "uWSGI http-modifier1"), low=0, high=255),
    Option("--modifier2", "packet.modifier2", COUNT,
        "Second modifier of the uwsgi packet.",
        ("nginx uwsgi_modifier2", "uWSGI http-modifier2"), low=0, high=255),
    Option("--backend-buffer-size", "packet.backend_buffer_bytes", SIZE,
        "The application server's own limit for all variables together: over it the client gets "
        "431 instead of a reset. uWSGI takes 4096 bytes unless told otherwise.",
        ("uWSGI buffer-size",), low=1, high=65535),
    Option("--backend-max-vars", "packet.backend_max_vars", COUNT,
        "The application server's own limit for the number of variables: 431 over it, 0 for no "
        "limit. uWSGI takes 128, and 2N with --max-vars N.",
        ("uWSGI max-vars",), low=0),
    Option("--content-variables", "packet.content_variables", choice("nginx", "wsgi"),
        "nginx: CONTENT_TYPE and CONTENT_LENGTH always, empty when absent, and again as HTTP_*; "
        "wsgi: once, and only when there, as gunicorn's asgi worker needs it."),
    Option("--backend-close-connection", "packet.close_connection", SWITCH,
        "Say HTTP_CONNECTION=close instead of what the client said, so that gunicorn does not hold "
        "the socket open after its reply. Off by itself when an --upstream without puwsgi has "
        "keepalive."),
))

_CLIENT = Group("What a client may do, and for how long", (
    Option("--client-header-timeout", "client.header_timeout_s", DURATION,
        "For a whole request head.",
        ("nginx client_header_timeout",), low=MORE_THAN_0),
    Option("--client-body-timeout", "client.body_timeout_s", DURATION,
        "Between two reads of a request body.",
        ("nginx client_body_timeout",), low=MORE_THAN_0),
    Option("--send-timeout", "client.send_timeout_s", DURATION,
        "Without progress while a response is written.",
        ("nginx send_timeout",), low=MORE_THAN_0),
    Option("--keepalive-timeout", "client.keepalive_timeout_s", DURATION,
        "Idle between two requests; 0 closes every connection after its response.",
        ("nginx keepalive_timeout", "uWSGI http-keepalive", "gunicorn keep-alive"), low=0),
    Option("--keepalive-requests", "client.keepalive_requests", COUNT,
        "Requests on one connection.",
        ("nginx keepalive_requests",), low=1),
    Option("--keepalive-time", "client.keepalive_time_s", DURATION,
        "Age of a connection after which the next response closes it.",
        ("nginx keepalive_time",), low=MORE_THAN_0),
    Option("--lingering-time", "client.lingering_time_s", DURATION,
        "In all, to read away what a client still sends after an early answer.",
        ("nginx lingering_time",), low=0),
    Option("--lingering-timeout", "client.lingering_timeout_s", DURATION,
        "Between two of those reads.",
        ("nginx lingering_timeout",), low=0),
    Option("--client-max-body-size", "client.max_body_bytes", SIZE,
        "Largest request body, 413 over it; 0 for no limit.",
        ("nginx client_max_body_size", "uWSGI limit-post"), low=0),
    Option("--max-request-line-size", "client.max_request_line_bytes", SIZE,
        "Largest request line, 414 over it.",
        ("nginx large_client_header_buffers", "gunicorn limit-request-line"), low=64),
    Option("--max-header-line-size", "client.max_header_line_bytes", SIZE,
        "Largest header line, 400 over it.",
        ("nginx large_client_header_buffers", "gunicorn limit-request-field_size"), low=64),
    Option("--max-header-buffers", "client.max_header_buffers", COUNT,
        "How many buffers of that size a request head may fill.",
        ("nginx large_client_header_buffers",), low=1),
    Option("--max-headers", "client.max_headers", COUNT,
        "Header lines that are passed on, 400 over it.",
        ("nginx max_headers", "gunicorn limit-request-fields"), low=1),
    Option("--merge-slashes", "client.merge_slashes", SWITCH,
        "Make a run of slashes in a path one.",
        ("nginx merge_slashes",)),
    Option("--underscores-in-headers", "client.underscores_in_headers", SWITCH,
        "Keep headers whose name has an underscore, which applications take for a hyphen.",
        ("nginx underscores_in_headers",)),
    Option("--ignore-invalid-headers", "client.ignore_invalid_headers", SWITCH,
        "Drop headers whose name is not of letters, digits and hyphens; off passes them on.",
        ("nginx ignore_invalid_headers",)),
    Option("--ignore-client-abort", "client.ignore_client_abort", SWITCH,
        "Let the application finish when the client has gone.",
        ("nginx uwsgi_ignore_client_abort",)),
))

_BUFFERS = Group("Where bytes wait", (
    Option("--request-buffering", "buffers.request_buffering", SWITCH,
        "Read a whole request body before a worker is taken, so that slow uploads cost none.",
        ("nginx uwsgi_request_buffering", "uWSGI post-buffering")),
    Option("--client-body-buffer-size", "buffers.request_memory_bytes", SIZE,
        "Memory for one request body; the rest goes to a temporary file.",
        ("nginx client_body_buffer_size",), low=0),
    Option("--buffering", "buffers.reply_buffering", SWITCH,
        "Drain a reply at the worker's speed, not the client's. An application turns it off for "
        "one reply with `X-Accel-Buffering: no`.",
        ("nginx uwsgi_buffering",)),
    Option("--reply-buffer-size", "buffers.reply_memory_bytes", SIZE,
        "Memory for one reply that its client has not taken yet; the rest goes to a temporary "
        "file.",
        ("nginx uwsgi_buffers",), low=1),
    Option("--max-temp-file-size", "buffers.max_temp_file_bytes", SIZE,
        "Of one reply on disk; then its worker has to wait. 0 for no file.",
        ("nginx uwsgi_max_temp_file_size",), low=0),
    Option("--spool-dir", "buffers.spool_dir", PATH,
        "Where temporary files are made. Unset, the system chooses ($TMPDIR, then /tmp).",
        ("nginx uwsgi_temp_path",)),
))

_PROCESS = Group("The process and its logs", (
    Option("--access-log", "log.access_log", LOG_FILE,
        "One line for each request: to a file, which is opened again on SIGUSR1, to standard "
        "output (-), to syslog, or not at all.",
        ("nginx access_log", "gunicorn access-logfile")),
    Option("--access-log-format", "log.access_format", LOG_FORMAT,
        "combined is nginx's, main adds backends, times and the reason, json is one object a line; "
        "or a text with nginx's variables, which may begin with escape=json.",
        ("nginx log_format", "gunicorn access-logformat")),
    Option("--error-log", "log.error_log", ERROR_LOG,
        "Why requests fail, and what happens to backends: to a file, which is opened again on "
        "SIGUSR1, to standard error (-), or to syslog.",
        ("nginx error_log", "gunicorn error-logfile", "gunicorn log-file")),
    Option("--error-log-burst", "log.error_burst", COUNT,
        "Lines about the same failure at the same backend within ten seconds, before the others "
        "are only counted; 0 for no limit.", low=0),
    Option("--log-level", "log.level", choice("debug", "info", "warning", "error"),
        "How much is said in the error log.",
        ("gunicorn log-level",)),
    Option("--drain-delay", "server.drain_delay_s", DURATION,
        "After SIGTERM or SIGQUIT: how long clients are still let in, while /readyz says 503 and "
        "responses say close, until whoever sends them here has noticed. Then it drains.",
        ("HAProxy grace", "Envoy drain-time-s"), low=0),
    Option("--shutdown-timeout", "server.shutdown_timeout_s", DURATION,
        "For running requests after SIGTERM or SIGQUIT; then they are cut.",
        ("nginx worker_shutdown_timeout", "gunicorn graceful-timeout"), low=0),
    Option("--workers", "server.workers", COUNT,
        "Processes of this front end that serve. More than one use more than one processor, and "
        "share out the limits of backends and of the line: see docs/workers.md. An application's "
        "own are --processes.",
        ("nginx worker_processes",), low=1, high=256),
    Option("--server-header", "server.server_header", TEXT_OR_OFF,
        "Server: of responses whose application names none; off for no such line.",
        ("nginx server_tokens",)),
    Option("--http-parser", "server.http_parser", choice("auto", "httptools", "h11"),
        "What reads HTTP. auto takes httptools, which is faster, where it is installed."),
    Option("--loop", "server.loop", choice("auto", "uvloop", "asyncio"),
        "What runs the event loop. auto takes uvloop, which is faster, where it is installed.",
        ("uvicorn loop",)),
))

_IDENTITY = Group("Which request it was", (
    Option("--request-id", "identity.request_id", choice("off", "new", "accept"),
        "X-Request-ID, for the application and the logs: new makes one for each request, accept "
        "takes the client's if it is usable, which is for clients that are trusted.",
        ("nginx request_id",)),
    Option("--request-id-response", "identity.request_id_response", SWITCH,
        "Tell the client as well, unless the application does."),
    Option("--traceparent", "identity.traceparent", choice("off", "new", "accept"),
        "W3C Trace Context, for the application and the logs: new begins a trace with each "
        "request, accept goes on with the client's."),
    Option("--otel", "identity.otel", SWITCH,
        "Report a span for each request through OpenTelemetry, as the OTEL_* variables say; needs "
        "the extra otel, and --traceparent.",
        ("nginx otel_trace",)),
    Option("--server-timing", "identity.server_timing", SWITCH,
        "Tell clients in Server-Timing how long it took to get a backend, to connect, and to the "
        "first byte."),
    Option("--reason-header", "identity.reason_header", SWITCH,
        "Tell clients in X-Frontend-Reason why an answer is ours and not the application's."),
))

_DANGEROUS = Group("Unsafe ways of nginx, off unless asked for (docs/nginx-differences.md)", (
    Option("--dangerously-accept-bare-lf", "client.dangerously_accept_bare_lf", SWITCH,
        "Take a line feed without carriage return as the end of a line."),
    Option("--dangerously-accept-headers-without-colon",
        "client.dangerously_accept_headers_without_colon", SWITCH,
        "Take a header line without a colon as a header with an empty value."),
    Option("--dangerously-match-connection-by-substring",
        "client.dangerously_match_connection_by_substring", SWITCH,
        "Look for close and keep-alive anywhere in the text of Connection."),
    Option("--dangerously-pass-proxy-header", "packet.dangerously_pass_proxy_header", SWITCH,
        "Pass the client's `Proxy:` header as HTTP_PROXY (the httpoxy hole)."),
    Option("--dangerously-pass-transfer-encoding", "packet.dangerously_pass_transfer_encoding",
        SWITCH,
        "Pass HTTP_TRANSFER_ENCODING although the body has been decoded."),
    Option("--dangerously-pass-control-characters", "packet.dangerously_pass_control_characters",
        SWITCH,
        "Let control characters through to PATH_INFO and to response heads."),
    Option("--dangerously-allow-uwsgi-params", "packet.dangerously_allow_uwsgi_params", SWITCH,
        "Let --param name UWSGI_* variables, which make uWSGI load code."),
))
# fmt: on

GROUPS: tuple[Group, ...] = (
    _LISTENERS,
    TLS_GROUP,
    _BACKENDS,
    *POOL_GROUPS,
    _WORKER,
    _PACKET,
    _CLIENT,
    _BUFFERS,
    _PROCESS,
    _IDENTITY,
    _DANGEROUS,
)
"""In the order of help and documentation."""

OPTIONS: tuple[Option, ...] = tuple(option for group in GROUPS for option in group.options)

BY_PATH = {option.path: option for option in OPTIONS}
BY_ENVIRONMENT = {option.environment: option for option in OPTIONS}
