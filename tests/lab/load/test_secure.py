"""The engine speaks TLS as it speaks plain: every outcome keeps its word, and one is added."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.load import loops
from proxy.lab.load.ask import Ask, Wanted
from proxy.lab.load.engine import Client, Outcome
from proxy.lab.load.plan import Plan
from proxy.lab.load.secure import SecureEngine, trusting
from proxy.lab.stand import tls
from proxy.lab.stand.setup import Tls
from tests.lab.fake import OK

LARGE = 3_000_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return tls.make(tmp_path_factory.mktemp("tls"))


@contextlib.contextmanager
def serving(files: Tls, answers: list[list[bytes]], takes: int = 0) -> Iterator[int]:
    """For each connection in turn, a handshake and these answers, each to a whole request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)

    def serve(listener: socket.socket) -> None:
        for said in answers:
            plain = listener.accept()[0]
            plain.settimeout(30)
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as sock:
                for answer in said:
                    got = sock.recv(65536)
                    left = takes - len(got.partition(b"\r\n\r\n")[2])
                    while left > 0:
                        left -= len(sock.recv(65536))
                    sock.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            thread.join(30)


def drive(port: int, certificate: Path, count: int = 1, body: str = "") -> list[Outcome]:
    log: list[Outcome] = []

    def finished(client: Client, ask: Ask, outcome: Outcome, now: float) -> None:
        log.append(outcome)
        if len(log) < count:
            engine.send(client, ask)

    wire = Wanted("/1", body=body).encode("h", True)
    with SecureEngine(str(certificate), ("127.0.0.1", port), 30.0, finished) as engine:
        engine.send(engine.open(), Ask(wire, 0.0))
        while engine.running:
            engine.poll(1.0)
    return log


def test_requests_on_one_connection(files: Tls) -> None:
    with serving(files, [[OK, OK]]) as port:
        assert drive(port, files.certificate, 2) == [200, 200]


def test_large_bodies_both_ways(files: Tls) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE)
    with serving(files, [[answer]], takes=LARGE) as port:
        assert drive(port, files.certificate, body=f"zeros:{LARGE}") == [200]


def test_an_answer_that_is_cut_off(files: Tls) -> None:
    with serving(files, [[OK[:-1]]]) as port:
        assert drive(port, files.certificate) == ["truncated"]


def test_who_is_not_trusted_or_speaks_no_tls(files: Tls, tmp_path: Path) -> None:
    other = tls.make(tmp_path)
    with serving(files, [[]]) as port:
        assert drive(port, other.certificate) == ["tls"]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as sock:
                sock.recv(1)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert drive(listener.getsockname()[1], files.certificate) == ["tls"]
        thread.join(30)


def test_a_load_with_tls(files: Tls) -> None:
    with serving(files, [[OK] * 1_000_000]) as port:  # more than can be asked for
        plan = Plan(port, seconds=0.2, clients=1, tls=str(files.certificate))
        load = loops.loop_of(Plan.from_json(plan.to_json())).run()
    assert set(load.outcomes) == {"ok"}


def test_nothing_old_is_spoken(files: Tls) -> None:
    assert trusting(str(files.certificate)).minimum_version is ssl.TLSVersion.TLSv1_3
