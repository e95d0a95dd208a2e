"""Looking whether somebody listens: who is looked at, when, and what follows."""

from dataclasses import replace

import pytest

from proxy import errors
from proxy.control.looks import ASKED_S, LOOK_S, MAX_RUNNING, QUIET_S, TIMEOUT_S, find_troubles
from proxy.settings import (
    Address,
    BackendSettings,
    CheckSettings,
    CheckSpec,
    HealthSettings,
    Settings,
    UpstreamSettings,
)
from proxy.testing.memory_network import MemoryBackend
from proxy.upstream.health import Outcome, State
from tests.control.scene import Scene


def begin(scene: Scene) -> None:
    scene.looks.start()
    scene.looks.note_question()


def troubles(scene: Scene) -> list[str]:
    return list(find_troubles(scene.upstream, scene.looks, scene.clock()).values())


def finish(scene: Scene, outcome: Outcome, number: int = 0) -> None:
    """Let a request end at a backend."""
    pool, backend = scene.upstream.pool, scene.backends[number]
    backend.in_flight += 1
    backend.attempts += 1
    backend.replied = backend.replied or outcome is Outcome.GOOD
    if backend.health.absent_since is not None:
        backend.health.selected(scene.clock())
    pool.give_back(backend, outcome, 200)


def test_backends_of_which_nothing_is_known_are_looked_at_once() -> None:
    scene = Scene(backends=3)
    scene.kernel[1].outcome = "busy"  # somebody listens
    scene.kernel[2].outcome = errors.CONNECT_REFUSED
    begin(scene)
    assert troubles(scene) == ["", "", "connect_refused"]
    assert [one.tries for one in scene.kernel[:3]] == [1, 1, 1]
    assert all(channel.closed for channel in scene.kernel[0].channels)


def test_who_is_missing_is_looked_at_each_second_and_the_others_less_often() -> None:
    scene = Scene(backends=2)
    scene.kernel[1].outcome = errors.SOCKET_MISSING
    begin(scene)
    scene.clock.advance(QUIET_S + LOOK_S)
    assert scene.kernel[0].tries == 2
    assert scene.kernel[1].tries == 1 + round(QUIET_S + LOOK_S)
    scene.kernel[1].outcome = "accept"
    scene.clock.advance(2 * LOOK_S)
    assert troubles(scene) == ["", ""]


def test_nobody_asks_and_nothing_is_done() -> None:
    scene = Scene(backends=1)
    scene.looks.start()
    scene.clock.advance(10 * ASKED_S)
    assert scene.kernel[0].tries == 0
    scene.looks.note_question()
    scene.clock.advance(2 * ASKED_S)
    tries = scene.kernel[0].tries
    scene.clock.advance(10 * ASKED_S)
    assert scene.kernel[0].tries == tries
    scene.looks.note_question()
    assert scene.kernel[0].tries == tries + 1


def test_a_look_that_takes_time_is_for_the_next_answer() -> None:
    scene = Scene(backends=1)
    address = Address(host="127.0.0.1", port=1)
    remote = MemoryBackend(address)
    scene.kernel.append(remote)
    scene.network.backends[address] = remote
    scene.upstream.pool.add(BackendSettings(address), address)
    scene.looks.start()
    scene.clock.advance(10 * ASKED_S)
    assert (scene.kernel[0].tries, remote.tries) == (0, 0)
    scene.looks.note_question()
    scene.clock.advance(LOOK_S)
    assert (scene.kernel[0].tries, remote.tries) == (1, 1)
    assert troubles(scene) == ["", ""]


def test_requests_tell_more_than_looks() -> None:
    scene = Scene(backends=1)
    begin(scene)
    for _ in range(20):
        finish(scene, Outcome.GOOD)
        scene.clock.advance(LOOK_S)
        assert troubles(scene) == [""]
    assert scene.kernel[0].tries == 1
    scene.kernel[0].outcome = errors.SOCKET_MISSING  # and then there are no requests any more
    scene.clock.advance(QUIET_S + 2 * LOOK_S)
    assert troubles(scene) == ["socket_missing"]


def test_an_absence_ends_without_a_request() -> None:
    scene = Scene(backends=2)
    begin(scene)
    finish(scene, Outcome.GOOD)
    finish(scene, Outcome.ABSENT)
    scene.kernel[0].outcome = errors.SOCKET_MISSING
    scene.clock.advance(3 * LOOK_S)
    assert troubles(scene)[0] == "socket_missing"
    assert scene.backends[0].health.state(scene.clock()) is State.ABSENT
    scene.kernel[0].outcome = "accept"
    scene.clock.advance(3 * LOOK_S)
    assert troubles(scene)[0] == ""
    assert scene.backends[0].health.state(scene.clock()) is State.UP


def test_a_first_request_that_takes_long_changes_nothing() -> None:
    scene = Scene(backends=1)
    begin(scene)
    scene.backends[0].in_flight = scene.backends[0].attempts = 1
    scene.clock.advance(2 * ASKED_S)
    assert troubles(scene) == [""]


def test_a_look_that_gets_no_answer() -> None:
    scene = Scene(backends=1)
    scene.kernel[0].outcome = "connecting"
    begin(scene)
    assert troubles(scene) == ["not looked at yet"]
    scene.clock.advance(TIMEOUT_S + 1)
    assert troubles(scene) == ["connect_timeout"]


def test_not_too_many_at_a_time() -> None:
    scene = Scene(backends=9)
    for one in scene.kernel:
        one.outcome = "connecting"
    begin(scene)
    assert sum(one.tries for one in scene.kernel) == MAX_RUNNING


def test_stopping_calls_off_what_runs() -> None:
    scene = Scene(backends=1)
    scene.kernel[0].outcome = "connecting"
    begin(scene)
    scene.looks.stop()
    scene.clock.settle()
    assert scene.kernel[0].channel.closed
    scene.clock.advance(10)
    assert scene.kernel[0].tries == 1


def test_who_is_checked_is_looked_at_only_while_absent() -> None:
    scene = Scene(backends=1, check=CheckSettings((CheckSpec("connect"),)))
    begin(scene)
    scene.clock.advance(10)
    assert scene.kernel[0].tries == 0
    assert troubles(scene) == ["no good check yet"]
    finish(scene, Outcome.GOOD)
    assert troubles(scene) == [""]
    finish(scene, Outcome.ABSENT)
    scene.clock.advance(4 * LOOK_S)
    assert scene.kernel[0].tries == 1
    assert troubles(scene) == [""]


def test_who_is_not_meant_to_serve() -> None:
    scene = Scene(backends=3)
    begin(scene)
    scene.upstream.pool.drain(scene.backends[0])
    scene.backends[1].down = True
    assert troubles(scene) == ["draining", "out of service", ""]


@pytest.mark.parametrize("panic_percent", [0, 1])
def test_when_all_are_paused_they_are_tried_all_the_same(panic_percent: int) -> None:
    health = replace(HealthSettings(), panic_percent=panic_percent)
    scene = Scene(backends=2, settings=Settings(upstream=UpstreamSettings(health=health)))
    begin(scene)
    for number in (0, 1):
        finish(scene, Outcome.GOOD, number)
        finish(scene, Outcome.BAD, number)
        if not number:
            assert troubles(scene) == ["paused", ""]
    assert troubles(scene) == (["", ""] if panic_percent else ["paused", "paused"])
