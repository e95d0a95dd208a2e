"""The answers of several processes, made one."""

from proxy import errors
from proxy.control.merge import merge_changes, merge_overviews
from proxy.settings import CheckSettings, CheckSpec
from proxy.upstream.health import Outcome
from tests.control.scene import Scene, a


def scenes() -> tuple[Scene, Scene]:
    both = Scene(), Scene()
    for scene in both:
        scene.start()
    return both


def test_counts_add_up() -> None:
    one, other = scenes()
    for scene, number in ((one, 2), (other, 3)):
        scene.backends[0].in_flight = scene.backends[0].attempts = number
        scene.backends[0].max_conns = 8
        scene.upstream.pool.line.longest = number
        scene.happen(502, errors.EOF_BEFORE_HEADERS)
    merged = merge_overviews([one.answers.overview(), other.answers.overview()])
    (upstream,) = merged["upstreams"]
    first, _second = upstream["backends"]
    assert (first["active"], first["requests"], first["server"]) == (5, 5, a(0))
    assert (first["max_conns"], first["limit"]) == (8, 16)
    assert upstream["queue"] == {"size": 0, "max_size": 2048, "longest": 3, "overflows": 0}
    assert merged["numbers"]["requests"] == len(merged["failures"]) == len(merged["workers"]) == 2


def test_the_worse_state_shows_but_trouble_is_what_all_have() -> None:
    one, other = scenes()
    backend = one.backends[1]
    backend.in_flight += 1
    one.upstream.pool.give_back(backend, Outcome.BAD, 502)
    merged = merge_overviews([other.answers.overview(), one.answers.overview()])
    shown = merged["upstreams"][0]["backends"][1]
    assert (shown["state"], shown["trouble"]) == ("paused", "")


def test_who_is_drained_in_one_process_only_still_serves() -> None:
    one, other = scenes()
    one.upstream.pool.drain(one.backends[0])
    merged = merge_overviews([one.answers.overview(), other.answers.overview()])
    assert merged["upstreams"][0]["backends"][0]["duty"] == "serving"


def test_checks_add_up() -> None:
    both = [Scene(1, check=CheckSettings((CheckSpec("connect"),))) for _ in range(2)]
    for scene in both:
        scene.start()
        scene.clock.advance(1)
    merged = merge_overviews([scene.answers.overview() for scene in both])
    checks = merged["upstreams"][0]["backends"][0]["health_checks"]
    assert checks["checks"] == 2 * len(checks["last"]) * (checks["checks"] // 2)
    assert len(checks["last"]) == 1


def test_all_have_to_drain() -> None:
    one, other = scenes()
    one.draining = True
    overviews = [one.answers.overview(), other.answers.overview()]
    assert not merge_overviews(overviews)["draining"]
    other.draining = True
    assert merge_overviews([one.answers.overview(), other.answers.overview()])["draining"]


def test_nobody_has_answered() -> None:
    merged = merge_overviews([None, {"error": {}}])
    assert (merged["workers"], merged["upstreams"], merged["draining"]) == ([], [], False)


def test_changes() -> None:
    one, other = scenes()
    command = {"do": "change", "upstream": "default", "backend": a(0), "weight": 5}
    answers = [one.answers.answer(command), other.answers.answer(command)]
    assert merge_changes(answers)["backend"]["weight"] == 5
    error = {"error": {"status": 404, "code": "no_backend", "text": "none"}}
    assert merge_changes([error, answers[0]])["backend"]["weight"] == 5
    assert merge_changes([error, error]) == error
    assert merge_changes([])["error"]["code"] == "no_worker"
