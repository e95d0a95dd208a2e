"""Asking a front end whether it lives, as HEALTHCHECK does."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

import pytest

from proxy.client.health import HEALTHY, UNHEALTHY, VARIABLE, main
from proxy.config.options import BY_ENVIRONMENT
from proxy.settings import Address
from tests.servers import REPOSITORY

LIVES = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
STOPS = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\ndraining\n"


@contextlib.contextmanager
def answering(answer: bytes, listener: socket.socket) -> Iterator[list[bytes]]:
    """Answer one connection; yields what it has asked. No bytes: say nothing until the end."""
    asked: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(answer)
            if not answer:
                over.wait(60)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
        listener.close()


def local() -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "code", "text"), [(LIVES, HEALTHY, "ok\n"), (STOPS, UNHEALTHY, "draining\n")]
)
def test_what_it_says(
    answer: bytes, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listener, port = local()
    with answering(answer, listener) as asked:
        assert main([], {VARIABLE: f"127.0.0.1:{port}"}) == code
    assert capsys.readouterr() == (text, "")
    assert asked == [b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n"]


def test_every_address_is_also_the_loopback() -> None:
    listener, port = local()
    with answering(LIVES, listener):
        assert main([], {VARIABLE: f":{port}"}) == HEALTHY


@pytest.mark.parametrize("abstract", [False, True])
def test_a_unix_socket_and_another_path(abstract: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="uf-") as directory:
        path = f"\0{directory}/s" if abstract else f"{directory}/s"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen()
        with answering(LIVES, listener) as asked:
            # What is given wins over the environment.
            assert main([str(Address(path=path)), "--path", "/readyz"], {VARIABLE: ":1"}) == HEALTHY
    assert asked[0].startswith(b"GET /readyz ")


def test_no_answer_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    listener, port = local()
    with answering(b"", listener):
        assert main([f"127.0.0.1:{port}", "--timeout", "0.05"]) == UNHEALTHY
    assert f"127.0.0.1:{port}/livez: timed out" in capsys.readouterr().err


def test_something_else_answers(capsys: pytest.CaptureFixture[str]) -> None:
    listener, port = local()
    with answering(b"SSH-2.0-x\r\n", listener):
        assert main([f"127.0.0.1:{port}"]) == UNHEALTHY
    assert capsys.readouterr().err == "uwsgi-frontend health: SSH-2.0-x\n"


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    listener, port = local()
    listener.close()
    assert main([f"127.0.0.1:{port}"]) == UNHEALTHY
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"uwsgi-frontend health: 127.0.0.1:{port}/livez: Connection refused"
    assert main(["unix:/nonexistent/s"]) == UNHEALTHY
    assert "unix:/nonexistent/s/livez: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "there is no admin address to ask; set UWSGI_FRONTEND_ADMIN"),
        ("off", "there is no admin address to ask"),
        ("127.0.0.1:0", "which port the kernel has chosen is not known here"),
        ("nonsense", "nonsense"),
    ],
)
def test_nothing_to_ask(value: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {VARIABLE: value}) == UNHEALTHY
    assert words in capsys.readouterr().err


def test_the_variable_is_that_of_the_option() -> None:
    assert BY_ENVIRONMENT[VARIABLE].flag == "--admin"


def test_as_a_module_it_loads_little() -> None:
    """An engine runs it every few seconds."""
    code = (
        "import sys, runpy\n"
        "try: runpy.run_module('proxy.client.health', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as error: print(error.code, *sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env={VARIABLE: "unix:/nonexistent/s"},
    )
    code_, *loaded = done.stdout.split()
    assert code_ == "1"
    assert not {"asyncio", "uvloop", "httptools", "proxy.cli", "proxy.config.options"} & set(loaded)
