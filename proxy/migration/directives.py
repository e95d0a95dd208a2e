"""What becomes of nginx's directives: which option, nothing at all, or why there is none.

Options know their names in nginx themselves (`Option.alike`); here stands which of them have values
that mean the same in both, and what to do about the rest.
"""

from proxy.config.option import Option
from proxy.config.options import OPTIONS

SAME = (
    *("client_header_timeout", "client_body_timeout", "send_timeout", "keepalive_timeout"),
    *("keepalive_requests", "keepalive_time", "lingering_time", "lingering_timeout"),
    *("client_max_body_size", "client_body_buffer_size", "max_headers", "merge_slashes"),
    *("underscores_in_headers", "ignore_invalid_headers", "uwsgi_ignore_client_abort"),
    *("uwsgi_request_buffering", "uwsgi_buffering", "uwsgi_max_temp_file_size"),
    *("uwsgi_connect_timeout", "uwsgi_send_timeout", "uwsgi_read_timeout", "uwsgi_buffer_size"),
    *("uwsgi_modifier1", "uwsgi_modifier2", "uwsgi_next_upstream", "uwsgi_next_upstream_tries"),
    *("uwsgi_next_upstream_timeout", "ssl_certificate", "ssl_certificate_key", "ssl_protocols"),
    *("ssl_ciphers", "worker_shutdown_timeout", "root"),
)
"""Directives whose value an option takes as it is."""

NOT_NEEDED = frozenset(
    (
        *("sendfile", "tcp_nopush", "tcp_nodelay", "types_hash_max_size", "default_type", "user"),
        *("server_names_hash_bucket_size", "pid", "worker_rlimit_nofile", "worker_processes"),
        *("include", "ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets"),
        *("ssl_prefer_server_ciphers", "ssl_dhparam", "uwsgi_buffers", "server_tokens", "zone"),
        *("proxy_redirect", "proxy_http_version", "uwsgi_busy_buffers_size", "uwsgi_http_version"),
        *("client_header_buffer_size", "reset_timedout_connection", "charset", "http2", "index"),
        *("gzip_vary", "gzip_types", "gzip_proxied", "gzip_comp_level", "gzip_buffers"),
        *("gzip_http_version", "gzip_min_length", "gzip_disable", "uwsgi_redirect", "listen"),
        *("uwsgi_pass", "proxy_pass"),
    )
)
"""What has no effect here, or one that is had without it; or is looked at elsewhere."""

FILES = "no files are served here: let the application do it (WhiteNoise), a CDN, or a web server"
_HEADERS = "responses go out as the application makes them: let it set the header"
ACCESS = "there are no access rules here: let the application, or a firewall, do it"
_RATE = "there are no limits for each client here; --queue-size and max_conns= bound them all"
_CACHE = "there is no cache here"
_REAL_IP = (
    "no proxy in front is trusted: REMOTE_ADDR is the peer, and X-Forwarded-For passes through for "
    "the application to read"
)
_LOGS = "logs go to standard output and standard error; --access-log and --error-log take a path"
_CLIENT_CERTIFICATES = "there are no client certificates and no OCSP stapling here"

WHY_NOT = {
    "gzip": "there is no compression here: let the application (GZipMiddleware) or a CDN do it",
    "brotli": "there is no compression here: let the application or a CDN do it",
    "add_header": _HEADERS,
    "expires": _HEADERS,
    "etag": _HEADERS,
    "alias": FILES,
    "try_files": FILES,
    "autoindex": FILES,
    "return": "there are no redirects and no fixed answers here: let the application make them",
    "rewrite": "paths are passed as they come: let the application route them",
    "allow": ACCESS,
    "deny": ACCESS,
    "satisfy": ACCESS,
    "auth_basic": ACCESS,
    "auth_basic_user_file": ACCESS,
    "auth_request": ACCESS,
    "limit_req": _RATE,
    "limit_req_zone": _RATE,
    "limit_conn": _RATE,
    "limit_conn_zone": _RATE,
    "limit_rate": "an application can say it for a response: X-Accel-Limit-Rate",
    "real_ip_header": _REAL_IP,
    "real_ip_recursive": _REAL_IP,
    "set_real_ip_from": _REAL_IP,
    "uwsgi_cache": _CACHE,
    "uwsgi_cache_path": _CACHE,
    "uwsgi_cache_valid": _CACHE,
    "error_page": "short pages of its own, and the application's pages, pass untouched",
    "uwsgi_intercept_errors": "pages of the application pass untouched",
    "access_log": _LOGS,
    "error_log": _LOGS,
    "log_format": "--access-log-format takes such a text, with the same variables",
    "keepalive": "for uWSGI's --puwsgi-socket and gunicorn: keepalive=N behind each address",
    "ssl_client_certificate": _CLIENT_CERTIFICATES,
    "ssl_verify_client": _CLIENT_CERTIFICATES,
    "ssl_stapling": _CLIENT_CERTIFICATES,
    "stub_status": "--admin ADDRESS has metrics, and a page",
    "sub_filter": "bodies pass untouched",
    "resolver": "--resolver ADDRESS, for backends with resolve",
    "uwsgi_pass_request_headers": "all headers are passed",
}
"""What does not exist here, and who could do it instead."""

TO_HTTPS = (
    "there are no redirects here: give its addresses as --listen, too, and let the application "
    "redirect (Django: SECURE_SSL_REDIRECT)"
)
LOADS_CODE = "UWSGI_ variables make uWSGI load code: --dangerously-allow-uwsgi-params and --param"
SERVER_BLOCK = "another server: requests for all hosts go to one group of backends here"
REWRITTEN = (
    "uWSGI has these from uwsgi variables: HTTP_HOST, REMOTE_ADDR, REQUEST_SCHEME, HTTPS; take "
    "ProxyFix and the like out of the application, since clients can write such headers now "
    "(gunicorn knows no REMOTE_ADDR: docs/backends.md)"
)

USUAL_PARAMS = frozenset(
    {
        ("QUERY_STRING", "$query_string"),
        ("REQUEST_METHOD", "$request_method"),
        ("CONTENT_TYPE", "$content_type"),
        ("CONTENT_LENGTH", "$content_length"),
        ("REQUEST_URI", "$request_uri"),
        ("PATH_INFO", "$document_uri"),
        ("PATH_INFO", "$uri"),
        ("DOCUMENT_ROOT", "$document_root"),
        ("SERVER_PROTOCOL", "$server_protocol"),
        ("REQUEST_SCHEME", "$scheme"),
        ("UWSGI_SCHEME", "$scheme"),
        ("HTTPS", "$https"),
        ("REMOTE_ADDR", "$remote_addr"),
        ("REMOTE_PORT", "$remote_port"),
        ("SERVER_PORT", "$server_port"),
        ("SERVER_NAME", "$server_name"),
        ("HTTP_HOST", "$http_host"),
        ("HTTP_HOST", "$host"),
    }
)
"""What every request has here, or what uWSGI works out by itself."""


BY_DIRECTIVE: dict[str, Option] = {
    alike.removeprefix("nginx "): option
    for option in reversed(OPTIONS)
    for alike in option.alike
    if alike.startswith("nginx ") and alike.count(" ") == 1
}
"""The option that has a directive of nginx for its counterpart."""
