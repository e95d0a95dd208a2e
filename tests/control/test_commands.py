"""Commands: what JSON becomes one, and what one does to a pool."""

from typing import Any

import pytest

from proxy.control.asked import Refusal
from proxy.control.commands import (
    SOURCE,
    find_upstream,
    make_addition,
    make_change,
    make_removal,
    run_command,
)
from proxy.settings import Address, BackendSettings
from tests.control.scene import Scene, a


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "drain",
        {"drain": 1},
        {"drain": "true"},
        {"weight": 0},
        {"weight": True},
        {"weight": 1.5},
        {"weight": 65536},
        {"max_conns": -1},
        {"state": "up"},
        {"do": "remove"},
        {"drain": True, "upstream": "other"},
    ],
)
def test_what_is_no_change(body: Any) -> None:
    with pytest.raises(Refusal) as refused:
        make_change("default", a(0), body)
    assert (refused.value.status, refused.value.code) == (400, "bad_body")


def test_what_is_one() -> None:
    assert make_change("default", a(0), {"weight": 2, "max_conns": 0, "drain": False}) == {
        "do": "change",
        "upstream": "default",
        "backend": a(0),
        "weight": 2,
        "max_conns": 0,
        "drain": False,
    }
    assert make_removal("u", a(1)) == {"do": "remove", "upstream": "u", "backend": a(1)}


@pytest.mark.parametrize("body", [None, {}, {"server": 1}, {"server": "x", "weight": 1}, ["x"]])
def test_what_is_no_addition(body: Any) -> None:
    with pytest.raises(Refusal):
        make_addition("default", body)


def add(scene: Scene, text: str) -> Any:
    return scene.answers.answer(make_addition("default", {"server": text}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "no port"),
        ("unix:/run/5.sock weight=0", "weight"),
        ("unix:/run/5.sock wieght=2", "did you mean weight"),
        ("app.example:3031", "names are not looked up here"),
        ("app.example:3031 resolve", "names are not looked up here"),
    ],
)
def test_backends_that_cannot_be_added(text: str, says: str) -> None:
    scene = Scene()
    error = add(scene, text)["error"]
    assert (error["status"], error["code"]) == (400, "bad_body")
    assert says in error["text"] or text == "nonsense"
    assert len(scene.backends) == 2


def test_an_added_backend_serves() -> None:
    scene = Scene()
    shown = add(scene, "127.0.0.1:3031 weight=2 max_conns=4")["backend"]
    assert (shown["server"], shown["weight"], shown["limit"]) == ("127.0.0.1:3031", 2, 4)
    assert scene.backends[2].source == SOURCE
    assert scene.backends[2].serves


def test_nothing_is_added_twice() -> None:
    assert add(Scene(), a(1))["error"]["code"] == "backend_exists"


def test_where_nobody_reads_the_text() -> None:
    scene = Scene()
    command = make_addition("default", {"server": a(5)})
    answer = run_command(command, lambda: iter([scene.upstream]), None, lambda u, b: {})
    assert answer["error"]["code"] == "no_parser"


def test_what_is_found_again_is_not_removed() -> None:
    scene = Scene(backends=0)
    address = Address(host="127.0.0.1", port=1)
    pool = scene.upstream.pool
    pool.add(BackendSettings(address), address, "file")
    other = Address(host="127.0.0.1", port=2)
    pool.add(BackendSettings(other, resolve=True), other)
    for name, source in (("127.0.0.1:1", "file"), ("127.0.0.1:2", "DNS")):
        error = scene.answers.answer(make_removal("default", name))["error"]
        assert error["code"] == "backend_discovered"
        assert f"comes from {source}" in error["text"]
    assert len(pool.backends) == 2


def test_who_is_removed_ends_its_requests_first() -> None:
    scene = Scene()
    scene.backends[0].in_flight = 1
    shown = scene.answers.answer(make_removal("default", a(0)))["backend"]
    assert (shown["duty"], shown["active"]) == ("leaving", 1)
    again = scene.answers.answer(make_removal("default", a(0)))
    assert again["error"]["code"] == "no_backend"


def test_all_is_changed_or_nothing() -> None:
    scene = Scene()
    command = make_change("default", a(0), {"max_conns": 3, "weight": 4, "drain": True})
    shown = scene.answers.answer(command)["backend"]
    assert (shown["max_conns"], shown["weight"], shown["duty"]) == (3, 4, "draining")
    with pytest.raises(Refusal):
        find_upstream(iter([scene.upstream]), "other")
