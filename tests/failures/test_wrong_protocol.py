"""HTTP where a uwsgi socket is expected. (TLS and uwsgi in front of us are in test_clients.)

An HTTP server takes a uwsgi packet for the begin of a request line. Until a line feed comes it
waits for more: uWSGI's --http-socket for its --socket-timeout, gunicorn for its --timeout. A packet
that has a line feed in it, mostly as the size of a variable, gets an answer to garbage.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from proxy import errors
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartFrontend
from tests.integration.frontend import TWO_ENGINES
from tests.integration.messages import request
from tests.servers import DEADLINE_S, REPOSITORY, gunicorn, raw_request, uwsgi, wait_until

Kind = Literal["uwsgi", "gunicorn"]
APP = "tests.failures.app:application"
WITHOUT_LINE_FEED = request("/ok")
WITH_LINE_FEED = request("/ok", "X-Ten: " + "x" * 10)


@contextmanager
def http_server(kind: Kind, directory: Path) -> Iterator[str]:
    """Run a server that speaks HTTP; yield its address."""
    with tempfile.TemporaryDirectory(prefix="uf-") as short:
        path = f"{short}/http.sock"
        if kind == "uwsgi":
            extra = ("--http-socket", path, "--socket-timeout", "1")
            with uwsgi(APP, directory=directory, python_path=REPOSITORY, extra=extra):
                yield f"unix:{path}"
        else:
            with _gunicorn(f"unix:{path}", directory):
                yield f"unix:{path}"


@contextmanager
def _gunicorn(address: str, directory: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", address]
    command += ["--worker-tmp-dir", str(directory), APP]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: _answers(address), "gunicorn answers")
            yield
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _answers(address: str) -> bool:
    try:
        return b"200 OK" in raw_request(address, b"GET /ok HTTP/1.0\r\n\r\n")
    except OSError:
        return False


@pytest.fixture(autouse=True)
def no_questions() -> None:
    """Here they are asked."""


@pytest.mark.parametrize("engine", TWO_ENGINES[:1], ids=str)
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("uwsgi", WITHOUT_LINE_FEED),
        ("gunicorn", WITHOUT_LINE_FEED),
        ("gunicorn", WITH_LINE_FEED),
    ],
    ids=["uWSGI silent", "gunicorn silent", "gunicorn answers"],
)
def test_http_behind_us(frontend: StartFrontend, tmp_path: Path, kind: Kind, data: bytes) -> None:
    with http_server(kind, tmp_path) as address:
        front = frontend(address, options="--backend-read-timeout 1.5")
        response = front.ask(data)
        assert response.status == 502
        (word,) = front.failures()
        assert word == errors.NOT_UWSGI.word
        check_failed(front, errors.NOT_UWSGI, address)


@pytest.mark.parametrize("engine", TWO_ENGINES[:1], ids=str)
@pytest.mark.parametrize("kind", ["uwsgi", "gunicorn"])
def test_a_slow_application_is_not_taken_for_http(
    frontend: StartFrontend, tmp_path: Path, kind: Kind
) -> None:
    """Its first request takes too long, while another thread answers whatever else is asked."""
    if kind == "uwsgi":
        server = uwsgi(APP, directory=tmp_path, python_path=REPOSITORY, threads=2)
    else:
        server = gunicorn(
            APP, directory=tmp_path, python_path=REPOSITORY, worker="gthread", threads=2
        )
    with server as running:
        front = frontend(running.address, options="--backend-read-timeout 0.8")
        with front.client() as client:
            client.send(request("/hang"))
            check_answer(client, 504, "open")
            check_failed(front, errors.READ_TIMEOUT)
