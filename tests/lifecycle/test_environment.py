"""The environment says the same as the command line, and the command line wins."""

from pathlib import Path

from proxy.testing import respond
from tests.integration.fixtures import StartBackend
from tests.lifecycle.command import ask, run
from tests.servers import proxy_process


def test_the_environment_is_enough(backend: StartBackend, tmp_path: Path) -> None:
    worker = backend(respond(body=b"ok"))
    log = tmp_path / "access.log"
    env = {"UWSGI_FRONTEND_UPSTREAM": str(worker.address), "UWSGI_FRONTEND_ACCESS_LOG": str(log)}
    with proxy_process(env=env) as proxy:
        assert ask(proxy.url).body == b"ok"
        assert proxy.stop() == 0
    assert proxy.access == []
    assert len(log.read_text().splitlines()) == 1


def test_the_command_line_wins(backend: StartBackend) -> None:
    one, two = backend(respond(body=b"one")), backend(respond(body=b"two"))
    env = {"UWSGI_FRONTEND_UPSTREAM": str(one.address), "UWSGI_FRONTEND_SERVER_HEADER": "env"}
    with proxy_process("--upstream", str(two.address), env=env) as proxy:
        response = ask(proxy.url)
        assert response.body == b"two"
        assert response.values(b"server") == [b"env"]


def test_a_bad_variable_is_named() -> None:
    done = run(env={"UWSGI_FRONTEND_UPSTREAM": "nonsense"})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "UWSGI_FRONTEND_UPSTREAM" in line
