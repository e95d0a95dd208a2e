"""/livez and /readyz: what makes them say no, and how they say it."""

from collections.abc import Iterable
from typing import Any

import pytest

from proxy import errors
from proxy.control.health import checks_of
from proxy.settings import CheckSettings, CheckSpec
from tests.control.scene import Scene

FINE = "[+]ping ok\n[+]draining ok\n[+]backends ok\nreadyz check passed\n"


def ready(scene: Scene, query: str = "") -> tuple[int, str]:
    response = scene.ask(f"GET /readyz{query}".encode())
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    return response.status, response.body.decode()


def test_a_backend_that_listens_is_enough() -> None:
    scene = Scene(backends=2)
    scene.kernel[0].outcome = errors.CONNECT_REFUSED
    scene.start()
    assert ready(scene) == (200, "ok\n")
    assert ready(scene, "?verbose") == (200, FINE)
    assert ready(scene, "/backends?verbose")[1] == "[+]backends ok\nreadyz check passed\n"


def test_before_anybody_has_looked() -> None:
    status, text = ready(Scene())
    assert status == 503
    assert "[-]backends failed: 0 of 2 can serve: 2 not looked at yet\n" in text


def test_no_backend_can_serve() -> None:
    scene = Scene(backends=2)
    for one in scene.kernel:
        one.outcome = errors.SOCKET_MISSING
    scene.start()
    status, text = ready(scene)
    assert (status, text) == (
        503,
        "[+]ping ok\n[+]draining ok\n"
        "[-]backends failed: 0 of 2 can serve: 2 socket_missing\nreadyz check failed\n",
    )
    assert ready(scene, "/ping") == (200, "ok\n")
    assert ready(scene, "/backends")[0] == 503


def test_no_backend_at_all() -> None:
    scene = Scene(backends=0)
    scene.start()
    assert "0 of 0 can serve" in ready(scene)[1]


def test_while_draining() -> None:
    scene = Scene()
    scene.start()
    scene.draining = True
    status, text = ready(scene)
    assert (status, "[-]draining failed: this server is shutting down" in text) == (503, True)
    assert scene.ask(b"GET /livez").status == 200


def test_before_the_first_good_check() -> None:
    scene = Scene(backends=1, check=CheckSettings((CheckSpec("connect"),)))
    assert "1 no good check yet" in ready(scene)[1]
    scene.start()
    scene.clock.advance(2)
    assert ready(scene) == (200, "ok\n")


def test_what_is_excluded_does_not_count() -> None:
    scene = Scene(backends=0)
    scene.start()
    assert ready(scene, "?exclude=backends") == (200, "ok\n")
    status, text = ready(scene, "?exclude=backends&exclude=draining&verbose")
    assert status == 200
    assert "[+]backends excluded: ok\n" in text
    status, text = ready(scene, "?exclude=nothing")
    assert (status, 'no matches for "nothing"' in text) == (503, True)


def test_livez() -> None:
    scene = Scene(backends=0)
    assert scene.ask(b"GET /livez").body == b"ok\n"
    assert scene.ask(b"GET /livez?verbose").body == b"[+]ping ok\nlivez check passed\n"
    assert scene.ask(b"GET /livez/ping").status == 200
    assert scene.ask(b"GET /livez/backends").status == 404
    assert scene.ask(b"GET /readyz/a/b").status == 404


def fact(able: int = 1, draining: bool = False) -> dict[str, Any]:
    return {"able": able, "draining": draining, "detail": f"{able} of 1 can serve"}


@pytest.mark.parametrize(
    ("answers", "failing"),
    [
        ([fact(), fact(0)], []),
        ([fact(draining=True), fact()], []),
        ([fact(draining=True), fact(draining=True)], ["draining"]),
        ([fact(0), fact(draining=True)], ["backends"]),
        ([fact(0), fact(0)], ["backends"]),
        ([], ["workers"]),
        ([{"error": {}}], ["workers"]),
    ],
)
def test_one_process_that_serves_is_enough(
    answers: Iterable[dict[str, Any]], failing: list[str]
) -> None:
    assert [one.name for one in checks_of("readyz", answers) if not one.ok] == failing
