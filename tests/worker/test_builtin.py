"""The built-in worker: in this process for the protocol, as a child for its signals."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.uwsgi import encode_packet, encode_vars
from proxy.worker import builtin
from proxy.worker.builtin import Server, listen
from tests.servers import (
    DEADLINE_S,
    REPOSITORY,
    connect,
    raw_request,
    uwsgi_request,
    wait_until,
)


class Site:
    """An application whose requests the test can hold back."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()

    def __call__(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = request["PATH_INFO"]
        self.entered.release()
        if path == "/hold":
            assert self.gate.wait(DEADLINE_S)
        if path == "/fail":
            raise RuntimeError("asked to")
        if path == "/exit":
            raise SystemExit(3)
        start("200 OK", [("Content-Type", "text/plain")])
        if path == "/half":
            return self._half()
        return [request["wsgi.input"].read() if path == "/body" else path.encode("latin-1")]

    @staticmethod
    def _half() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("way")


class Running:
    """A server in a thread."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self.site = Site()
        self.address = f"unix:{path}"
        self.listener = listen(str(path))
        self.server = Server(self.listener, self.site, threads)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def close(self) -> None:
        self.site.gate.set()
        if self.thread.is_alive():
            with contextlib.suppress(OSError):  # it ended in between
                self.server.stop()
        self.thread.join(DEADLINE_S)
        self.listener.close()


@pytest.fixture
def running(short_dir: Path) -> Iterator[Running]:
    server = Running(short_dir / "s.sock")
    yield server
    server.close()


def packet(path: str = "/", **more: str) -> bytes:
    pairs = {"REQUEST_METHOD": "GET", "PATH_INFO": path, **more}.items()
    return encode_packet(encode_vars((k.encode(), v.encode()) for k, v in pairs))


def test_answers(running: Running) -> None:
    reply = uwsgi_request(running.address, {"PATH_INFO": "/hello"})
    assert reply == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n/hello"
    )


def test_reads_a_packet_that_comes_byte_by_byte(running: Running) -> None:
    with connect(running.address) as connection:
        for byte in packet("/body", CONTENT_LENGTH="3") + b"xyz":
            connection.sendall(bytes([byte]))
        assert connection.recv(1000).endswith(b"\r\n\r\nxyz")


def test_reads_a_large_body(running: Running) -> None:
    body = os.urandom(3_000_000)
    assert uwsgi_request(running.address, {"PATH_INFO": "/body"}, body).endswith(body)


def test_an_empty_packet_is_a_get_of_nothing(running: Running) -> None:
    assert raw_request(running.address, encode_packet(b"")).startswith(b"HTTP/1.1 200 OK\r\n")


def test_answers_a_ping(running: Running) -> None:
    assert raw_request(running.address, b"\x64\0\0\0") == b"\x64\0\0\x01"
    assert not running.site.entered.acquire(blocking=False)


@pytest.mark.parametrize("modifier", [1, 5, 17, 30, 99, 101, 224, 255])
def test_refuses_other_modifiers(
    running: Running, modifier: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytes([modifier]) + packet()[1:]
    assert raw_request(running.address, data) == b""
    assert f"refused a packet with modifier1 {modifier}" in capsys.readouterr().err


def test_loads_nothing_that_a_packet_names(running: Running, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("application = None\nraise SystemExit\n")
    named = {"UWSGI_FILE": str(tmp_path / "evil.py"), "UWSGI_APPID": "evil", "PATH_INFO": "/ok"}
    assert uwsgi_request(running.address, named).endswith(b"/ok")


HOSTILE = {
    "nothing": b"",
    "half a header": b"\0\x10",
    "half a packet": packet()[:-3],
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length past the end": encode_packet(b"\x50\x00short"),
    "a name without value": encode_packet(encode_vars([(b"A", b"")])[:-2]),
    "one stray byte": encode_packet(encode_vars([(b"A", b"b")]) + b"\0"),
    "a length that is no number": packet("/body", CONTENT_LENGTH="many"),
    "a negative length": packet("/body", CONTENT_LENGTH="-1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_survives(running: Running, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(4):  # twice as many as there are threads
        with connect(running.address) as connection:
            connection.sendall(HOSTILE[name])
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
    assert uwsgi_request(running.address, {"PATH_INFO": "/alive"}).endswith(b"/alive")
    assert capsys.readouterr().err.count("worker: dropped a connection: ") == 4


def test_a_client_that_resets_is_survived(running: Running) -> None:
    for _ in range(4):
        with connect(running.address) as connection:
            connection.sendall(packet("/body", CONTENT_LENGTH="100000"))
    assert uwsgi_request(running.address, {"PATH_INFO": "/alive"}).endswith(b"/alive")


def test_a_packet_has_a_deadline_however_slowly_it_trickles(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(builtin, "PACKET_TIMEOUT_S", 0.3)
        with connect(running.address) as connection:
            connection.sendall(packet()[:10])
            assert connection.recv(100) == b""
    assert uwsgi_request(running.address, {"PATH_INFO": "/alive"}).endswith(b"/alive")


@pytest.mark.parametrize("path", ["/fail", "/exit"])
def test_a_failure_is_a_500_page_and_a_traceback(
    running: Running, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(4):
        reply = uwsgi_request(running.address, {"PATH_INFO": path, "REQUEST_URI": path})
        assert reply.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert reply.endswith(b"\r\n\r\n500 Internal Server Error\n")
    log = capsys.readouterr().err
    assert f"worker: GET '{path}' failed:\nTraceback" in log


def test_a_failure_half_way_leaves_the_reply_unfinished(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = uwsgi_request(running.address, {"PATH_INFO": "/half"})
    assert reply.endswith(b"\r\n\r\n4\r\nhalf\r\n")
    assert "RuntimeError: way" in capsys.readouterr().err


def test_a_body_that_stops_short_fails_the_request(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(running.address) as connection:
        connection.sendall(packet("/body", CONTENT_LENGTH="10") + b"123")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    assert "the request body ends 7 bytes too early" in capsys.readouterr().err


def test_threads_serve_at_the_same_time_and_the_rest_waits(running: Running) -> None:
    replies: list[bytes] = []

    def hold() -> None:
        replies.append(uwsgi_request(running.address, {"PATH_INFO": "/hold"}))

    clients = [threading.Thread(target=hold) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(2):
        assert running.site.entered.acquire(timeout=DEADLINE_S)
    assert not running.site.entered.acquire(blocking=False)
    running.site.gate.set()
    for client in clients:
        client.join(DEADLINE_S)
    assert [reply[-5:] for reply in replies] == [b"/hold"] * 3


def test_stop_finishes_what_runs(running: Running) -> None:
    with connect(running.address) as connection:
        connection.sendall(packet("/hold"))
        assert running.site.entered.acquire(timeout=DEADLINE_S)
        running.server.stop()
        running.server.stop()
        running.site.gate.set()
        assert connection.recv(1000).endswith(b"/hold")
    running.thread.join(DEADLINE_S)
    assert not running.thread.is_alive()


def test_listening_replaces_a_socket_that_was_left_behind(short_dir: Path) -> None:
    path = short_dir / "s.sock"
    for _ in range(2):
        listen(str(path)).close()
    assert path.is_socket()


def test_listening_on_an_inherited_socket(short_dir: Path) -> None:
    path = str(short_dir / "s.sock")
    first = listen(path)
    with listen(f"fd://{first.detach()}") as second:
        assert second.getsockname() == path
        connect(f"unix:{path}").close()


def test_listening_does_not_replace_a_file(short_dir: Path) -> None:
    path = short_dir / "s.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        listen(str(path))
    assert path.read_text() == "precious"


# --- as a process


@contextlib.contextmanager
def process(app_dir: Path, path: Path, app: str) -> Iterator[subprocess.Popen[str]]:
    options = ["--socket", str(path), "--threads", "2", "--path", str(app_dir), app]
    child = subprocess.Popen(
        [sys.executable, "-m", "proxy.worker.builtin", *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return raw_request(address, b"\x64\0\0\0") == b"\x64\0\0\x01"
    return False


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGQUIT, 131)]
)
def test_signals_end_it_and_the_socket_is_removed(
    app_dir: Path, short_dir: Path, number: int, code: int
) -> None:
    path = short_dir / "s.sock"
    with process(app_dir, path, "good:app") as child:
        wait_until(lambda: answers(f"unix:{path}"), "the worker answers")
        assert uwsgi_request(f"unix:{path}").endswith(b"good")
        child.send_signal(number)
        assert child.wait(DEADLINE_S) == code
    assert not path.exists()


def test_an_application_that_cannot_be_loaded_ends_it(app_dir: Path, short_dir: Path) -> None:
    path = short_dir / "s.sock"
    with process(app_dir, path, "good:nothing") as child:
        _, log = child.communicate(timeout=DEADLINE_S)
        assert child.returncode == 22
    assert log.startswith(f"worker: 'good' ({app_dir}/good.py) has no 'nothing'")
    assert not path.exists()
