"""The options of the pool: what is written gives what the pool is told."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from proxy.config.argv import read_argv
from proxy.config.env import read_env
from proxy.config.options import BY_PATH
from proxy.config.options_pool import POOL_GROUPS
from proxy.settings import Address, Algorithm, CheckSpec, StickySettings

ROWS: Sequence[tuple[str, str, str, Any]] = [
    ("--balance", "consistent-hash", "balance.algorithm", "consistent-hash"),
    ("--hash-key", "$host", "balance.hash_key", "$host"),
    ("--sticky-cookie", "s secure", "balance.sticky", StickySettings("s", secure=True)),
    ("--queue-size", "0", "queue.max_waiting", 0),
    ("--queue-timeout", "5s", "queue.timeout_s", 5.0),
    ("--retry-after", "2", "queue.retry_after_s", 2),
    ("--priority", "/health=-10", "queue.priorities", (("/health", -10),)),
    ("--backlog-interval", "500ms", "backlog_interval_s", 0.5),
    ("--next-upstream", "error,http_503", "retry.conditions", ("error", "http_503")),
    ("--next-upstream", "off", "retry.conditions", ()),
    ("--next-upstream-tries", "2", "retry.tries", 2),
    ("--next-upstream-timeout", "3", "retry.timeout_s", 3.0),
    ("--retry-budget", "30", "retry.budget_percent", 30),
    ("--retry-budget-min", "1", "retry.budget_min", 1),
    ("--try-duration", "0", "retry.try_duration_s", 0.0),
    ("--outlier-failures", "5", "health.outlier_failures", 5),
    ("--outlier-percent", "50%", "health.outlier_percent", 50),
    ("--outlier-min-requests", "9", "health.outlier_min_requests", 9),
    ("--outlier-interval", "20s", "health.outlier_interval_s", 20.0),
    ("--ejection-base", "10s", "health.ejection_base_s", 10.0),
    ("--ejection-max", "1m", "health.ejection_max_s", 60.0),
    ("--max-ejected", "20", "health.max_ejected_percent", 20),
    ("--panic-threshold", "0", "health.panic_percent", 0),
    ("--check", "http /a status=200", "check.checks",
        (CheckSpec("http", "/a", statuses=((200, 200),)),)),
    ("--check-interval", "9s", "check.interval_s", 9.0),
    ("--check-fast-interval", "2s", "check.fast_interval_s", 2.0),
    ("--check-down-interval", "3s", "check.down_interval_s", 3.0),
    ("--check-timeout", "1s", "check.timeout_s", 1.0),
    ("--check-rise", "1", "check.rise", 1),
    ("--check-fall", "5", "check.fall", 5),
    ("--check-jitter", "0", "check.jitter_percent", 0),
    ("--check-initial", "down", "check.initial", "down"),
    ("--check-max-running", "2", "check.max_running", 2),
    ("--backends-file", "/etc/backends", "discovery.file", "/etc/backends"),
    ("--backends-file-interval", "5s", "discovery.file_interval_s", 5.0),
    ("--resolver", "9.9.9.9", "discovery.resolvers", (Address("9.9.9.9", 53),)),
    ("--resolver-min-ttl", "5s", "discovery.min_ttl_s", 5.0),
    ("--resolver-max-ttl", "1m", "discovery.max_ttl_s", 60.0),
    ("--subscribe", "0.0.0.0:2626", "discovery.subscribe", Address("0.0.0.0", 2626)),
    ("--subscribe", "off", "discovery.subscribe", None),
    ("--subscribe-allow", "10.0.0.0/8,::1", "discovery.subscribe_allow",
        ("10.0.0.0/8", "::1/128")),
    ("--subscribe-keys-dir", "/etc/keys", "discovery.subscribe_keys_dir", "/etc/keys"),
    ("--subscribe-tolerance", "30s", "discovery.subscribe_tolerance_s", 30.0),
    ("--subscribe-clock-skew", "5s", "discovery.subscribe_clock_skew_s", 5.0),
    ("--subscribe-fallback-key", "example.com", "discovery.subscribe_fallback_key", "example.com"),
    ("--subscribe-max-backends", "5", "discovery.subscribe_max_backends", 5),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "text", "path", "value"), ROWS)
def test_an_option_and_its_variable_reach_their_place(
    flag: str, text: str, path: str, value: Any
) -> None:
    argv = read_argv([flag, text]).source
    option = BY_PATH[f"upstream.{path}"]
    environ = read_env({option.environment: text})
    for source in (argv, environ):
        assert source.complaints == []
        assert [given.value for given in source.given.values()] == [value]
        assert source.given.keys() == {option.path}


def test_every_option_of_the_pool_is_tried() -> None:
    flags = {option.flag for group in POOL_GROUPS for option in group.options}
    assert flags == {flag for flag, *_ in ROWS}


def test_every_algorithm_is_named_in_the_help() -> None:
    option = BY_PATH["upstream.balance.algorithm"]
    assert ", ".join(get_args(Algorithm)) in option.help


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("least_conn", "did you mean least-conn?"),
        ("leastconn", "did you mean least-conn?"),
        ("ip_hash", "did you mean ip-hash?"),
        ("roundrobin", "did you mean round-robin?"),
        ("p2c", "choose round-robin, least-conn, "),
    ],
)
def test_algorithms_by_the_names_of_others(text: str, hint: str) -> None:
    (complaint,) = read_argv(["--balance", text]).source.complaints
    assert complaint.startswith(f"--balance {text}: not one of the choices; {hint}")


def test_checks_in_the_environment_are_separated_by_line_breaks() -> None:
    source = read_env({"UWSGI_FRONTEND_CHECK": "ping\nhttp / status=200,404\n"})
    assert source.given["upstream.check.checks"].value == (
        CheckSpec("ping"),
        CheckSpec("http", statuses=((200, 200), (404, 404))),
    )


def test_backends_in_the_environment_may_have_words() -> None:
    source = read_env({"UWSGI_FRONTEND_UPSTREAM": "unix:/a weight=2, app:1 backup"})
    weights = [(b.weight, b.backup) for b in source.given["upstream.backends"].value]
    assert weights == [(2, False), (1, True)]
