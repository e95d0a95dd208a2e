"""What is wrong with the settings of the pool: things that do not fit together."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator

from proxy.config import check_backend
from proxy.config.check_spec import show_check
from proxy.config.units import format_duration
from proxy.config.words import quote_word
from proxy.settings import (
    BalanceSettings,
    CheckSettings,
    CheckSpec,
    DiscoverySettings,
    StickySettings,
    UpstreamSettings,
)
from proxy.upstream.hash_key import compile_key

MAX_PRIORITY = 1000
"""Classes go from minus this to this."""

_WITHOUT_BACKUP = ("hash", "consistent-hash", "ip-hash", "random", "random-two")
"""nginx refuses backups with these (rule 6.18): each has its own idea of what comes next."""
_WITH_KEY = ("hash", "consistent-hash")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2; also RFC 6265, 4.1.1: the name of a cookie."""
_NO_ATTRIBUTE = re.compile(r"[^ -:<-~]")
"""What the value of a cookie's attribute cannot have in it (RFC 6265, 4.1.1: av-octet)."""
_HOST = re.compile(r"[!-~]+")


def complaints(upstream: UpstreamSettings) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    yield from _backends(upstream)
    yield from _roles(upstream)
    yield from _balance(upstream.balance)
    yield from _sticky(upstream.balance.sticky)
    yield from _priorities(upstream.queue.priorities)
    yield from _times(upstream)
    yield from _checks(upstream.check)
    yield from _stats(upstream)
    yield from _discovery(upstream.discovery)


def _backends(upstream: UpstreamSettings) -> Iterator[str]:
    for backend in dict.fromkeys(upstream.backends):
        for why in check_backend.complaints(backend):
            yield f"--upstream {backend.name}: {why}"
    # The same host may have several services.
    places = Counter((backend.name, backend.service) for backend in upstream.backends)
    for (name, _), count in places.items():
        if count > 1:
            yield f"--upstream {name}: given more than once"
    routes = Counter(backend.route for backend in upstream.backends if backend.route)
    for route, count in routes.items():
        if count > 1:
            yield f"--upstream: {count} backends have route={route}; a cookie names one"


def _roles(upstream: UpstreamSettings) -> Iterator[str]:
    """Backups stand behind others."""
    backups = [backend for backend in upstream.backends if backend.backup]
    if not backups:
        return
    algorithm = upstream.balance.algorithm
    if algorithm in _WITHOUT_BACKUP:
        yield f"--upstream {backups[0].name}: backup does not go with --balance {algorithm}"
    if len(backups) == len(upstream.backends) and not _finds_more(upstream.discovery):
        yield "--upstream: all backends are backups; at least one must not be"


def _finds_more(discovery: DiscoverySettings) -> bool:
    """Whether backends come from elsewhere than the settings."""
    return bool(discovery.file or discovery.subscribe)


def _balance(balance: BalanceSettings) -> Iterator[str]:
    key = balance.hash_key
    if balance.algorithm in _WITH_KEY:
        try:
            compile_key(key)
        except ValueError as error:
            yield f"--hash-key {quote_word(key)}: {error}"
    elif key != BalanceSettings().hash_key:
        yield f"--hash-key {quote_word(key)}: for --balance hash or consistent-hash only"


def _sticky(sticky: StickySettings) -> Iterator[str]:
    if not sticky.name:
        return
    if not _TOKEN.fullmatch(sticky.name):
        yield f"--sticky-cookie {sticky.name!a}: not a name that a cookie can have"
    for word, value in (("path", sticky.path), ("domain", sticky.domain)):
        if match := _NO_ATTRIBUTE.search(value):
            yield f"--sticky-cookie {sticky.name}: {word} cannot have {match[0]!a} in it"
    if not sticky.path.startswith("/"):
        yield f"--sticky-cookie {sticky.name}: path={sticky.path}: must begin with /"
    if sticky.expires_s < 0 or sticky.expires_s % 1:
        yield f"--sticky-cookie {sticky.name}: expires must be whole seconds"
    if sticky.same_site == "none" and not sticky.secure:
        yield f"--sticky-cookie {sticky.name}: browsers refuse samesite=none without secure"


def _priorities(priorities: tuple[tuple[str, int], ...]) -> Iterator[str]:
    counts = Counter(prefix for prefix, _ in priorities)
    for prefix, number in priorities:
        if not prefix.startswith("/") or not prefix.isprintable():
            yield f"--priority {prefix!a}={number}: a path begins with /"
        if abs(number) > MAX_PRIORITY:
            yield f"--priority {prefix}={number}: must be from -{MAX_PRIORITY} to {MAX_PRIORITY}"
    for prefix, count in counts.items():
        if count > 1:
            yield f"--priority {prefix}: given more than once"


def _times(upstream: UpstreamSettings) -> Iterator[str]:
    """Pairs of times of which the first is at most the second."""
    health, check, discovery = upstream.health, upstream.check, upstream.discovery
    for first, first_s, second, second_s in (
        ("ejection-base", health.ejection_base_s, "ejection-max", health.ejection_max_s),
        ("check-fast-interval", check.fast_interval_s, "check-interval", check.interval_s),
        ("resolver-min-ttl", discovery.min_ttl_s, "resolver-max-ttl", discovery.max_ttl_s),
    ):
        if first_s > second_s:
            yield (
                f"--{first} {format_duration(first_s)}: longer than --{second} "
                f"{format_duration(second_s)}"
            )


def _checks(check: CheckSettings) -> Iterator[str]:
    if check.initial == "down" and not check.checks:
        yield "--check-initial down: without a --check, no backend would ever come up"
    for spec in dict.fromkeys(check.checks):
        for why in _check(spec):
            yield f"--check {quote_word(show_check(spec))}: {why}"
        if check.checks.count(spec) > 1:
            yield f"--check {quote_word(show_check(spec))}: given more than once"


def _check(spec: CheckSpec) -> Iterator[str]:
    """Nothing of it can break the request that is made of it, and its expressions compile."""
    if not (spec.uri.startswith("/") and _HOST.fullmatch(spec.uri)):
        yield f"{spec.uri!a} is not a path of printable ASCII that begins with /"
    if not _TOKEN.fullmatch(spec.method):
        yield f"method={spec.method!a}: not a method"
    if spec.host and not _HOST.fullmatch(spec.host):
        yield f"host={spec.host!a}: not a host"
    if not spec.statuses:
        yield "status: without a status, no reply is good"
    for name, pattern in (*spec.headers, ("body", spec.body)):
        if not _TOKEN.fullmatch(name):
            yield f"header={name!a}: not a name that a header can have"
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{name}: {pattern!a} is not a regular expression: {error}"


def _stats(upstream: UpstreamSettings) -> Iterator[str]:
    """There is a stats server where one is to be asked."""
    asked = any(spec.kind == "stats" for spec in upstream.check.checks)
    told = any(backend.stats for backend in upstream.backends)
    if asked and not told and not upstream.discovery.file:
        yield "--check stats: no backend says where its stats server is; add stats=ADDRESS to one"


def _discovery(discovery: DiscoverySettings) -> Iterator[str]:
    for network in discovery.subscribe_allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"--subscribe-allow {network}: {error}"
    if discovery.subscribe is None:
        for flag, value in (
            ("--subscribe-keys-dir", discovery.subscribe_keys_dir),
            ("--subscribe-fallback-key", discovery.subscribe_fallback_key),
        ):
            if value:
                yield f"{flag} {value}: for --subscribe only"
