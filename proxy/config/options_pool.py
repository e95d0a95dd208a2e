"""The rows of the table about the pool: choosing, waiting, trying, judging and finding backends."""

from typing import get_args

from proxy.config.check_spec import CHECK
from proxy.config.conditions import CONDITION_LIST
from proxy.config.kinds import (
    COUNT,
    DURATION,
    NAME,
    NETWORKS,
    PATH,
    PERCENT,
    PRIORITY,
    RESOLVER,
    SECONDS,
    SUBSCRIBE,
    TEXT,
    choice,
)
from proxy.config.option import MORE_THAN_0, Group, Option
from proxy.config.sticky import STICKY
from proxy.settings import Algorithm

_ALGORITHMS = get_args(Algorithm)
_ALGORITHMS_ELSEWHERE = {
    # nginx
    "least_time header": "least-time",
    "least_time last_byte": "least-time-last-byte",
    "random two": "random-two",
    "random two least_conn": "random-two",
    # HAProxy
    "source": "ip-hash",
    "static-rr": "round-robin",
    "uri": "hash",
    # Envoy, Caddy, uWSGI
    "maglev": "consistent-hash",
    "ring_hash": "consistent-hash",
    "least_request": "least-conn",
    "uri_hash": "hash",
    "wrr": "round-robin",
    "lrc": "least-conn",
}
"""Words of other programs, and what is most like them here."""

# fmt: off
# One row reads: name, place in the tree, kind, help, names elsewhere, bounds.

_BALANCE = Group("Which backend is next", (
    Option("--balance", "upstream.balance.algorithm",
        choice(*_ALGORITHMS, metavar="ALGORITHM", elsewhere=_ALGORITHMS_ELSEWHERE),
        f"How the next backend is chosen among those that can be used: {', '.join(_ALGORITHMS)}; "
        "docs/pool.md explains each.",
        ("nginx least_conn", "nginx least_time", "nginx random", "nginx ip_hash", "nginx hash",
         "HAProxy balance", "uWSGI subscription-algo")),
    Option("--hash-key", "upstream.balance.hash_key", TEXT,
        "What hash and consistent-hash place: text with $request_uri, $uri, $args, $host, "
        "$remote_addr, $http_NAME, $cookie_NAME or $arg_NAME in it.",
        ("nginx hash", "HAProxy hash-type")),
    Option("--sticky-cookie", "upstream.balance.sticky", STICKY,
        "Lead a client back to the backend that served it first, by a cookie of this name. "
        "Behind the name: path=/ domain=D expires=1h secure httponly=on|off "
        "samesite=lax|strict|none|off.",
        ("nginx sticky", "HAProxy cookie")),
))

_QUEUE = Group("Waiting in line", (
    Option("--queue-size", "upstream.queue.max_waiting", COUNT,
        "Requests that wait for a free backend; 503 for the next. 0 for no line at all.",
        ("nginx queue", "HAProxy maxqueue"), low=0, high=1_000_000),
    Option("--queue-timeout", "upstream.queue.timeout_s", DURATION,
        "In line, 503 after it.",
        ("nginx queue", "HAProxy timeout queue"), low=MORE_THAN_0),
    Option("--retry-after", "upstream.queue.retry_after_s", SECONDS,
        "Retry-After of those 503; 0 for no such header.",
        low=0, high=86400),
    Option("--priority", "upstream.queue.priorities", PRIORITY,
        "Requests whose path begins with /PATH are of class N, from -1000 to 1000: lower classes "
        "are served first, 0 is everybody's, the longest prefix counts. May be given several "
        "times.",
        ("HAProxy set-priority-class",), many=True),
    Option("--backlog-interval", "upstream.backlog_interval_s", DURATION,
        "Between two looks at the backends' listen queues in the kernel (Linux); 0 for none.",
        low=0),
))

_RETRY = Group("Trying again", (
    Option("--next-upstream", "upstream.retry.conditions", CONDITION_LIST,
        "Reasons to give a failed request to another backend, with commas: error, timeout, "
        "invalid_header, http_500, http_503, http_403, http_404, http_429, non_idempotent. off for "
        "never.",
        ("nginx uwsgi_next_upstream", "HAProxy retry-on", "HAProxy option redispatch")),
    Option("--next-upstream-tries", "upstream.retry.tries", COUNT,
        "Attempts for one request, the first included; 0: each backend once.",
        ("nginx uwsgi_next_upstream_tries", "HAProxy retries"), low=0, high=1000),
    Option("--next-upstream-timeout", "upstream.retry.timeout_s", DURATION,
        "From the first attempt, after which none is begun; 0 for no limit.",
        ("nginx uwsgi_next_upstream_timeout",), low=0),
    Option("--retry-budget", "upstream.retry.budget_percent", PERCENT,
        "Retries at a time, in relation to the requests that run or wait.",
        ("Envoy retry_budget",), low=0, high=100),
    Option("--retry-budget-min", "upstream.retry.budget_min", COUNT,
        "Retries at a time that are always allowed.",
        ("Envoy min_retry_concurrency",), low=0, high=1_000_000),
    Option("--try-duration", "upstream.retry.try_duration_s", DURATION,
        "How long requests wait for the end of an outage of all backends, from its begin: sockets "
        "that are missing or refuse. 0 answers at once, as nginx does.",
        ("Caddy lb_try_duration",), low=0),
))

_HEALTH = Group("Health", (
    Option("--outlier-failures", "upstream.health.outlier_failures", COUNT,
        "Failures or replies of 500, 502, 503 or 504 in a row that eject a backend; 0 for never.",
        ("Envoy consecutive_5xx", "HAProxy error-limit"), low=0, high=1_000_000),
    Option("--outlier-percent", "upstream.health.outlier_percent", PERCENT,
        "Share of them in one interval that ejects a backend; 0 for never.",
        ("Envoy failure_percentage_threshold",), low=0, high=100),
    Option("--outlier-min-requests", "upstream.health.outlier_min_requests", COUNT,
        "Requests in an interval without which its share says nothing.",
        ("Envoy failure_percentage_request_volume",), low=1, high=1_000_000),
    Option("--outlier-interval", "upstream.health.outlier_interval_s", DURATION,
        "Over which shares are counted, and in which a good backend forgets one ejection.",
        ("Envoy outlier_detection.interval",), low=MORE_THAN_0),
    Option("--ejection-base", "upstream.health.ejection_base_s", DURATION,
        "How long a first ejection lasts; the n-th in a row lasts n times as long.",
        ("Envoy base_ejection_time",), low=MORE_THAN_0),
    Option("--ejection-max", "upstream.health.ejection_max_s", DURATION,
        "The longest ejection.",
        ("Envoy max_ejection_time",), low=MORE_THAN_0),
    Option("--max-ejected", "upstream.health.max_ejected_percent", PERCENT,
        "Of the backends that may be ejected at a time; never the last one.",
        ("Envoy max_ejection_percent",), low=0, high=100),
    Option("--panic-threshold", "upstream.health.panic_percent", PERCENT,
        "If fewer backends than this are healthy, health is ignored; 1% means none at all, 0% "
        "never ignores it.",
        ("Envoy healthy_panic_threshold",), low=0, high=100),
))

_CHECKS = Group("Active checks", (
    Option("--check", "upstream.check.checks", CHECK,
        "Check every backend: connect, ping, stats, or \"http /path\" with method=GET "
        "host=localhost status=200-399,404 header=NAME:REGEX body=REGEX behind it. May be given "
        "several times.",
        ("nginx health_check", "HAProxy option httpchk", "HAProxy http-check"),
        many=True, separator="\n"),
    Option("--check-interval", "upstream.check.interval_s", DURATION,
        "Between two checks of a backend that is up.",
        ("nginx health_check interval", "HAProxy inter"), low=0.1),
    Option("--check-fast-interval", "upstream.check.fast_interval_s", DURATION,
        "While a backend is changing, and before its first verdict.",
        ("HAProxy fastinter",), low=0.1),
    Option("--check-down-interval", "upstream.check.down_interval_s", DURATION,
        "While a backend is down.",
        ("HAProxy downinter",), low=0.1),
    Option("--check-timeout", "upstream.check.timeout_s", DURATION,
        "For one check, from connect to verdict.",
        ("HAProxy timeout check",), low=MORE_THAN_0),
    Option("--check-rise", "upstream.check.rise", COUNT,
        "Good checks in a row that bring a backend up.",
        ("nginx health_check passes", "HAProxy rise"), low=1, high=1000),
    Option("--check-fall", "upstream.check.fall", COUNT,
        "Bad checks in a row that take a backend down.",
        ("nginx health_check fails", "HAProxy fall"), low=1, high=1000),
    Option("--check-jitter", "upstream.check.jitter_percent", PERCENT,
        "By which intervals vary, so that checks do not march in step.",
        ("nginx health_check jitter", "HAProxy spread-checks"), low=0, high=50),
    Option("--check-initial", "upstream.check.initial", choice("up", "down"),
        "Of a backend that has not been checked yet: down waits for the first good check.",
        ("nginx health_check mandatory",)),
    Option("--check-max-running", "upstream.check.max_running", COUNT,
        "Checks at a time, of all backends together.",
        low=1, high=1000),
))

_DISCOVERY = Group("Where backends come from", (
    Option("--backends-file", "upstream.discovery.file", PATH,
        "Follow a file with one backend per line, written as for --upstream.",
        ("nginx state",)),
    Option("--backends-file-interval", "upstream.discovery.file_interval_s", DURATION,
        "Between two looks at it.",
        low=0.01),
    Option("--resolver", "upstream.discovery.resolvers", RESOLVER,
        "DNS server for backends with resolve or service; unset, those of the system. May be given "
        "several times.",
        ("nginx resolver", "HAProxy nameserver"), many=True),
    Option("--resolver-min-ttl", "upstream.discovery.min_ttl_s", DURATION,
        "A name is not asked for more often than this.",
        low=0.01),
    Option("--resolver-max-ttl", "upstream.discovery.max_ttl_s", DURATION,
        "A name is asked for at least this often.",
        ("nginx resolver valid", "HAProxy hold"), low=MORE_THAN_0),
    Option("--subscribe", "upstream.discovery.subscribe", SUBSCRIBE,
        "Take announcements of uWSGI here (uWSGI: --subscribe-to): HOST:PORT (UDP) or unix:/path.",
        ("uWSGI http-subscription-server", "uWSGI fastrouter-subscription-server",
         "uWSGI subscription-server", "uWSGI subscribe-to")),
    Option("--subscribe-allow", "upstream.discovery.subscribe_allow", NETWORKS,
        "Networks whose announcements count, with commas; the permissions of a unix socket decide "
        "by themselves."),
    Option("--subscribe-keys-dir", "upstream.discovery.subscribe_keys_dir", PATH,
        "Directory of public keys; with it, only signed announcements count.",
        ("uWSGI subscriptions-sign-check",)),
    Option("--subscribe-tolerance", "upstream.discovery.subscribe_tolerance_s", DURATION,
        "Without an announcement, a backend is dropped; uWSGI announces every 10 s.",
        ("uWSGI subscription-tolerance",), low=MORE_THAN_0),
    Option("--subscribe-clock-skew", "upstream.discovery.subscribe_clock_skew_s", DURATION,
        "By which a signed announcement may be older than now.",
        ("uWSGI subscriptions-sign-check-tolerance",), low=0),
    Option("--subscribe-fallback-key", "upstream.discovery.subscribe_fallback_key", NAME,
        "Of the pool for hosts that nobody has announced.",
        ("uWSGI http-subscription-fallback-key", "uWSGI fastrouter-subscription-fallback-key")),
    Option("--subscribe-max-backends", "upstream.discovery.subscribe_max_backends", COUNT,
        "In all pools together; further announcements are ignored.",
        low=1, high=1_000_000),
))
# fmt: on

POOL_GROUPS: tuple[Group, ...] = (_BALANCE, _QUEUE, _RETRY, _HEALTH, _CHECKS, _DISCOVERY)
"""In the order of help and documentation."""
