"""The generators read what they ask for and refuse what is not a plain 200."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import clients
from proxy.lab.load.answer import BadReply
from proxy.lab.processes import ROOT
from tests.benchmarks.serving import serving

SIZE = 300_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("Content-Length", str(SIZE * (2 if self.path == "/short" else 1)))
        self.end_headers()
        self.wfile.write(bytes(SIZE))
        self.close_connection = self.path == "/short"

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes half-way is what some of the tests are about."""


@pytest.fixture
def port() -> Iterator[int]:
    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield port


def test_read_counts_every_byte(port: int) -> None:
    found = clients.read(port, "/", 3)
    assert (found["requests"], found["bytes"]) == (3, 3 * SIZE)
    assert found["seconds"] > 0


@pytest.mark.parametrize("path", ["/missing", "/short"])
def test_a_wrong_reply_is_refused(port: int, path: str) -> None:
    with pytest.raises(BadReply):
        clients.read(port, path, 1)
    with pytest.raises(BadReply):
        clients.slow(port, path, 10**9, 30.0)


def test_slow_keeps_to_its_time_and_rate(port: int) -> None:
    found = clients.slow(port, "/", 100_000, 0.2)
    assert found["bytes"] < SIZE
    assert 0.2 <= found["seconds"] < 10


def test_slow_ends_with_the_reply(port: int) -> None:
    assert clients.slow(port, "/", 10**9, 30.0)["bytes"] == SIZE


def test_idle_holds_its_connections(port: int) -> None:
    argv = [sys.executable, "-m", "benchmarks.clients", "idle", str(port), "/", "--count", "5"]
    done = subprocess.run(
        argv, cwd=ROOT, input="\n", capture_output=True, text=True, check=True, timeout=60
    )
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first, second) == ({"open": 5}, {"still_open": 5})


def test_closed_connections_are_not_counted() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    try:
        pairs[0][1].close()
        assert clients.still_open([ours for ours, _ in pairs]) == 2
    finally:
        for pair in pairs:
            for sock in pair:
                sock.close()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", b"HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\n"],
)
def test_head_must_be_plain(head: bytes) -> None:
    with pytest.raises(BadReply):
        clients.body_length(head)


def test_body_length_ignores_case() -> None:
    assert clients.body_length(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 14\r\n\r\n") == 14


def test_command_line(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert clients.main(["read", str(port), "/", "--count", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == 2 * SIZE
    assert clients.main(["slow", str(port), "/missing"]) == 1
    assert "BadReply" in capsys.readouterr().err
