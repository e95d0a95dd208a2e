"""What is wrong with the settings of the pool: things that do not fit together."""

from collections import Counter
from collections.abc import Iterator

from proxy.config import check_active, check_backend
from proxy.config.units import format_duration
from proxy.config.words import quote_word
from proxy.settings import (
    BalanceSettings,
    DiscoverySettings,
    StickySettings,
    UpstreamSettings,
)
from proxy.upstream.discovery.admission import Networks, Refused
from proxy.upstream.discovery.directory import normalise
from proxy.upstream.hash_key import compile_key
from proxy.upstream.sticky import StickyCookie

MAX_PRIORITY = 1000
"""Classes go from minus this to this."""

_WITHOUT_BACKUP = ("hash", "consistent-hash", "ip-hash", "random", "random-two")
"""nginx refuses backups with these (rule 6.18): each has its own idea of what comes next."""
_WITH_KEY = ("hash", "consistent-hash")


def complaints(upstream: UpstreamSettings) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    yield from _backends(upstream)
    yield from _roles(upstream)
    yield from _balance(upstream.balance)
    yield from _sticky(upstream.balance.sticky)
    yield from _priorities(upstream.queue.priorities)
    yield from _times(upstream)
    yield from check_active.complaints(upstream)
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
    try:
        StickyCookie(sticky)
    except ValueError as error:
        yield f"--sticky-cookie {quote_word(sticky.name)}: {_without_subject(error)}"
    else:
        if sticky.expires_s % 1:
            yield f"--sticky-cookie {sticky.name}: expires must be whole seconds"
    if sticky.same_site == "none" and not sticky.secure:
        yield f"--sticky-cookie {sticky.name}: browsers refuse samesite=none without secure"


def _without_subject(error: ValueError) -> str:
    return str(error).removeprefix("sticky cookie: ")


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


def _discovery(discovery: DiscoverySettings) -> Iterator[str]:
    for network in discovery.subscribe_allow:
        try:
            Networks((network,))
        except ValueError as error:
            yield f"--subscribe-allow {network}: {error}"
    if key := discovery.subscribe_fallback_key:
        try:
            normalise(key)
        except Refused as error:
            yield f"--subscribe-fallback-key {quote_word(key)}: {error}"
    subscribe = discovery.subscribe
    if subscribe is not None and not subscribe.is_unix and not discovery.subscribe_allow:
        yield (
            f"--subscribe-allow: without a network, no announcement at --subscribe {subscribe} "
            "counts; write it like 127.0.0.0/8"
        )
    if subscribe is None:
        for flag, value in (
            ("--subscribe-keys-dir", discovery.subscribe_keys_dir),
            ("--subscribe-fallback-key", discovery.subscribe_fallback_key),
        ):
            if value:
                yield f"{flag} {value}: for --subscribe only"
