"""A failure has the logs beside it."""

from pathlib import Path

import pytest

from tests import afterwards
from tests.afterwards import LINES, logs_of
from tests.servers import proxy_process


def test_files_of_fixtures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "RECENT", [])
    (tmp_path / "below").mkdir()
    (tmp_path / "uwsgi.log").write_text("".join(f"line {number}\n" for number in range(100)))
    (tmp_path / "below" / "log").write_text("below\n")
    (tmp_path / "empty.log").touch()
    (tmp_path / "page.html").write_text("no log\n")
    found = dict(logs_of([tmp_path, tmp_path / "uwsgi.log", "text", tmp_path / "below"]))
    assert found[f"end of {tmp_path / 'below' / 'log'}"] == "below"
    whole = found[f"end of {tmp_path / 'uwsgi.log'}"].splitlines()
    assert (len(whole), whole[-1]) == (LINES, "line 99")
    assert len(found) == 2


def test_front_ends() -> None:
    with proxy_process("--upstream", "unix:/nowhere/app.sock") as proxy:
        pass
    name, text = list(logs_of([]))[-1]
    assert str(proxy.process.pid) in name
    assert "listening on " in text
