"""Application servers that cannot start say why; the others are started by test_topologies."""

from pathlib import Path

import pytest

from proxy.lab.processes import BenchError
from proxy.lab.stand import servers
from proxy.lab.stand.setup import Installed, Setup
from proxy.worker.command import Uwsgi
from tests.lab.needs import installed


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    nothing = Setup(tmp_path)
    with pytest.raises(BenchError, match="pip install pyuwsgi"):
        servers.start_uwsgi(nothing, [], 1)
    with pytest.raises(BenchError, match="pip install gunicorn"):
        servers.start_gunicorn(nothing, "http", "127.0.0.1:0")


def test_a_missing_application_ends_uwsgi_with_its_log(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "no_such_module_here:app", installed=installed())
    with pytest.raises(BenchError, match=r"(?s)uwsgi: ended with.*"):
        servers.start_uwsgi(setup, ["--socket", str(tmp_path / "x.sock")], 1)


def test_a_debian_uwsgi_gets_its_plugins(tmp_path: Path) -> None:
    debian = Uwsgi("2.0.21", "/usr/bin/uwsgi", ("python3",))
    argv = servers.uwsgi_argv(Setup(tmp_path, installed=Installed(debian)), ["--x"])
    assert argv[argv.index("--plugins") + 1] == "python3,http"
    assert argv[-1] == "--x"
