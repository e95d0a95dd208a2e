"""Settings of the pool that do not fit together."""

from typing import Any

import pytest

from proxy.config.backend import parse_backend
from proxy.config.check_upstream import complaints
from proxy.config.conditions import CONDITIONS
from proxy.config.sources import build
from proxy.config.sticky import parse_sticky
from proxy.settings import Address, StickySettings


def wrong(*backends: str, **values: Any) -> list[str]:
    """Return what is wrong with a pool; `__` stands for the dot in a path."""
    given: dict[str, Any] = {f"upstream.{p.replace('__', '.')}": v for p, v in values.items()}
    given["upstream.backends"] = tuple(map(parse_backend, backends or ("unix:/a",)))
    return list(complaints(build(given).upstream))


def test_the_defaults_fit_together() -> None:
    assert wrong() == []


def test_everything_that_is_wrong_with_each_backend() -> None:
    assert wrong("unix:/a weight=0 puwsgi", "unix:/b", "app:1 service=uwsgi") == [
        "--upstream unix:/a: weight=0: must be from 1 to 65535",
        "--upstream unix:/a: puwsgi: such a socket is for kept connections; add keepalive=N, at "
        "most one for each core of uWSGI",
        "--upstream app:1: service: the records bring the port; leave :1 away",
    ]


@pytest.mark.parametrize("times", [2, 3])
def test_a_backend_given_again_is_told_once(times: int) -> None:
    backends = [f"unix:/a weight={weight}" for weight in range(1, times + 1)]
    assert wrong(*backends, "unix:/b") == ["--upstream unix:/a: given more than once"]


def test_a_name_may_have_several_services() -> None:
    assert wrong("app service=_a._tcp", "app service=_b._tcp") == []


def test_routes_are_different() -> None:
    assert wrong("unix:/a route=x", "unix:/b route=x", "unix:/c", "unix:/d") == [
        "--upstream: 2 backends have route=x; a cookie names one"
    ]


@pytest.mark.parametrize("more", [{"discovery__file": "/x"}, {"discovery__subscribe": Address()}])
def test_backups_stand_behind_others(more: dict[str, Any]) -> None:
    assert wrong("unix:/a backup", "unix:/b") == []
    assert wrong("unix:/a backup", "unix:/b backup") == [
        "--upstream: all backends are backups; at least one must not be"
    ]
    assert wrong("unix:/a backup", **more) == []


@pytest.mark.parametrize(
    ("algorithm", "takes_backups"),
    [
        ("round-robin", True),
        ("least-conn", True),
        ("least-time", True),
        ("least-time-last-byte", True),
        ("first", True),
        ("random", False),
        ("random-two", False),
        ("ip-hash", False),
        ("hash", False),
        ("consistent-hash", False),
    ],
)
def test_some_algorithms_take_no_backups(algorithm: str, takes_backups: bool) -> None:
    expected = f"--upstream unix:/b: backup does not go with --balance {algorithm}"
    lines = wrong("unix:/a", "unix:/b backup", balance__algorithm=algorithm)
    assert lines == ([] if takes_backups else [expected])


@pytest.mark.parametrize("algorithm", ["hash", "consistent-hash"])
def test_the_hash_key_is_one(algorithm: str) -> None:
    def complaint(key: str) -> list[str]:
        return wrong(balance__algorithm=algorithm, balance__hash_key=key)

    assert complaint("$host$cookie_user") == []
    (line,) = complaint("$hots a")
    assert line.startswith('--hash-key "$hots a": ')
    (line,) = complaint("")
    assert line.startswith('--hash-key "": ')


def test_a_hash_key_is_for_hashes() -> None:
    assert wrong(balance__hash_key="$host") == [
        "--hash-key $host: for --balance hash or consistent-hash only"
    ]


@pytest.mark.parametrize(
    "text", ["srv_id", "s path=/a domain=.example.com expires=1h secure samesite=none", "off"]
)
def test_a_cookie_that_can_be_set(text: str) -> None:
    assert wrong(balance__sticky=parse_sticky(text)) == []


@pytest.mark.parametrize(
    ("sticky", "complaint"),
    [
        (StickySettings("a b"), "--sticky-cookie \"a b\": 'a b' is no name (letters, digits, "),
        (StickySettings("ä"), "--sticky-cookie ä: 'ä' is no name ("),
        (StickySettings("s", path="app"), "--sticky-cookie s: path 'app' must begin with '/' and "),
        (StickySettings("s", path="/;"), "--sticky-cookie s: path '/;' must begin with '/' and "),
        (StickySettings("s", domain="a..b"), "--sticky-cookie s: domain 'a..b' is no host name"),
        (StickySettings("s", expires_s=4e8), "--sticky-cookie s: expires 400000000.0 is not "),
        (StickySettings("s", expires_s=1.5), "--sticky-cookie s: expires must be whole seconds"),
        (
            StickySettings("s", same_site="none"),
            "--sticky-cookie s: browsers refuse samesite=none without secure",
        ),
    ],
)
def test_a_cookie_that_cannot_be_set(sticky: StickySettings, complaint: str) -> None:
    (line,) = wrong(balance__sticky=sticky)
    assert line.startswith(complaint)


def test_priorities() -> None:
    assert wrong(queue__priorities=(("/", 1000), ("/a", -1000))) == []
    assert wrong(queue__priorities=(("a", 0), ("/b", 1001), ("/c", 1), ("/c", 2))) == [
        "--priority 'a'=0: a path begins with /",
        "--priority /b=1001: must be from -1000 to 1000",
        "--priority /c: given more than once",
    ]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            {"health__ejection_base_s": 301.0},
            "--ejection-base 301s: longer than --ejection-max 300s",
        ),
        (
            {"check__interval_s": 0.5},
            "--check-fast-interval 1s: longer than --check-interval 500ms",
        ),
        (
            {"discovery__min_ttl_s": 7200.0},
            "--resolver-min-ttl 2h: longer than --resolver-max-ttl 300s",
        ),
    ],
)
def test_times_that_belong_together(values: dict[str, float], complaint: str) -> None:
    assert wrong(**values) == [complaint]


def test_equal_times_are_right() -> None:
    assert wrong(health__ejection_base_s=300.0, check__interval_s=1.0) == []


def test_networks_are_such() -> None:
    assert wrong(discovery__subscribe_allow=("10.0.0.0/8", "::1/128")) == []
    (line,) = wrong(discovery__subscribe_allow=("10.0.0.1/8",))
    assert line == "--subscribe-allow 10.0.0.1/8: 10.0.0.1/8 has host bits set"


def test_announcements_over_a_network_need_a_network() -> None:
    nowhere: dict[str, Any] = {"discovery__subscribe_allow": ()}
    assert wrong(**nowhere) == []
    assert wrong(**nowhere, discovery__subscribe=Address(path="/s")) == []
    assert wrong(**nowhere, discovery__subscribe=Address(host="h", port=1)) == [
        "--subscribe-allow: without a network, no announcement at --subscribe h:1 counts; write it "
        "like 127.0.0.0/8"
    ]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("App.example.com:8080", ""),
        ("http://app/", "'http://app/' is neither host nor host:port"),
        ("app/path", "'app/path' is neither host nor host:port"),
    ],
)
def test_the_fallback_key_is_a_key(key: str, why: str) -> None:
    lines = wrong(discovery__subscribe=Address(path="/s"), discovery__subscribe_fallback_key=key)
    assert lines == ([f"--subscribe-fallback-key {key}: {why}"] if why else [])


def test_settings_of_the_subscription_server_are_for_one() -> None:
    values = {"discovery__subscribe_keys_dir": "/k", "discovery__subscribe_fallback_key": "a"}
    assert wrong(**values, discovery__subscribe=Address(host="h", port=1)) == []
    assert wrong(**values) == [
        "--subscribe-keys-dir /k: for --subscribe only",
        "--subscribe-fallback-key a: for --subscribe only",
    ]


def test_any_conditions_are_right() -> None:
    assert wrong(retry__conditions=CONDITIONS) == []
