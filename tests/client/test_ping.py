from pathlib import Path

import pytest

from proxy.client.drive import run_alone
from proxy.client.ping import BAD_USAGE, FAILED, OK, WARNING, main, ping
from proxy.testing import READ, FakeBackend, Send, full_backlog, missing, refuse, silence
from tests import servers
from tests.servers import REPOSITORY

PONG = b"\x64\x00\x00\x01"
APP = """
import uwsgi
uwsgi.set_warning_message("running low")
def application(environ, start_response):
    start_response("200 OK", [])
    return []
"""


def test_a_free_worker(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeBackend((READ[0], Send(PONG))) as backend:
        assert main([str(backend.address)]) == OK
        assert main([str(backend.address), "-q"]) == OK
    out, err = capsys.readouterr()
    assert out.startswith(f"{backend.address}: a worker is free, ")
    assert out.count("\n") == 1
    assert err == ""


def test_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeBackend((READ[0], Send(b"\x64\x05\x00\x01hello"))) as backend:
        assert main([str(backend.address)]) == WARNING
    assert capsys.readouterr().out.endswith("; warning: hello\n")


@pytest.mark.parametrize(
    ("place", "word"),
    [(missing, "socket_missing"), (refuse, "connect_refused"), (full_backlog, "backlog_full")],
)
def test_nobody_there(place: object, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with place() as address:  # type: ignore[operator]
        assert main([str(address)]) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"uwsgi-frontend ping: {word}: {address}")
    assert err.count("\n") == 1
    assert "; next: " in err


def test_all_workers_are_busy(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeBackend(silence()) as backend:
        assert main([str(backend.address), "--timeout", "200ms"]) == FAILED
    assert "read_timeout" in capsys.readouterr().err


def test_a_name_that_nobody_knows() -> None:
    pong = run_alone(ping("no.such.host.invalid:3031"))
    assert (pong.code, pong.finding.word) == (FAILED, "connect_failed")


@pytest.mark.parametrize("arguments", [["/run/s"], ["unix:/s", "--timeout", "soon"]])
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == BAD_USAGE
    assert capsys.readouterr().err.startswith("uwsgi-frontend ping: error: ")


def test_real_uwsgi(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text(APP)
    with servers.uwsgi("app:application", directory=tmp_path) as server:
        assert main([server.address]) == WARNING
    assert "running low" in capsys.readouterr().out


def test_gunicorn_is_asked_in_http(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = "proxy.worker.example:application"
    with servers.gunicorn(app, directory=tmp_path, python_path=REPOSITORY) as server:
        assert main([server.address]) == OK
    assert "asked in HTTP instead" in capsys.readouterr().out
