"""One value of everything for everybody."""

import os
import sys
from pathlib import Path

import pytest

from proxy.lab.processes import ROOT
from proxy.lab.stand import setup
from proxy.lab.stand.setup import Installed, Setup


def test_a_folder_within_is_the_only_difference(tmp_path: Path) -> None:
    one = Setup(tmp_path, "a:b", processes=3)
    inner = one.within("x")
    assert inner.place == tmp_path / "x"
    assert inner.place.is_dir()
    assert (inner.app, inner.processes, inner.backlog) == (one.app, one.processes, one.backlog)
    assert inner.token == one.token
    assert Setup(tmp_path).token != one.token


def test_the_application_is_told_by_its_environment(tmp_path: Path) -> None:
    told = Setup(tmp_path, "a:b", Path("/srv")).environment()
    assert (told["LAB_APP"], told["LAB_PATH"]) == ("a:b", "/srv")
    assert str(ROOT) in told["PYTHONPATH"].split(os.pathsep)


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "find_uwsgi", lambda: None)
    monkeypatch.setattr(setup, "find", lambda tool: None)
    monkeypatch.setitem(sys.modules, "gunicorn", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Installed.look() == Installed(None, False, "")
