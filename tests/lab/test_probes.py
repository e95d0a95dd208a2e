"""What single requests come to, in the words of the load generator."""

import socket
import threading

import pytest

from proxy.lab.load.ask import Wanted
from proxy.lab.probes import PROBES, Probe, Seen, ask
from tests.lab.fake import OK, RESET, answering, scripted

PROBE = Probe("x", Wanted("/x"), "ok")


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (OK, Seen("ok", 200, "ok")),
        (OK.replace(b"\r\n\r\nok", b"\r\n\r\nno"), Seen("wrong body", 200, "no")),
        (b"HTTP/1.1 431 No\r\nContent-Length: 0\r\n\r\n", Seen("4xx", 431)),
        (b"HTTP/1.1 200 OK\r\n\r\nok", Seen("ok", 200, "ok")),
        (b"", Seen("empty")),
        (RESET, Seen("reset")),
        (OK[:-1], Seen("truncated", text=OK[:-1].decode())),
        (OK + b"more", Seen("malformed", text=(OK + b"more")[:40].decode())),
    ],
)
def test_outcomes(answer: bytes, seen: Seen) -> None:
    with scripted([[answer]]) as port:
        assert ask(port, PROBE) == seen


def test_nobody_and_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        assert ask(port, PROBE, 0.1) == Seen("timeout")
    assert ask(port, PROBE) == Seen("refused")


def test_an_answer_before_the_end_of_a_long_request() -> None:
    """As of an application that does not read the body."""
    done = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as sock:
            sock.recv(1000)
            sock.sendall(OK)
            while sock.recv(1 << 20):
                pass
            done.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        probe = Probe("x", Wanted("/", "POST", body="zeros:3000000"))
        assert ask(int(listener.getsockname()[1]), probe).outcome == "ok"
        thread.join(30)
    assert done.is_set()


def test_a_head_has_no_body() -> None:
    with answering(lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as port:
        assert ask(port, Probe("x", Wanted("/", "HEAD"))).outcome == "ok"


def test_names_are_unique() -> None:
    assert len({each.name for each in PROBES}) == len(PROBES)
