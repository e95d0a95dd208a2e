"""What is wrong, in the order in which it matters, and what to do."""

from typing import Any

from proxy import errors
from proxy.control.merge import merge_overviews
from proxy.control.problems import BAD, MAX_PROBLEMS, NOTE, WARN, find_problems, worst_of
from proxy.settings import CheckSettings, CheckSpec
from proxy.upstream.backlog import Depth
from proxy.upstream.health import Outcome
from tests.control.scene import Scene, a


def problems(scene: Scene) -> list[dict[str, str]]:
    overview = merge_overviews([scene.answers.overview()])
    return find_problems(overview, scene.pulse.history.window())


def fail(scene: Scene, number: int) -> None:
    backend = scene.backends[number]
    backend.in_flight += 1
    scene.upstream.pool.give_back(backend, Outcome.BAD, 502)
    scene.happen(502, errors.EOF_BEFORE_HEADERS, at=number)


def running(**options: Any) -> Scene:
    scene = Scene(**options)
    scene.start()
    return scene


def test_all_is_well() -> None:
    assert problems(running()) == []
    assert worst_of([]) == "ok"


def test_no_backend_can_serve() -> None:
    scene = Scene()
    for one in scene.kernel:
        one.outcome = errors.SOCKET_MISSING
    scene.start()
    (problem,) = problems(scene)
    assert problem["severity"] == worst_of([problem]) == BAD
    assert problem["title"] == "default: no backend can serve"
    assert a(0) in problem["text"]
    assert problem["next_step"] == errors.SOCKET_MISSING.next_step


def test_one_of_several_does_not() -> None:
    scene = running()
    fail(scene, 1)
    (problem,) = problems(scene)
    assert (problem["severity"], problem["title"]) == (WARN, f"default: {a(1)} does not serve")
    assert "max_fails" in problem["text"]
    assert problem["next_step"] == errors.EOF_BEFORE_HEADERS.next_step


def test_all_have_failed_too_often_and_are_tried_all_the_same() -> None:
    scene = running()
    for number in (0, 1):
        scene.backends[number].replied = True
        fail(scene, number)
    (problem,) = problems(scene)
    title = "default: 2 backends failed too often, tried all the same"
    assert (problem["severity"], problem["title"]) == (WARN, title)


def test_what_checks_have_found() -> None:
    scene = Scene(check=CheckSettings((CheckSpec("connect"),), fall=1))
    scene.kernel[0].outcome = errors.CONNECT_REFUSED
    scene.start()
    scene.clock.advance(5)
    (problem,) = problems(scene)
    assert problem["text"].startswith("connect: connect_refused")
    assert problem["next_step"] == errors.CONNECT_REFUSED.next_step


def test_what_operators_do_is_a_note_unless_nobody_is_left() -> None:
    scene = running()
    scene.upstream.pool.drain(scene.backends[0])
    (problem,) = problems(scene)
    assert (problem["severity"], worst_of([problem])) == (NOTE, "ok")
    scene.upstream.pool.drain(scene.backends[1])
    assert problems(scene)[0]["title"] == "default: there is no backend to send requests to"
    assert "none is known" in problems(running(backends=0))[0]["text"]


def test_errors_by_their_share() -> None:
    scene = running(backends=1)
    for good, severity in ((900, WARN), (0, BAD)):
        for _ in range(good):
            scene.happen()
        for _ in range(90):
            scene.happen(502, errors.EOF_BEFORE_HEADERS)
        scene.happen(400, errors.BAD_REQUEST["bad_header"])
        scene.clock.advance(1)
        problem = next(one for one in problems(scene) if one["key"] == "errors")
        assert problem["severity"] == severity
        assert "eof_before_headers" in problem["text"]
        assert "bad_header" not in problem["text"]
        assert problem["next_step"] == errors.EOF_BEFORE_HEADERS.next_step


def test_errors_of_the_application_itself() -> None:
    scene = running(backends=1)
    scene.happen(500)
    scene.clock.advance(1)
    (problem,) = problems(scene)
    assert problem["severity"] == WARN  # one request says little
    assert problem["next_step"] == "see the application's log"


def test_lines_and_listen_queues() -> None:
    scene = running()
    scene.backends[0].backlog = Depth(90, 100)
    overview = merge_overviews([scene.answers.overview()])
    queue = overview["upstreams"][0]["queue"]
    queue["size"] = 3
    line, listen = find_problems(overview, scene.pulse.history.window())
    assert (line["severity"], line["title"]) == (WARN, "default: 3 requests wait for a backend")
    assert "90 of 100" in listen["text"]
    queue["size"] = 600
    assert find_problems(overview, scene.pulse.history.window())[0]["severity"] == BAD


def test_the_end_of_a_process() -> None:
    scene = running()
    scene.draining = True
    assert problems(scene)[0]["key"] == "draining"
    assert find_problems(merge_overviews([]), scene.pulse.history.window())[0]["key"] == "workers"


def test_there_is_an_end_to_it() -> None:
    scene = running(backends=9)
    overview = merge_overviews([scene.answers.overview()])
    overview["upstreams"] *= 5
    for upstream in overview["upstreams"]:
        for backend in upstream["backends"][1:]:
            backend["trouble"] = "absent"
    assert len(find_problems(overview, scene.pulse.history.window())) == MAX_PROBLEMS
