"""Configurations say what they should, show no path of the machine, and really start."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import frontends
from benchmarks.clients import connect, fetch
from benchmarks.frontends import Application, Backend
from proxy.lab.processes import ROOT, BenchError, find

needs_nginx = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        find("nginx") is None and os.environ.get("REQUIRE_NGINX") != "1",
        reason="nginx is not installed",
    ),
]


def test_listen_queue_holds_every_client() -> None:
    assert 0 < frontends.listen_queue() <= frontends.LISTEN_QUEUE
    assert frontends.listen_queue(1) == 1


def ask(path: str, uri: str) -> bytes:
    """Ask uWSGI without a front end."""
    pairs = {"REQUEST_METHOD": "GET", "REQUEST_URI": uri, "PATH_INFO": uri}
    pairs |= {"SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    body = b"".join(
        struct.pack("<H", len(text)) + text.encode() for pair in pairs.items() for text in pair
    )
    with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rb") as answer:
        sock.settimeout(30)
        sock.connect(path)
        sock.sendall(struct.pack("<BHB", 0, len(body), 0) + body)
        return answer.read()


def test_an_application_of_another_shape(tmp_path: Path) -> None:
    runs = Application("benchmarks.sleeper:application", processes=1, listen=7, tcp=False)
    with frontends.start_backend(tmp_path / "uwsgi", runs) as running:
        assert ask(running.unix, "/0").endswith(b"done\n")
        assert running.tcp_port == 0
        assert "--listen 7" in running.config
        assert "--processes 1" in running.config
        assert "127.0.0.1" not in running.config


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


def test_kept_connections_have_a_uwsgi_of_their_own(tmp_path: Path) -> None:
    with frontends.start_kept(tmp_path / "kept", processes=3) as frontend:
        with connect(frontend.port) as sock:
            fetch(sock, "/hello", bytearray(1000))
        assert frontend.own is not None
        assert "--puwsgi-socket" in frontend.config
        assert "puwsgi keepalive=3" in frontend.config
        assert "--processes 3" in frontend.config
        assert str(tmp_path) not in frontend.config
    assert frontend.daemon.popen.returncode is not None
    assert frontend.own.daemon.popen.returncode is not None


def test_the_compiled_build_is_started_where_it_is(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tree" / "proxy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('of the other tree')")
    monkeypatch.setattr(frontends, "COMPILED", package.parent)
    for name in ("compiled", "kept-compiled"):
        with pytest.raises(BenchError, match="of the other tree"):
            frontends.start(name, tmp_path / name, backend, "unix")


@pytest.mark.parametrize("name", [pytest.param("nginx", marks=needs_nginx), "proxy"])
def test_a_frontend_that_cannot_start_says_why(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"{name}: ended with"):
        frontends.STARTERS[name](tmp_path / name, "unix:/x", ["--no-such-option"])
