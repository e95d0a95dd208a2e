"""uWSGI's stats JSON, as facts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.checks.stats import StatsError, StatsFacts, parse_stats
from tests.upstream.checks.stats_text import CHEAP, Tree, text, tree, worker

FACTS = StatsFacts(
    version="2.0.30",
    pid=1000,
    capacity=4,
    busy=1,
    workers=2,
    asleep=0,
    accepting=2,
    worker_pids=(1001, 1002),
    requests=20,
    exceptions=2,
    harakiri=0,
    respawns=0,
    listen_queue=0,
    max_listen_queue=100,
    listen_queue_errors=0,
)
WHOLE = text(worker(1, busy=1), worker(2))


def test_the_facts_of_an_instance() -> None:
    assert parse_stats(WHOLE) == FACTS


def test_with_the_head_of_stats_http() -> None:
    head = b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
    assert parse_stats(head + WHOLE) == FACTS


def test_minified() -> None:
    assert parse_stats(json.dumps(json.loads(WHOLE), separators=(",", ":")).encode()) == FACTS


def test_workers_that_sleep_are_no_capacity() -> None:
    facts = parse_stats(text(worker(1), worker(2, CHEAP), worker(3, CHEAP)))
    assert (facts.capacity, facts.workers, facts.asleep, facts.accepting) == (2, 1, 2, 1)
    assert facts.worker_pids == (1001,)
    assert not facts.is_dead
    assert not parse_stats(text(worker(1, CHEAP))).is_dead


@pytest.mark.parametrize(
    "changes",
    [{"accepting": 0}, {"status": "pause"}, {"pid": 0, "accepting": 0}],
    ids=["still importing", "paused", "gone"],
)
def test_workers_that_do_not_serve(changes: Tree) -> None:
    one = parse_stats(text(worker(1, changes), worker(2)))
    assert (one.workers, one.accepting, one.capacity) == (2, 1, 4)
    assert not one.is_dead
    assert parse_stats(text(worker(1, changes))).is_dead


def test_a_signal_is_no_reason_not_to_serve() -> None:
    assert parse_stats(text(worker(1, {"status": "sig7"}))).accepting == 1


def test_counters_are_sums_over_the_workers() -> None:
    facts = parse_stats(
        text(
            worker(1, {"respawn_count": 3, "harakiri_count": 2, "exceptions": 7}),
            worker(2, {"respawn_count": 1, "harakiri_count": 1, "exceptions": 1}),
            worker(3, CHEAP),
            listen_queue=17,
            listen_queue_errors=4,
        )
    )
    assert (facts.respawns, facts.harakiri, facts.exceptions, facts.requests) == (2, 3, 9, 20)
    assert (facts.listen_queue, facts.listen_queue_errors) == (17, 4)


def test_the_variables_of_requests_may_hold_anything() -> None:
    """A client's bytes, which uWSGI copies without caring for their encoding."""
    marked = worker(1, cores=1, busy=1)
    marked["cores"][0]["vars"] = ["HTTP_COOKIE=MARK"]
    data = text(marked).replace(b"MARK", b"\xff\xfe\x01\t\x80")
    assert parse_stats(data).busy == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"\x00\xff",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"workers":[]}',
        b'{"workers":{}}',
        b'{"workers":[1,null]}',
        b"[" * 200_000,
        b'{"workers":' * 100_000,
        b'{"pid":' + b"9" * 5000 + b"}",
        WHOLE[:-1],
        WHOLE[: len(WHOLE) // 2],
        WHOLE + WHOLE,
    ],
    ids=lambda data: f"{len(data)} {data[:12]!r}",
)
def test_what_is_no_stats_server_s(data: bytes) -> None:
    with pytest.raises(StatsError):
        parse_stats(data)


@pytest.mark.parametrize("value", [None, "7", 7.5, -3, True, [], {}])
def test_a_field_of_another_type_counts_as_nothing(value: object) -> None:
    fields = ("pid", "accepting", "requests", "exceptions", "harakiri_count", "respawn_count")
    facts = parse_stats(text(worker(1, dict.fromkeys(fields, value)), pid=value, version=7))
    assert (facts.pid, facts.requests, facts.accepting, facts.worker_pids) == (0, 0, 0, ())
    assert (facts.version, facts.respawns) == ("", 0)


def test_a_field_that_is_missing_counts_as_nothing() -> None:
    facts = parse_stats(b'{"workers":[{}]}')
    assert facts == StatsFacts("", 0, 0, 0, 1, 0, 0, (), 0, 0, 0, 0, 0, 0, 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(lambda cut: WHOLE[:cut], st.integers(0, len(WHOLE))),
        st.builds(
            lambda name, value: json.dumps({**tree(worker(1)), name: value}).encode(),
            st.sampled_from(["workers", "sockets", "pid", "version"]),
            json_values,
        ),
        st.builds(
            lambda name, value: text(worker(1, {name: value})),
            st.sampled_from(["cores", "pid", "status", "accepting", "requests"]),
            json_values,
        ),
    )
)
def test_whatever_comes_it_is_facts_or_a_stats_error(data: bytes) -> None:
    try:
        facts = parse_stats(data)
    except StatsError:
        return
    assert 0 <= facts.busy <= facts.capacity
    assert facts.accepting <= facts.workers
