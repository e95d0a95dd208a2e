"""What settings make of a request."""

from dataclasses import replace

import pytest

from protocol.messages import ConnectionFacts, HeaderBlock, Request
from protocol.uri import Target
from proxy.settings import BalanceSettings, QueueSettings, StickySettings, UpstreamSettings
from proxy.upstream.requirements import Requirements

FACTS = ConnectionFacts(b"192.0.2.7", b"4711")


def request(path: bytes = b"/a", *fields: tuple[bytes, bytes]) -> Request:
    target = Target(path + b"?q", path, b"q", None)
    return Request(b"GET", b"GET / HTTP/1.1", target, b"HTTP/1.1", 1, HeaderBlock(list(fields)))


def balanced(**balance: object) -> Requirements:
    return Requirements(UpstreamSettings(balance=BalanceSettings(**balance)))  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["round-robin", "least-conn", "first", "random-two"])
def test_mostly_nothing_is_looked_at(algorithm: str) -> None:
    wanted = balanced(algorithm=algorithm).of(request(), FACTS)
    assert (wanted.query, wanted.has_body, wanted.tried) == (None, False, {})


def test_a_body_is_noted() -> None:
    with_body = replace(request(), headers=HeaderBlock([], content_length=1))
    assert Requirements(UpstreamSettings()).of(with_body, FACTS).has_body


def test_the_client_decides() -> None:
    query = balanced(algorithm="ip-hash").of(request(), FACTS).query
    assert query is not None
    assert (query.client, query.key, query.cookie) == ("192.0.2.7", b"", "")


@pytest.mark.parametrize("algorithm", ["hash", "consistent-hash"])
def test_a_key_decides(algorithm: str) -> None:
    query = balanced(algorithm=algorithm, hash_key="$uri-x").of(request(), FACTS).query
    assert query is not None
    assert (query.client, query.key) == ("", b"/a-x")


def test_a_cookie_decides() -> None:
    requirements = balanced(sticky=StickySettings(name="route"))
    assert requirements.sticky is not None
    query = requirements.of(request(b"/", (b"Cookie", b"a=b; route=here")), FACTS).query
    assert query is not None
    assert query.cookie == "here"


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        balanced(algorithm="hash", hash_key="$nonsense")


@pytest.mark.parametrize(
    ("algorithm", "needs"), [("least-time", True), ("least-time-last-byte", True), ("hash", False)]
)
def test_who_looks_at_times(algorithm: str, needs: bool) -> None:
    assert balanced(algorithm=algorithm).needs_times is needs


def test_the_longest_prefix_gives_the_class() -> None:
    classes = (("/", 1), ("/batch", 100), ("/batch/urgent", -5))
    requirements = Requirements(UpstreamSettings(queue=QueueSettings(priorities=classes)))
    for path, priority in ((b"/x", 1), (b"/batch/1", 100), (b"/batch/urgent", -5)):
        assert requirements.priority_of(request(path)) == priority
    assert Requirements(UpstreamSettings()).priority_of(request()) == 0
