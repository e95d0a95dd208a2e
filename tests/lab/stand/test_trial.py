"""The user's application is imported once before anything is started, as the servers will do."""

import os
import sys
from pathlib import Path

import pytest

from proxy.lab.stand import trial
from proxy.worker.target import WorkerError


def try_code(tmp_path: Path, code: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    trial.try_app("mine:app", tmp_path)


def test_an_application_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    try_code(tmp_path, "import os; os.environ['MY_SECRET']; app = print; print(1)")
    assert "mine" not in sys.modules


@pytest.mark.parametrize(
    ("code", "why", "where"),
    [
        ("import os; os.environ['MY_SECRET']", "fails to import: KeyError: 'MY_SECRET'", "line 1"),
        ("\nimport nothere", "ModuleNotFoundError: No module named 'nothere'", "line 2"),
        ("raise SystemExit('no')", "fails to import: SystemExit: no", "line 1"),
        ("application = print", "has no 'app'; is it 'application'?", ""),
    ],
)
def test_one_that_does_not(code: str, why: str, where: str, tmp_path: Path) -> None:
    assert "MY_SECRET" not in os.environ
    with pytest.raises(WorkerError, match="mine") as caught:
        try_code(tmp_path, code)
    assert why in str(caught.value)
    assert where in caught.value.traceback


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="no module named 'other'"):
        trial.try_app("other:app", tmp_path)


def test_one_that_takes_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 0.2)
    with pytest.raises(WorkerError, match=r"its import takes more than 0\.2 s"):
        try_code(tmp_path, "import time; time.sleep(60)")
