"""What a process says about itself."""

import json
import os

from proxy import errors
from proxy.settings import CheckSettings, CheckSpec
from proxy.upstream.backlog import Depth
from proxy.upstream.health import Outcome
from tests.control.scene import Scene, a


def test_every_answer_is_what_json_can_carry() -> None:
    scene = Scene(check=CheckSettings((CheckSpec("connect"),)))
    scene.start()
    scene.happen(502, errors.READ_TIMEOUT)
    scene.clock.advance(3)
    for question in ("metrics", "overview", "readiness", "settings"):
        answer = scene.answers.answer({"ask": question})
        assert json.loads(json.dumps(answer)) == answer
    assert scene.answers.answer({"ask": "nonsense"})["error"]["code"] == "bad_question"


def test_the_process() -> None:
    scene = Scene()
    scene.clock.advance(12)
    process = scene.answers.overview()["process"]
    assert (process["pid"], process["uptime_s"]) == (os.getpid(), 12.0)
    assert process["connections"] == {"open": 0}


def test_a_backend_in_good_health() -> None:
    scene = Scene(backends=1)
    scene.start()
    one = scene.backends[0]
    one.in_flight, one.attempts, one.max_conns = 2, 7, 4
    one.backlog = Depth(3, 128)
    (shown,) = scene.answers.overview()["upstreams"][0]["backends"]
    expected = {"server": a(0), "duty": "serving", "state": "up", "trouble": "", "active": 2}
    expected |= {"max_conns": 4, "limit": 4, "requests": 7, "state_for_s": None}
    expected |= {"listen_queue": {"pending": 3, "limit": 128}, "health_checks": None}
    assert {key: shown[key] for key in expected} == expected


def test_a_backend_in_trouble() -> None:
    scene = Scene(backends=2)
    scene.kernel[0].outcome = errors.SOCKET_MISSING
    scene.start()
    shown, other = scene.answers.overview()["upstreams"][0]["backends"]
    assert (shown["trouble"], shown["state"]) == ("socket_missing", "up")
    assert other["trouble"] == ""


def test_what_checks_say() -> None:
    scene = Scene(backends=1, check=CheckSettings((CheckSpec("connect"),), fall=1))
    scene.kernel[0].outcome = errors.CONNECT_REFUSED
    scene.start()
    scene.clock.advance(5)
    upstream = scene.answers.overview()["upstreams"][0]
    checks = upstream["backends"][0]["health_checks"]
    assert upstream["checks"] == ["connect"]
    assert (checks["fails"] > 0, checks["unhealthy"]) == (True, 1)
    (last,) = checks["last"]
    assert (last["check"], last["verdict"], last["word"]) == ("connect", "bad", "connect_refused")
    assert upstream["backends"][0]["trouble"] == "down"


def test_how_long_a_state_has_lasted() -> None:
    scene = Scene(backends=2)
    scene.start()
    backend, pool = scene.backends[0], scene.upstream.pool
    backend.in_flight += 1
    pool.give_back(backend, Outcome.BAD, 502)
    scene.clock.advance(3)
    shown, _ = scene.answers.overview()["upstreams"][0]["backends"]
    assert (shown["state"], shown["state_for_s"], shown["fails_in_a_row"]) == ("paused", 3.0, 1)


def test_the_line() -> None:
    scene = Scene()
    queue = scene.answers.overview()["upstreams"][0]["queue"]
    assert queue == {"size": 0, "max_size": 1024, "longest": 0, "overflows": 0}


def test_what_has_happened() -> None:
    scene = Scene()
    scene.happen()
    scene.happen(502, errors.EOF_BEFORE_HEADERS)
    overview = scene.answers.overview()
    assert overview["numbers"]["requests"] == 2
    assert [one["reason"] for one in overview["failures"]] == ["eof_before_headers"]
