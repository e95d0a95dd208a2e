"""Choosing the application server and its arguments."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.settings import WorkerSettings
from proxy.worker import command as module
from proxy.worker.command import (
    Place,
    Uwsgi,
    command,
    environment,
    find_uwsgi,
    output,
    version_in,
)
from tests.servers import DEADLINE_S, REPOSITORY, has_debian_uwsgi

PLACE = Place("/run/x/app.sock", 9, "/run/x/failure", "/srv/site")
SETTINGS = WorkerSettings(app="site.wsgi:application", processes=3, threads=5)


def options(arguments: list[str]) -> dict[str, str]:
    """Return each option with the argument after it."""
    return dict(itertools.pairwise(arguments))


def test_finds_the_package_first() -> None:
    found = find_uwsgi()
    assert found is not None
    assert str(found) == f"uWSGI {found.version} (pyuwsgi)"
    assert found.version.startswith("2.")


def test_uwsgi_is_told_what_to_run() -> None:
    given = command(Uwsgi("2.0.30"), SETTINGS, PLACE)
    assert given[0] == sys.executable
    assert given[3] == "pyuwsgi"
    assert options(given)["--processes"] == "3"
    assert options(given)["--threads"] == "5"
    assert options(given)["--socket"] == "fd://9"
    assert options(given)["--binary-path"] == sys.executable
    assert "frontend-app=site.wsgi:application" in given
    assert "frontend-path=/srv/site" in given


def test_a_program_gets_its_plugins_and_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    uwsgi = Uwsgi("2.0.21", "/usr/bin/uwsgi", ("python3", "ping"))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "prefix", "/srv/venv")
    given = command(uwsgi, SETTINGS, PLACE)
    assert given[3:5] == ["exec", "/usr/bin/uwsgi"]
    assert options(given)["--plugins"] == "python3,ping"
    assert options(given)["--virtualenv"] == "/srv/venv"
    assert "--binary-path" not in given
    assert str(uwsgi) == "uWSGI 2.0.21 (/usr/bin/uwsgi)"


def test_no_virtualenv_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    given = command(Uwsgi("2.0.30", "/usr/bin/uwsgi"), SETTINGS, PLACE)
    assert "--virtualenv" not in given
    assert "--plugins" not in given


def test_the_built_in_worker() -> None:
    given = command(None, SETTINGS, PLACE)
    assert given[3] == "builtin"
    assert given[-1] == "site.wsgi:application"
    assert options(given)["--socket"] == "fd://9"
    assert options(given)["--threads"] == "5"
    assert options(given)["--path"] == "/srv/site"


def test_our_own_variables_are_no_options_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWSGI_FRONTEND_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("UWSGI_HARAKIRI", "30")
    monkeypatch.setenv("MY_APP", "1")
    given = environment()
    assert "UWSGI_FRONTEND_LISTEN" not in given
    assert "NOTIFY_SOCKET" not in given
    assert given["UWSGI_HARAKIRI"] == "30"
    assert given["MY_APP"] == "1"


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Leave a fake uwsgi as the only one on PATH, and no package."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "uwsgi").write_text(script)
    (tmp_path / "uwsgi").chmod(0o755)


OURS = f"frontend-probe {sys.version_info[:3]} {sys.prefix}"


@pytest.mark.parametrize(
    ("script", "plugins"),
    [
        (f"#!/bin/sh\necho '*** Starting uWSGI 2.0.9 (64bit)'; echo '{OURS}'", ()),
        (
            "#!/bin/sh\necho '*** Starting uWSGI 2.0.9 (64bit)'\n"
            f"case \"$*\" in *python3,ping*) echo '{OURS}';; esac",
            ("python3", "ping"),
        ),
    ],
)
def test_takes_a_program_whose_python_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, plugins: tuple[str, ...]
) -> None:
    programs(tmp_path, monkeypatch, script)
    assert find_uwsgi() == Uwsgi("2.0.9", str(tmp_path / "uwsgi"), plugins)


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\necho '*** Starting uWSGI 2.0.9'; echo 'frontend-probe (3, 2, 1) /usr'",
        f"#!/bin/sh\necho '{OURS}'",
        "#!/bin/sh\nexit 1",
        "#!/no/such/interpreter",
    ],
)
def test_refuses_a_program_with_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    programs(tmp_path, monkeypatch, script)
    assert find_uwsgi() is None


def test_gives_up_on_a_program_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, "#!/bin/sh\nexec sleep 60")
    monkeypatch.setattr(module, "_PROBE_TIMEOUT_S", 0.1)
    assert find_uwsgi() is None


def test_a_short_program_says_all_it_says_without_our_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UWSGI_FRONTEND_LISTEN", "127.0.0.1:1")
    said = output(
        ["/bin/sh", "-c", "echo 2.0.9; echo no routing >&2; echo [$UWSGI_FRONTEND_LISTEN]"]
    )
    assert said.splitlines() == ["2.0.9", "no routing", "[]"]
    assert version_in(said) == "2.0.9"
    assert version_in("no routing\n") == ""
    assert output(["/no/such/program"]) == ""


@pytest.mark.skipif(not has_debian_uwsgi(), reason="Debian's uWSGI is not installed")
def test_debians_uwsgi_works_for_debians_python(tmp_path: Path) -> None:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", tmp_path], check=True)
    code = "from proxy.worker.command import find_uwsgi; print(find_uwsgi().plugins)"
    ran = subprocess.run(
        [tmp_path / "bin/python", "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        timeout=DEADLINE_S,
        check=True,
    )
    assert ran.stdout == "('python3', 'ping')\n"
