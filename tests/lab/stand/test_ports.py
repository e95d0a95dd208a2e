"""Ports are free, and waited for."""

import socket
import sys
from pathlib import Path

import pytest

from proxy.lab.processes import BenchError, Daemon
from proxy.lab.stand import ports
from tests.lab.fake import OK, answering

LISTENER = """
import socket, sys
sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    sock.accept()[0].close()
"""


def test_a_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", ports.free_port())):
        pass


def test_somebody_comes(tmp_path: Path) -> None:
    port = ports.free_port()
    argv = [sys.executable, "-c", LISTENER, str(port)]
    with Daemon.start("listener", argv, tmp_path / "log") as daemon:
        ports.wait_for_port(daemon, port)


def test_nobody_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "START_TIMEOUT_S", 0.05)
    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    daemon = Daemon.start("mute", argv, tmp_path / "log")
    with pytest.raises(BenchError, match="mute: nothing listens"):
        ports.wait_for_port(daemon, ports.free_port())
    assert daemon.popen.returncode is not None


def test_fetch() -> None:
    with answering(lambda head: OK if head.startswith(b"GET /x ") else b"") as port:
        assert ports.fetch(port, "/x") == (200, b"ok")
