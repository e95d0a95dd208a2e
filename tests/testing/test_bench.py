"""The fixture `lab` without pytest around it: what it starts, refuses and leaves out."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

from proxy.lab import comparison
from proxy.lab.stand.setup import Installed
from proxy.testing import Exchanges, Site, bench
from proxy.testing.bench import Lab
from proxy.worker.command import Uwsgi
from tests.embedding.asking import hello


class Skipped(Exception):
    """Stands for what pytest raises."""


class Failed(Exception):
    """Likewise."""


def skip(message: str) -> NoReturn:
    raise Skipped(message)


def fail(message: str) -> NoReturn:
    raise Failed(message)


def lab(app: object, place: Path) -> Lab:
    return Lab(lambda: app, place, skip, fail)  # type: ignore[arg-type, return-value]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nothing is measured; what would have been is noted."""
    found: list[Any] = []

    def compare(self: comparison.Comparer, *words: object) -> str:
        found.append((self, words))
        return "compared"

    everything = Installed(Uwsgi("2"), True, "/usr/sbin/nginx")
    monkeypatch.setattr(comparison.Comparer, "compare", compare)
    monkeypatch.setattr(bench, "_installed", lambda: everything)
    return found


def test_the_application_of_the_test_is_compared(tmp_path: Path, asked: list[Any]) -> None:
    made = lab(hello, tmp_path)
    found = made.compare("uwsgi-direct", "nginx-uwsgi", "hop", rounds=7, seconds=0.3, paths=["/a"])
    assert found == "compared"  # type: ignore[comparison-overlap]
    ((comparer, words),) = asked
    assert words == ("uwsgi-direct", "nginx-uwsgi", "hop")
    assert (comparer.app, comparer.directory) == ("tests.embedding.asking:hello", tmp_path)
    assert comparer.paths == ("/a",)
    assert (comparer.effort.rounds, comparer.effort.others, comparer.effort.seconds) == (7, 7, 0.3)


def test_a_load_leaves_nothing_among_the_exchanges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Exchanges()
    paused = []

    def compare(self: object, *words: object) -> None:
        paused.append(seen._paused)
        raise ValueError("enough")

    monkeypatch.setattr(comparison.Comparer, "compare", compare)
    one, other = (Site(f"http://127.0.0.1:{port}", exchanges=seen) for port in (1, 2))
    with pytest.raises(Failed, match="nothing to compare: enough"):
        lab(None, tmp_path).compare(one, other)
    assert paused == [True]
    assert not seen._paused


@pytest.mark.parametrize(
    ("name", "package"),
    [("uwsgi-http", "pyuwsgi"), ("gunicorn-direct", "gunicorn"), ("nginx-gunicorn", "nginx-light")],
)
def test_what_cannot_be_had_ends_the_test_before_anything_is_started(
    name: str, package: str, tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gunicorn = name == "nginx-gunicorn"
    monkeypatch.setattr(bench, "_installed", lambda: Installed(gunicorn=gunicorn))
    with pytest.raises(Skipped, match=f"not installed.*{package}"):
        lab(hello, tmp_path).compare("proxy-builtin", name)
    with pytest.raises(Skipped, match="an object of this process"):
        lab(lambda *_: [], tmp_path).compare("proxy-builtin", "proxy-builtin")
    assert asked == []


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="nothing to compare: no topology 'nonsense'"):
        lab(hello, tmp_path).compare("proxy-builtin", "nonsense")
    with pytest.raises(Failed, match="no scenario 'nonsense'"):
        lab(hello, tmp_path).compare("proxy-builtin", "proxy-builtin", "nonsense")
