"""The command of a sweep: what it understands, and a real one of two points."""

from pathlib import Path

import pytest

from proxy.lab import cli
from proxy.lab.stand.setup import Installed
from proxy.lab.sweep import cli as sweep_cli
from proxy.lab.sweep.runner import Sweep


@pytest.mark.parametrize(("text", "numbers"), [("4,1,2", [1, 2, 4]), ("3", [3])])
def test_numbers(text: str, numbers: list[int]) -> None:
    assert sweep_cli.parser().parse_args(["--processes", text]).processes == numbers


@pytest.mark.parametrize("text", ["0,1", "x", "1,,2", "1000"])
def test_wrong_numbers(text: str) -> None:
    with pytest.raises(SystemExit):
        sweep_cli.parser().parse_args(["--processes", text])


@pytest.mark.soak
def test_a_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Installed, "look", classmethod(lambda cls: cls()))  # the built-in worker
    words = ["sweep", "--processes", "1,2", "--rounds", "3", "--seconds", "0.5"]
    assert cli.main([*words, "--path", "/.lab/sleep/20", "--out", str(tmp_path)]) == 0
    assert "workers do" in capsys.readouterr().out
    found = Sweep.from_json((tmp_path / "sweep.json").read_text())
    one, two = found.points
    # Requests only sleep, so two workers do twice as much, however busy the machine is: in the best
    # of their rounds, since it may stand still for most of one.
    assert max(two.per_s) > 1.2 * max(one.per_s)
    assert "<circle" in (tmp_path / "sweep.html").read_text()


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "--topology", "nonsense"]) == 2
    assert "no topology" in capsys.readouterr().err
