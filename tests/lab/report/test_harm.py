"""Whose clients are hurt: each answer turns round when the effect is taken away."""

import pytest

from proxy.lab.report.harm import probe, shield
from proxy.lab.report.verdict import Verdict
from tests.lab.made import report, row

GOOD = {"p50_us": [300.0], "p90_us": [600.0], "p99_us": [900.0]}
SHIELD = shield("slow-uploads", "?", "slow uploads")
CHUNKED = probe("chunked-upload", "?", "ok")


def judged(direct: object, front: object) -> Verdict:
    made = report(slow_uploads=[direct, front])  # type: ignore[list-item]
    found = SHIELD(made)
    assert found is not None
    return found


def test_losses_of_those_alone_speak_for_a_front_end() -> None:
    found = judged(row("uwsgi-direct", {}, {"timeout": 50}), row("proxy-uwsgi", GOOD))
    assert found.word == "front-end"
    assert found.answer == (
        "Hurt by slow uploads: uWSGI alone (--http-socket). "
        "Not hurt: this proxy before uWSGI (unix)."
    )
    assert found.numbers[0] == (
        "uWSGI alone (--http-socket)", "0 of 50 answered, p99 no answer at all, 50 timeout"
    )  # fmt: skip


def test_without_losses_nobody_is_hurt() -> None:
    assert judged(row("uwsgi-direct", GOOD), row("proxy-uwsgi", GOOD)).word == "alike"


def test_losses_of_front_ends_alone_speak_against_them() -> None:
    assert judged(row("uwsgi-direct", GOOD), row("nginx-uwsgi", {}, {"5xx": 9})).word == "alone"


def test_when_all_lose_it_is_alike() -> None:
    lost = {"ok": 1, "reset": 9}
    found = judged(row("uwsgi-direct", GOOD, lost), row("proxy-uwsgi", GOOD, lost))
    assert found.word == "alike"
    assert "Nobody was spared" in found.answer


def test_a_chance_failure_is_none() -> None:
    few = {"ok": 995, "reset": 5}
    assert judged(row("uwsgi-direct", GOOD, few), row("proxy-uwsgi", GOOD)).word == "alike"


@pytest.mark.parametrize(("lost", "word"), [(2, "alike"), (3, "front-end")])
def test_of_few_requests_a_few_are_chance(lost: int, word: str) -> None:
    few = {"ok": 50 - lost, "timeout": lost}
    assert judged(row("uwsgi-direct", GOOD, few), row("proxy-uwsgi", GOOD)).word == word


@pytest.mark.parametrize(("waiting", "word"), [(True, "front-end"), (False, "alike")])
def test_to_wait_long_is_harm_where_nothing_is_restarted(waiting: bool, word: str) -> None:
    late = {"p50_us": [900_000.0], "p90_us": [900_000.0], "p99_us": [900_000.0]}
    made = report(reload=[row("uwsgi-direct", late), row("proxy-uwsgi", GOOD)])
    found = shield("reload", "?", "the reload", waiting)(made)
    assert found is not None
    assert found.word == word


def test_what_the_generator_has_waited_for_itself_no_server_has_done() -> None:
    """The machine stood still in most of the rounds, and in none of them."""
    waits = {"p50_us": [300.0, 900_000.0, 900_000.0]}
    for late_us, word in ((800_000.0, "alike"), (800.0, "front-end")):
        late = {"late_p99_us": [800.0, late_us, late_us]}
        slow = row("uwsgi-direct", {**waits, **late})
        assert judged(slow, row("proxy-uwsgi", GOOD)).word == word
    never_in_time = {**waits, "late_p99_us": [800_000.0] * 3}
    assert judged(row("uwsgi-direct", never_in_time), row("proxy-uwsgi", GOOD)).word == "alike"


def test_the_slowest_of_few_are_chance() -> None:
    """Or those that came when a front end was taking large answers off the workers."""
    hiccup = {**GOOD, "p90_us": [150_000.0], "p99_us": [150_000.0]}
    assert judged(row("uwsgi-direct", {}, {"timeout": 50}), row("proxy-uwsgi", hiccup)).word == (
        "front-end"
    )


def test_nothing_beside_it_says_nothing() -> None:
    made = report(slow_uploads=[row("uwsgi-direct", {}, {"timeout": 50})])
    found = SHIELD(made)
    assert found is not None
    assert found.word == "unknown"
    assert SHIELD(report()) is None


def probed(good: float) -> dict[str, list[float]]:
    key = "chunked-upload"
    return {f"{key}:ok": [good], f"{key}:answered": [3.0], f"{key}:asked": [3.0]}


def test_probes() -> None:
    direct, front = row("uwsgi-http", probed(0.0)), row("nginx-uwsgi", probed(3.0))
    direct.samples[0].notes.append("chunked-upload: 200, but the application got '0'")
    found = CHUNKED(report(probes=[direct, front]))
    assert found is not None
    assert found.word == "front-end"
    assert "but the application got '0'" in found.numbers[0][1]
    same = CHUNKED(report(probes=[row("uwsgi-http", probed(3.0)), front]))
    assert same is not None
    assert (same.word, same.answer) == ("alike", "Yes, from everybody.")
    answered = probe("chunked-upload", "?", "answered")(report(probes=[direct, front]))
    assert answered is not None
    assert answered.word == "alike"
    assert CHUNKED(report()) is None
