"""Every way in which a request can end gets its word; connections are kept while they may be."""

import socket
import threading

import pytest

from proxy.lab.load.ask import Ask, Wanted
from proxy.lab.load.engine import Client, Engine, Outcome
from tests.lab.fake import OK, RESET, Script, answering, scripted

BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nok"

Log = list[tuple[str, Outcome]]


def ask(path: str, since_s: float = 0.0, body: str = "") -> Ask:
    return Ask(Wanted(path, body=body).encode("h", True), since_s, path)


def drive(
    port: int, asks: list[Ask], timeout_s: float = 30.0, keep_alive: bool = True
) -> tuple[Log, Engine]:
    """Ask one after the other on one client; return (path, outcome) of each."""
    log: Log = []
    left = list(asks)

    def finished(client: Client, ask: Ask, outcome: Outcome, now: float) -> None:
        assert now >= ask.sent_s >= ask.since_s
        log.append((ask.label, outcome))
        if left:
            engine.send(client, left.pop(0))

    with Engine(("127.0.0.1", port), timeout_s, finished, keep_alive) as engine:
        engine.send(engine.open(), left.pop(0))
        while engine.running:
            engine.poll(1.0)
    return log, engine


def outcomes(script: Script, timeout_s: float = 30.0) -> list[Outcome]:
    with scripted(script) as port:
        return [found for _, found in drive(port, [ask("/1"), ask("/2")], timeout_s)[0]]


def test_two_requests_on_one_connection() -> None:
    assert outcomes([[OK, BUSY]]) == [200, 503]


def test_a_closing_answer_counts_and_the_next_request_connects_again() -> None:
    assert outcomes([[CLOSING], [OK]]) == [200, 200]


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    assert outcomes([[TO_THE_END], [OK]]) == [200, 200]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"", "empty"),
        (RESET, "reset"),
        (OK[:-1], "truncated"),
        (b"HTTP/1.1 2", "truncated"),
        (TO_THE_END + RESET, "truncated"),
        (b"SSH-2.0-x\r\n\r\n", "malformed"),
        (OK + b"more", "malformed"),
        (bytes(70_000), "malformed"),
    ],
)
def test_the_words_for_no_answer(answer: bytes, word: str) -> None:
    assert outcomes([[answer], [OK]]) == [word, 200]


def test_silence_times_out() -> None:
    silent = threading.Event()

    def answer(head: bytes) -> bytes:
        silent.wait(30)
        return OK

    with answering(answer) as port:
        try:
            log, _ = drive(port, [ask("/1")], 0.2)
        finally:
            silent.set()
    assert log == [("/1", "timeout")]


def test_a_kept_connection_that_was_closed_is_tried_once_more() -> None:
    with scripted([[OK, b""], [OK]]) as port:
        log, engine = drive(port, [ask("/1"), ask("/2")])
    assert (log, engine.retried) == ([("/1", 200), ("/2", 200)], 1)


def test_but_only_once() -> None:
    with scripted([[OK, b""], [b""]]) as port:
        log, engine = drive(port, [ask("/1"), ask("/2")])
    assert (log, engine.retried) == ([("/1", 200), ("/2", "empty")], 1)


def test_without_keep_alive_each_request_has_its_connection() -> None:
    with scripted([[OK], [OK]]) as port:
        log, engine = drive(port, [ask("/1"), ask("/2")], keep_alive=False)
    assert (log, engine.retried) == ([("/1", 200), ("/2", 200)], 0)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert drive(port, [ask("/1"), ask("/2")])[0] == [("/1", "refused"), ("/2", "refused")]
    with Engine(("127.0.0.1", port), 30.0, lambda *_: None) as engine:
        client = engine.open()
        with pytest.raises(ConnectionRefusedError):
            engine.settle([client])


def test_what_cannot_be_reached_is_another_word() -> None:
    found: list[Outcome] = []
    # A broadcast address: TCP cannot connect to it, and says so at once.
    address = ("255.255.255.255", 9)
    with Engine(address, 30.0, lambda c, a, outcome, n: found.append(outcome)) as engine:
        engine.send(engine.open(), ask("/1"))
        while engine.running:
            engine.poll(1.0)
    assert found == ["connect"]


def test_a_large_body_goes_out_in_pieces() -> None:
    size = 5_000_000
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as sock:
                left = size + len(ask("/1", 0.0, f"zeros:{size}").wire) - size
                while left > 0:
                    left -= len(sock.recv(min(left, 1 << 20)))
                sock.sendall(OK)
                sock.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        log, _ = drive(listener.getsockname()[1], [ask("/1", 0.0, f"zeros:{size}")])
        thread.join(30)
    assert log == [("/1", 200)]


def test_an_answer_before_the_end_of_the_request_counts() -> None:
    """The server answers a large POST without reading it, and keeps its side open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as sock:
                sock.recv(1000)
                sock.sendall(OK)
                listener.accept()[0].close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        log, _ = drive(port, [ask("/1", 0.0, "zeros:20000000")])
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(30)
    assert log == [("/1", 200)]


def test_an_idle_connection_that_is_closed_is_no_outcome() -> None:
    log: Log = []
    with (
        scripted([[OK]]) as port,
        Engine(("127.0.0.1", port), 30.0, lambda c, a, o, n: log.append((a.label, o))) as engine,
    ):
        client = engine.open()
        engine.send(client, ask("/1"))
        while client.sock is not None:
            engine.poll(1.0)
    assert log == [("/1", 200)]
