"""The command: a line that can be run, what is left out, and how it went."""

from pathlib import Path

import pytest

from proxy.cli import main
from tests.migration.trees import FILES


def test_a_command_line_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["from-nginx", str(FILES / "two-upstreams.conf")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("uwsgi-frontend \\\n    --listen 127.0.0.1:8080 \\\n")
    assert "    --upstream 'unix:/run/spare.sock backup' \\\n" in out
    assert "two-upstreams.conf:56: left out: location /status: --admin ADDRESS has met" in err


def test_all_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.conf"
    path.write_text("server { location / { uwsgi_pass unix:/a; } }")
    assert main(["from-nginx", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == "uwsgi-frontend \\\n    --listen 80 \\\n    --upstream unix:/a\n"
    assert err == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [("server {", "unexpected end"), ("server { }", "has uwsgi_pass or proxy")],
)
def test_what_is_of_no_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    path = tmp_path / "a.conf"
    path.write_text(text)
    assert main(["from-nginx", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("uwsgi-frontend from-nginx: error: ")
    assert why in line
