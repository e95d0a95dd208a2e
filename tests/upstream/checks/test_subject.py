"""How many requests a backend takes, as far as its checks know."""

from dataclasses import replace

import pytest

from proxy.settings import BackendSettings
from proxy.share import Share
from proxy.upstream.checks.subject import Subject
from tests.upstream.checks.bench import ADDRESS, Bench, make_backend
from tests.upstream.checks.test_stats import FACTS


def test_the_capacity_is_the_configured_or_the_learned_or_the_told_one() -> None:
    subject = Subject(make_backend())
    assert subject.capacity == 0
    subject.facts = replace(FACTS, capacity=8)
    assert subject.capacity == 8
    subject.backend.learned_conns = 6
    assert subject.capacity == 6
    subject.backend.max_conns = 3
    assert subject.capacity == 3


@pytest.mark.parametrize(
    ("capacity", "in_flight", "full"),
    [(0, 0, False), (0, 100, False), (2, 1, False), (2, 2, True), (2, 3, True)],
)
def test_it_is_full_when_our_requests_fill_it(capacity: int, in_flight: int, full: bool) -> None:
    subject = Subject(make_backend())
    subject.backend.max_conns, subject.backend.in_flight = capacity, in_flight
    assert subject.is_full is full


@pytest.mark.parametrize("puwsgi", [False, True])
@pytest.mark.parametrize(
    ("capacity", "resting", "in_flight", "full"),
    [(0, 0, 0, False), (0, 1, 0, True), (2, 1, 0, False), (2, 1, 1, True), (2, 2, 0, True)],
)
def test_a_resting_puwsgi_connection_occupies_a_worker(
    puwsgi: bool, capacity: int, resting: int, in_flight: int, full: bool
) -> None:
    bench = Bench(BackendSettings(ADDRESS, puwsgi=puwsgi, keepalive=2, max_conns=capacity))
    bench.backend.in_flight = in_flight
    for _ in range(resting):
        assert bench.backend.idle.put(bench.network.open(ADDRESS, lambda: None))
    assert bench.subject.is_full is (full and puwsgi)
    bench.backend.idle.close()


def test_of_several_workers_each_fills_its_part() -> None:
    subject = Subject(make_backend())
    subject.backend.max_conns, subject.backend.share = 4, Share(0, 2)
    subject.backend.in_flight = 2
    assert subject.is_full
