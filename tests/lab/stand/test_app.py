"""The application of the lab: known paths of its own, and the user's application for the rest."""

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.stand import app


def ask(path: str, body: bytes = b"", **more: str) -> tuple[str, bytes]:
    """Ask the application; return status and body."""
    said: list[str] = []
    environ: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO(body), **more}
    got = b"".join(app.application(environ, lambda status, headers: said.append(status)))
    return said[0], got


def test_other_paths_are_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_users", lambda environ, start: [start("299 Mine", []) or b"mine"])
    assert ask("/")[0] == ask("/.lab")[0] == "299 Mine"
    assert ask("/.lab/hello")[0] == "200 OK"


def test_without_an_application_there_is_one() -> None:
    assert ask("/")[1].startswith(b"Hello")


def test_an_application_is_loaded_by_its_name() -> None:
    assert app.load("proxy.lab.stand.app:application", "") is app.application
    assert app.load("proxy.lab.stand.app", "/nowhere") is app.application
    with pytest.raises(AttributeError):
        app.load("proxy.lab.stand.app:nothing", "")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/.lab/sleep/1", b"slept\n"),
        ("/.lab/unread", b"I have not looked at it\n"),
        ("/.lab/bytes/70000", bytes(70_000)),
        ("/.lab/headers", b"3"),
    ],
)
def test_known_paths(path: str, body: bytes) -> None:
    assert ask(path, HTTP_COOKIE="a=b") == ("200 OK", body)


def test_a_file_says_who_works_while_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda s: seen.extend(os.listdir(tmp_path)))
    assert ask("/.lab/work/1", REQUEST_METHOD="POST") == ("200 OK", b"slept\n")
    assert seen == [f"{app.MARK}POST-{os.getpid()}"]
    assert not os.listdir(tmp_path)


def test_bodies_are_counted_with_and_without_a_length() -> None:
    assert ask("/.lab/count", b"x" * 100_000, CONTENT_LENGTH="100000")[1] == b"100000"
    assert ask("/.lab/count", b"x" * 100_000)[1] == b"100000"
    assert ask("/.lab/count", b"xyz", CONTENT_LENGTH="2")[1] == b"2"


@pytest.mark.parametrize("path", ["/.lab/", "/.lab/nothing", "/.lab/sleep/x"])
def test_unknown_paths(path: str) -> None:
    assert ask(path)[0] == "404 Not Found"


def test_it_raises_when_asked() -> None:
    with pytest.raises(RuntimeError):
        ask("/.lab/raise")


def test_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "secret")
    assert ask("/.lab/token")[1] == b"secret"
    assert int(ask("/.lab/pid")[1]) > 0
