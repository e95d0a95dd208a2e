"""What can be read under /api."""

import pytest

from proxy import errors
from proxy.control.api import API
from tests.control.scene import Scene, a


@pytest.mark.parametrize("name", [*API, "settings"])
def test_everything_in_the_index_can_be_read(name: str) -> None:
    scene = Scene()
    scene.start()
    scene.happen()
    shown = scene.read(f"/api/{name}" if name else "/api")
    assert isinstance(shown, dict | list)
    if not name:
        assert shown == [*(one for one in API if one), "settings", "events"]


def test_upstreams_from_the_outside_in() -> None:
    scene = Scene()
    (upstream,) = scene.read("/api/upstreams").values()
    assert scene.read("/api/upstreams/default") == upstream
    assert scene.read("/api/upstreams/default/backends") == upstream["backends"]
    for path in (f"/api/upstreams/default/backends/{a(0)}", "/api/upstreams/default/backends/"):
        assert scene.read(path)
    assert scene.read(f"/api/upstreams/default/backends/{a(1)}") == upstream["backends"][1]


def test_problems_come_with_what_to_do() -> None:
    scene = Scene(backends=1)
    scene.kernel[0].outcome = errors.SOCKET_MISSING
    scene.start()
    shown = scene.read("/api/problems")
    (problem,) = shown["problems"]
    assert shown["state"] == "bad"
    assert problem["next_step"] == errors.SOCKET_MISSING.next_step


def test_history_and_version_and_reasons() -> None:
    scene = Scene()
    scene.start()
    scene.clock.advance(2)
    history = scene.read("/api/history")
    assert len(history["total"]) == 2
    assert history["window"]["seconds"] == 2.0
    assert scene.read("/api/version")["versions"]
    assert scene.read("/api/reasons")["read_timeout"]["status"] == 504
    assert scene.read("/api/connections") == {"open": 0, "requests_in_flight": 0}


def test_settings_have_no_secrets() -> None:
    settings = Scene().read("/api/settings")
    assert settings["server"]["admin_token"] == ""
    assert settings["upstream"]["queue"]["max_waiting"] == 1024
