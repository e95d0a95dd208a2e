"""Every way in which a request can end gets its kind; connections are kept while they may be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.clients import BadReply
from benchmarks.engine import Ask, Client, Engine, Head, read_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

Script = list[list[bytes]]
"""For each connection in turn, what is answered to each request on it; empty bytes: close."""


@contextmanager
def server(script: Script) -> Iterator[int]:
    """Play a script on a port of its own; a connection ends with its last answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=play, args=(listener, script))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            thread.join(30)


def play(listener: socket.socket, script: Script) -> None:
    for answers in script:
        with listener.accept()[0] as sock:
            sock.settimeout(30)
            for answer in answers:
                sock.recv(1000)
                sock.sendall(answer)
            if answers[-1] and b"close" not in answers[-1]:
                sock.recv(1000)  # until the other side closes


Log = list[tuple[str, str]]


def drive(port: int, paths: list[str], timeout_s: float = 30.0) -> Log:
    """Ask one after the other on one client; return (path, kind) of each."""
    log: Log = []
    left = list(paths)

    def finished(client: Client, ask: Ask, kind: str, now: float) -> None:
        assert now >= ask.since_s
        log.append((ask.path, kind))
        if left:
            engine.send(client, Ask(left.pop(0), now))

    with Engine(port, timeout_s, finished) as engine:
        client = engine.open()
        engine.settle([client])
        engine.send(client, Ask(left.pop(0), 0.0))
        while engine.running:
            engine.poll(1.0)
    return log


def test_two_requests_on_one_connection() -> None:
    with server([[OK, BUSY]]) as port:
        assert drive(port, ["/1", "/2"]) == [("/1", "2xx"), ("/2", "503")]


def test_a_closing_answer_counts_and_the_next_request_connects_again() -> None:
    with server([[CLOSING], [OK]]) as port:
        assert drive(port, ["/1", "/2"]) == [("/1", "2xx"), ("/2", "2xx")]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "reset"),
        (OK[:-1], "timeout"),
        (b"SSH-2.0-x\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "malformed"),
        (OK + b"more", "malformed"),
        (bytes(70_000), "malformed"),
    ],
)
def test_the_kinds_of_no_answer(answer: bytes, kind: str) -> None:
    with server([[answer], [OK]]) as port:
        timeout_s = 0.2 if kind == "timeout" else 30.0
        assert drive(port, ["/1", "/2"], timeout_s) == [("/1", kind), ("/2", "2xx")]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        drive(port, ["/1"])


def test_a_server_that_has_left_refuses() -> None:
    log: Log = []

    def finished(client: Client, ask: Ask, kind: str, now: float) -> None:
        log.append((ask.path, kind))
        if ask.path == "/1":
            listener.close()  # before anything is sent again
            engine.send(client, Ask("/2", now))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=play, args=(listener, [[CLOSING]]))
        thread.start()
        with Engine(listener.getsockname()[1], 30.0, finished) as engine:
            client = engine.open()
            engine.settle([client])
            engine.send(client, Ask("/1", 0.0))
            while engine.running:
                engine.poll(1.0)
        thread.join(30)
    assert log == [("/1", "2xx"), ("/2", "refused")]


def test_an_idle_connection_that_is_closed_is_no_outcome() -> None:
    log: Log = []

    def finished(client: Client, ask: Ask, kind: str, now: float) -> None:
        log.append((ask.path, kind))

    with server([[OK, b""]]) as port, Engine(port, 30.0, finished) as engine:
        client = engine.open()
        engine.settle([client])
        engine.send(client, Ask("/1", 0.0))
        while engine.running:
            engine.poll(1.0)
        assert client.sock is not None
        client.sock.send(b"makes the script go on")
        while client.sock is not None:
            engine.poll(1.0)
    assert log == [("/1", "2xx")]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (OK[:-2], Head(200, 2, False)),
        (BUSY, Head(503, 0, False)),
        (CLOSING[:-2], Head(200, 2, True)),
        (b"HTTP/1.0 200 OK\r\ncontent-length:7\r\n\r\n", Head(200, 7, True)),
    ],
)
def test_heads(text: bytes, head: Head) -> None:
    assert read_head(text) == head


def test_a_head_without_a_length() -> None:
    with pytest.raises(BadReply):
        read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
