"""Configurations say what they should, show no path of the machine, and really start."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import frontends
from benchmarks.frontends import Backend
from benchmarks.processes import ROOT, BenchError, find

needs_nginx = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        find("nginx") is None and os.environ.get("REQUIRE_NGINX") != "1",
        reason="nginx is not installed",
    ),
]


def test_nginx_gets_the_same_limits_as_the_proxy(tmp_path: Path) -> None:
    text = frontends.nginx_config(tmp_path, 8080, "unix:/run/app.sock")
    assert "uwsgi_pass unix:/run/app.sock;" in text
    assert "listen 127.0.0.1:8080;" in text
    assert f"client_max_body_size {frontends.MAX_BODY};" in text
    assert f"client_body_buffer_size {frontends.BODY_BUFFER};" in text
    assert "worker_processes 1;" in text
    assert text.count("{") == text.count("}")


def test_listen_queue_holds_every_client() -> None:
    assert 0 < frontends.listen_queue() <= frontends.LISTEN_QUEUE


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One uWSGI for the tests of this file."""
    with frontends.start_backend(tmp_path_factory.mktemp("b") / "uwsgi") as running:
        yield running
    assert running.daemon.popen.returncode is not None


def test_backend_listens_and_shows_no_path(backend: Backend) -> None:
    assert Path(backend.unix).is_socket()
    assert backend.address("unix") == f"unix:{backend.unix}"
    assert backend.address("tcp") == f"127.0.0.1:{backend.tcp_port}"
    assert "--processes 2" in backend.config
    assert backend.unix not in backend.config
    assert str(ROOT) not in backend.config


@pytest.mark.parametrize("name", [pytest.param("nginx", marks=needs_nginx), "router"])
def test_frontend_starts_and_stops(name: str, backend: Backend, tmp_path: Path) -> None:
    start = frontends.STARTERS[name]
    with start(tmp_path / name, backend.address("unix"), ()) as frontend:
        assert frontend.port > 0
        frontend.daemon.check()
        assert str(tmp_path) not in frontend.config
    assert frontend.daemon.popen.returncode is not None


@pytest.mark.parametrize("name", [pytest.param("nginx", marks=needs_nginx), "proxy"])
def test_a_frontend_that_cannot_start_says_why(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"{name}: ended with"):
        frontends.STARTERS[name](tmp_path / name, "unix:/x", ["--no-such-option"])
