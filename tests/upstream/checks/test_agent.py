"""uWSGI's stats server as an agent."""

import pytest

from proxy import errors
from proxy.settings import Address, BackendSettings
from proxy.testing.memory_network import Outcome
from proxy.upstream.checks.agent import MAX_BYTES, PATIENCE_S, StatsCheck, find_literal, judge_facts
from proxy.upstream.checks.stats import parse_stats
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Verdict
from tests.upstream.checks.bench import ADDRESS, STATS, Bench, drip, make_backend
from tests.upstream.checks.stats_text import CHEAP, text, worker

CHECK = StatsCheck()
WHOLE = text(worker(1, busy=1), worker(2))


def bench_with_stats(stats: Address | None = STATS) -> Bench:
    return Bench(BackendSettings(ADDRESS, stats=stats))


REQUEST = b"GET / HTTP/1.0\r\n\r\n"
HTTP_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


def test_what_it_says_is_believed() -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    assert not bench.memory.channels
    bench.stats.channel.end(WHOLE)
    assert asked.fate == (Verdict.GOOD, "ok")
    assert asked.finding.detail == (
        "2 of 2 workers serve, 1 cores busy of 4, 0 in the listen queue"
    )
    assert bench.subject.facts == parse_stats(WHOLE)


def test_a_request_is_sent_the_first_time_and_not_again() -> None:
    """A plain stats server resets the connection because of it, behind all that it says."""
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    assert bench.stats.channel.sent == REQUEST
    bench.stats.channel.reply(WHOLE)
    bench.stats.channel.reset()
    assert asked.fate == (Verdict.GOOD, "ok")
    asked = bench.ask(CHECK)
    assert not bench.stats.channel.sent
    bench.stats.channel.end(WHOLE)
    assert asked.fate == (Verdict.GOOD, "ok")


def test_where_a_request_is_wanted_there_always_is_one() -> None:
    bench = bench_with_stats()
    for _ in range(3):
        asked = bench.ask(CHECK)
        assert bench.stats.channel.sent == REQUEST
        bench.stats.channel.end(HTTP_HEAD + WHOLE)
        assert asked.fate == (Verdict.GOOD, "ok")


def test_after_a_silence_there_is_a_request_again() -> None:
    """The instance may have been started anew, with --stats-http."""
    bench = bench_with_stats()
    bench.subject.stats_in_http = False
    assert bench.ask(CHECK).expire().fate == (Verdict.UNKNOWN, "read_timeout")
    bench.ask(CHECK)
    assert bench.stats.channel.sent == REQUEST


def test_byte_by_byte() -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    drip(bench.stats.channel, WHOLE)
    assert not asked.ended
    bench.stats.channel.end()
    assert asked.fate == (Verdict.GOOD, "ok")


def test_only_backends_with_a_stats_server_have_one() -> None:
    assert CHECK.applies(make_backend(BackendSettings(ADDRESS, stats=STATS)))
    assert not CHECK.applies(make_backend())
    assert CHECK.label == "stats"


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (errors.CONNECT_REFUSED, "connect_refused"),
        (errors.SOCKET_MISSING, "socket_missing"),
        ("busy", "backlog_full"),
    ],
)
def test_an_agent_that_is_away_proves_nothing(outcome: Outcome, word: str) -> None:
    bench = bench_with_stats()
    bench.stats.outcome = outcome
    assert bench.ask(CHECK).fate == (Verdict.UNKNOWN, word)


def test_nor_does_one_that_is_silent() -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    bench.stats.channel.reply(WHOLE[:100])
    assert asked.expire().fate == (Verdict.UNKNOWN, "read_timeout")


@pytest.mark.parametrize(("size", "word"), [(0, "reset_before_headers"), (100, "bad_stats")])
def test_nor_does_one_that_breaks_off(size: int, word: str) -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    bench.stats.channel.reply(WHOLE[:size])
    bench.stats.channel.reset()
    assert asked.fate == (Verdict.UNKNOWN, word)


@pytest.mark.parametrize("data", [b"", b"\x00", b"HTTP/1.0 404 Not Found\r\n\r\n", WHOLE[:-1]])
def test_nor_does_garbage(data: bytes) -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    bench.stats.channel.end(data)
    assert asked.fate == (Verdict.UNKNOWN, "bad_stats")
    assert bench.subject.facts is None


def test_nor_does_one_without_end() -> None:
    bench = bench_with_stats()
    asked = bench.ask(CHECK)
    bench.stats.channel.reply(b" " * MAX_BYTES)
    assert not asked.ended
    bench.stats.channel.reply(b" ")
    assert asked.fate == (Verdict.UNKNOWN, "bad_stats")
    assert asked.finding.detail == "unix:/run/stats.sock: over 4194304 bytes"


def test_a_name_is_not_looked_up() -> None:
    bench = bench_with_stats(Address(host="app.example", port=1717))
    asked = bench.ask(CHECK)
    assert asked.fate == (Verdict.UNKNOWN, "bad_address")
    assert "app.example:1717" in asked.finding.detail


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (Address(host="127.0.0.1", port=1), Address(host="127.0.0.1", port=1)),
        (Address(host="::1", port=1), Address(host="::1", port=1)),
        (Address(host="localhost", port=1), Address(host="127.0.0.1", port=1)),
        (Address(path="\0stats"), Address(path="\0stats")),
        (Address(host="app.example", port=1), None),
    ],
)
def test_where_a_literal_leads(given: Address, found: Address | None) -> None:
    assert find_literal(given) == found


def test_without_workers_it_is_bad_when_that_lasts() -> None:
    """A reload looks like that, too: the application is being imported."""
    subject = Subject(make_backend())
    none = parse_stats(text(worker(1, {"accepting": 0})))
    some = parse_stats(text(worker(1, {"accepting": 0}), worker(2)))
    verdicts = [
        judge_facts(none, subject, 100.0),
        judge_facts(none, subject, 100.0 + PATIENCE_S - 0.1),
        judge_facts(some, subject, 100.0 + PATIENCE_S),
        judge_facts(none, subject, 200.0),
        judge_facts(none, subject, 200.0 + PATIENCE_S),
        judge_facts(some, subject, 300.0),
    ]
    fates = [(finding.verdict, finding.word) for finding in verdicts]
    assert fates == [
        (Verdict.BUSY, "no_worker"),
        (Verdict.BUSY, "no_worker"),
        (Verdict.GOOD, "ok"),
        (Verdict.BUSY, "no_worker"),
        (Verdict.BAD, "no_worker"),
        (Verdict.GOOD, "ok"),
    ]


def test_an_instance_that_sleeps_is_good() -> None:
    facts = parse_stats(text(worker(1, CHEAP)))
    assert judge_facts(facts, Subject(make_backend()), 0.0).verdict is Verdict.GOOD
