"""The upstream side: the backends, and how one is chosen, waited for, tried and judged."""

from dataclasses import dataclass, field
from typing import Literal

from proxy.settings.address import Address
from proxy.settings.units import KIB


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """One backend and what sets it apart from the others: nginx's `server` line."""

    address: Address
    """Where it is; a host name stands for all its addresses. Port 0 with `service` only."""
    weight: int = 1
    """Share of the requests, relative to the others (weight)."""
    max_conns: int = 0
    """Requests at a time; 0 for what the backend says itself (its stats server or its
    subscription), else no limit (max_conns). For uWSGI: processes x threads."""
    max_fails: int = 1
    """Failures that pause it; 0 for never (max_fails)."""
    fail_timeout_s: float = 10.0
    """How long it is paused, and how long a failure counts (fail_timeout)."""
    slow_start_s: float = 0.0
    """After a recovery, over which its share grows to the whole; 0 for at once (slow_start)."""
    backup: bool = False
    """Used only while no other is usable (backup)."""
    down: bool = False
    """Not used; it keeps its place in the hashes (down)."""
    route: str = ""
    """Value of the sticky cookie; empty: made from the address (route)."""
    keepalive: int = 0
    """Idle connections kept open to it; 0 opens one for each request."""
    puwsgi: bool = False
    """Whether it is a --puwsgi-socket of uWSGI: requests with a body cannot go there."""
    stats: Address | None = None
    """Where its uWSGI stats server is; None for nowhere."""
    resolve: bool = False
    """Follow the name in DNS by its time to live, instead of resolving it once (resolve)."""
    service: str = ""
    """Look for SRV records of this service instead of addresses: `_uwsgi._tcp` (service)."""

    @property
    def name(self) -> str:
        """The text of its address, for logs and metrics."""
        return str(self.address)


@dataclass(frozen=True, slots=True)
class StickySettings:
    """A cookie that leads a client back to the backend that served it first (sticky cookie)."""

    name: str = ""
    """Of the cookie; empty for no stickiness."""
    path: str = "/"
    """Path attribute."""
    domain: str = ""
    """Domain attribute; empty for none."""
    expires_s: float = 0.0
    """Max-Age and Expires; 0 for a cookie that ends with the browser's session."""
    secure: bool = False
    """Secure attribute."""
    http_only: bool = True
    """HttpOnly attribute."""
    same_site: Literal["", "lax", "strict", "none"] = "lax"
    """SameSite attribute; empty for none."""


Algorithm = Literal[
    "round-robin",
    "least-conn",
    "least-time",
    "least-time-last-byte",
    "random",
    "random-two",
    "ip-hash",
    "hash",
    "consistent-hash",
    "first",
]


@dataclass(frozen=True, slots=True)
class BalanceSettings:
    """Which of the usable backends is next."""

    algorithm: Algorithm = "round-robin"
    """See docs/pool.md for each."""
    hash_key: str = "$request_uri"
    """What `hash` and `consistent-hash` place: text with $request_uri, $uri, $args, $host,
    $remote_addr, $http_NAME, $cookie_NAME or $arg_NAME in it (hash)."""
    sticky: StickySettings = field(default_factory=StickySettings)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The waiting line of one upstream: requests for which no backend has a free slot."""

    max_waiting: int = 1024
    """Requests in line; 503 for the next; 0 for no line at all (queue)."""
    timeout_s: float = 60.0
    """In line, 503 after it (queue timeout)."""
    retry_after_s: int = 5
    """Retry-After of those 503, in seconds; 0 for no such header."""
    priorities: tuple[tuple[str, int], ...] = ()
    """(path prefix, class): the longest prefix that fits counts, lower classes are served first,
    0 is everybody's."""


Condition = Literal[
    "error",
    "timeout",
    "invalid_header",
    "http_500",
    "http_503",
    "http_403",
    "http_404",
    "http_429",
    "non_idempotent",
]


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a request that failed at one backend is given to another."""

    conditions: tuple[Condition, ...] = ("error", "timeout")
    """What is reason enough; empty for never (uwsgi_next_upstream)."""
    tries: int = 0
    """Attempts for one request, the first included; 0: each backend once (..._tries)."""
    timeout_s: float = 0.0
    """From the first attempt, after which none is begun; 0 for no limit (..._timeout)."""
    budget_percent: int = 20
    """Retries at a time, in relation to the requests that run or wait."""
    budget_min: int = 3
    """Retries at a time that are always allowed."""
    try_duration_s: float = 10.0
    """How long after the begin of an outage of all backends (refused, missing) requests wait for
    its end; 0 answers at once, as nginx does."""


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """What the fate of real requests says about a backend, besides max_fails."""

    outlier_failures: int = 0
    """Failures or replies of 500, 502, 503, 504 in a row that eject a backend; 0 for never."""
    outlier_percent: int = 0
    """Share of them within `outlier_interval_s` that ejects a backend, in per cent; 0: never."""
    outlier_min_requests: int = 20
    """Requests in an interval without which its percentage says nothing."""
    outlier_interval_s: float = 10.0
    """Over which shares are counted, and in which a good backend forgets one ejection."""
    ejection_base_s: float = 30.0
    """How long a first ejection lasts; the n-th in a row lasts n times as long."""
    ejection_max_s: float = 300.0
    """At most."""
    max_ejected_percent: int = 50
    """Of the backends that may be ejected at a time; never the last one."""
    panic_percent: int = 1
    """If fewer backends than this are healthy, health is ignored; 1 means none, 0 never ignores."""


CheckKind = Literal["connect", "ping", "http", "stats"]


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One active check."""

    kind: CheckKind
    uri: str = "/"
    """Of the request (http)."""
    method: str = "GET"
    """Of the request (http)."""
    host: str = "localhost"
    """HTTP_HOST of the request (http)."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Ranges, both ends included; one of them must hold the status (http)."""
    headers: tuple[tuple[str, str], ...] = ()
    """(name, regular expression) that must all be found in the reply's headers (http)."""
    body: str = ""
    """Regular expression that must be found in the first 256 KB of the body (http)."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Active checks: how often, and how many decide."""

    checks: tuple[CheckSpec, ...] = ()
    """Each is done to every backend; none by default."""
    interval_s: float = 5.0
    """Between two checks of a backend that is up."""
    fast_interval_s: float = 1.0
    """While it is changing, and before its first verdict."""
    down_interval_s: float = 2.0
    """While it is down."""
    timeout_s: float = 2.0
    """For one check, from connect to verdict."""
    rise: int = 2
    """Good ones in a row that bring a backend up."""
    fall: int = 3
    """Bad ones in a row that take it down."""
    jitter_percent: int = 10
    """By which intervals vary, so that checks do not march in step."""
    initial: Literal["up", "down"] = "up"
    """Of a backend that has not been checked yet: `down` waits for the first good check."""
    max_running: int = 8
    """Checks at a time, of all backends together."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Where backends come from, besides the configured ones."""

    file: str = ""
    """One backend per line, as with --upstream; followed while it changes."""
    file_interval_s: float = 1.0
    """Between two looks at it."""
    resolvers: tuple[Address, ...] = ()
    """DNS servers for `resolve` and `service`; none: the system's."""
    min_ttl_s: float = 1.0
    """A name is not asked for more often than this."""
    max_ttl_s: float = 300.0
    """A name is asked for at least this often."""
    subscribe: Address | None = None
    """Where uWSGI instances announce themselves (uWSGI: --subscribe-to); None for nowhere."""
    subscribe_allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose announcements count; a unix socket's permissions decide by themselves."""
    subscribe_keys_dir: str = ""
    """Directory of public keys; with it, only signed announcements count."""
    subscribe_tolerance_s: float = 17.0
    """Without an announcement, a backend is dropped (uWSGI announces every 10 s)."""
    subscribe_clock_skew_s: float = 60.0
    """By which a signed announcement may be older than now."""
    subscribe_fallback_key: str = ""
    """Of the pool for hosts that nobody has announced."""
    subscribe_max_backends: int = 1000
    """In all pools together; further announcements are ignored."""


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """One group of backends and how each is tried."""

    name: str = "default"
    """For logs and metrics."""
    backends: tuple[BackendSettings, ...] = ()
    """In order."""
    balance: BalanceSettings = field(default_factory=BalanceSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    backlog_interval_s: float = 1.0
    """Between two looks at the listen queues in the kernel; 0 for none (Linux only)."""
    connect_timeout_s: float = 60.0
    """To connect (uwsgi_connect_timeout)."""
    send_timeout_s: float = 60.0
    """Without progress while a request is written (uwsgi_send_timeout)."""
    read_timeout_s: float = 60.0
    """From the sent request to a whole reply head, then between two reads (uwsgi_read_timeout)."""
    max_head_bytes: int = 4 * KIB
    """Reply head; 502 over it (uwsgi_buffer_size)."""
    decode_chunked: bool = True
    """Decode a reply that its application has chunked itself; nginx passes the framing on."""
