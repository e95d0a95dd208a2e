"""What says nothing in uwsgi is asked in HTTP, and named if it answers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from proxy import errors
from proxy.client import exits
from proxy.client.curl import main as curl
from proxy.client.doubt import explain
from proxy.client.drive import run_alone
from proxy.client.ping import main as ping
from proxy.errors import ProxyError
from proxy.settings import Address
from proxy.testing import FakeBackend, close_before_reply, silence


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()


@pytest.fixture
def http() -> Iterator[Address]:
    """A server that waits for the end of the first line."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address(host="127.0.0.1", port=server.server_port)
        server.shutdown()
        thread.join()


def test_a_ping_names_an_http_server(http: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert ping([str(http), "--timeout", "200ms"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"uwsgi-frontend ping: backend_speaks_http: {http}; next: this socket")


def test_so_does_curl(http: Address, capfd: pytest.CaptureFixture[str]) -> None:
    assert curl([str(http), "/", "-m", "0.2"]) == exits.WEIRD_REPLY
    assert "backend_speaks_http" in capfd.readouterr().err


def test_what_speaks_uwsgi_keeps_its_reason() -> None:
    for script in (silence(), close_before_reply()):
        with FakeBackend(script) as backend:
            error = ProxyError(errors.READ_TIMEOUT, "late")
            assert run_alone(explain(backend.address, error)) is error


def test_other_reasons_are_not_doubted(http: Address) -> None:
    error = ProxyError(errors.CONNECT_REFUSED)
    assert run_alone(explain(http, error)) is error
