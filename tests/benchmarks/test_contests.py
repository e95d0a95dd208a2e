"""Who competes is what the documentation says; each contest runs on a small scale."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import contests, drive
from benchmarks.contests import CONTESTS, MIXED, OVERLOAD, Contest
from benchmarks.results import CEILING, OURS, THEIRS, Sample
from proxy.lab import measure
from proxy.lab.processes import BenchError, find

needs_nginx = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        find("nginx") is None and os.environ.get("REQUIRE_NGINX") != "1",
        reason="nginx is not installed",
    ),
]

SMALL_OVERLOAD = replace(OVERLOAD, clients=40, listen=4)
SMALL_MIXED = replace(MIXED, rate=60.0, slow_ms=60)


def play(contest: Contest, name: str, place: Path, seconds: float = 0.6) -> Sample:
    before = set(measure.stats())
    contestant = contest.find(name)
    with contests.set_up(contest, contestant, place / "contestant") as stand:
        assert str(place) not in stand.config
        assert len(stand.backends) == contestant.instances
        cap = f" max_conns={contestant.max_conns}"
        assert stand.config.count(cap) == (contestant.instances if contestant.max_conns else 0)
        assert contestant.method in stand.config
        sample = drive.compete(contest, contestant, stand, seconds, 1)
    children = measure.family(os.getpid(), measure.stats())
    assert [pid for pid in children if pid not in before] == []
    return sample


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda each: each.name)
def test_names_are_unique_and_chosen_by_front_end(contest: Contest) -> None:
    names = [each.name for each in contest.contestants]
    assert len(set(names)) == len(names)
    assert {THEIRS, OURS} <= set(names)
    assert [*contest.names(["nginx"]), *contest.names(["proxy"])] == sorted(
        names, key=lambda name: contest.find(name).front
    )


def test_the_load_of_mixed_is_seven_tenths_of_four_workers() -> None:
    share = MIXED.slow_percent / 100
    mean_s = ((1 - share) * MIXED.quick_ms + share * MIXED.slow_ms) / 1000
    assert MIXED.rate * mean_s / 4 == pytest.approx(0.7, abs=0.005)
    assert all(each.instances * each.processes == 4 for each in MIXED.contestants)


def test_overload_is_more_than_the_listen_queue_holds_but_its_ceiling_is_not() -> None:
    assert OVERLOAD.clients > OVERLOAD.listen * 2
    assert OVERLOAD.find(CEILING).clients < OVERLOAD.listen
    assert all(each.instances * each.processes == 2 for each in OVERLOAD.contestants)


@pytest.mark.soak
@pytest.mark.parametrize(
    "name", [OURS, "proxy-uncapped", "proxy-posts", pytest.param(CEILING, marks=needs_nginx)]
)
def test_nobody_fails_in_a_line(name: str, tmp_path: Path) -> None:
    contest = replace(
        SMALL_OVERLOAD,
        contestants=tuple(
            replace(each, clients=each.clients and 3) for each in OVERLOAD.contestants
        ),
    )
    found = play(contest, name, tmp_path)
    assert found.errors == {}
    assert 0 < found.requests <= found.answered
    assert found.values["failed_percent"] == 0
    assert found.values["p50_ms"] >= 20
    assert found.elapsed_s >= found.seconds == 0.6


@pytest.mark.parametrize("name", [THEIRS, "nginx-least-conn"])
@pytest.mark.nginx
@needs_nginx[1]
def test_nginx_fails_when_the_listen_queue_is_full(name: str, tmp_path: Path) -> None:
    found = play(SMALL_OVERLOAD, name, tmp_path)
    assert set(found.errors) == {"502"}
    assert found.values["failed_percent"] > 50
    assert found.answered > 0


@pytest.mark.soak
@pytest.mark.parametrize(
    "name",
    [
        OURS,
        "proxy-one",
        *(pytest.param(each, marks=needs_nginx) for each in MIXED.names(["nginx"])),
    ],
)
def test_mixed(name: str, tmp_path: Path) -> None:
    found = play(SMALL_MIXED, name, tmp_path)
    assert found.errors == {}
    assert 0 < found.answered < 4 * SMALL_MIXED.rate
    assert found.max_us is not None
    assert found.max_us >= 60_000
    assert 5_000 <= found.quick_us["p50"] <= found.quick_us["max"] <= found.max_us


def test_a_contestant_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match="proxy: ended with"),
        contests.set_up(OVERLOAD, OVERLOAD.find(OURS), tmp_path / "c", ["--no-such-option"]),
    ):
        pass


def test_a_generator_that_fails_says_why() -> None:
    with pytest.raises(BenchError, match=r"generator: .*Connection"):
        contests.generate(OVERLOAD, OVERLOAD.find(OURS), 1, 0.1, 1)
