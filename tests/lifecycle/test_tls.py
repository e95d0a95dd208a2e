"""TLS in a process of its own: what it says at the start, several workers, and SIGUSR1."""

import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.exits import Exit
from proxy.testing import FakeBackend, respond
from tests.servers import DEADLINE_S, REPOSITORY, Proxy, proxy_process, wait_until
from tests.tls.authority import Authority

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Visitor:
    """A client that remembers its last session."""

    def __init__(self, proxy: Proxy, authority: Authority) -> None:
        self._proxy = proxy
        self._context = authority.client_context()
        self._session: ssl.SSLSession | None = None

    def come(self) -> tuple[bool, object]:
        """Ask for something; return whether the session was resumed, and the serial number."""
        plain = socket.create_connection((self._proxy.host, self._proxy.port), DEADLINE_S)
        with self._context.wrap_socket(
            plain, server_hostname="localhost", session=self._session
        ) as client:
            client.sendall(REQUEST)
            data = b""
            while part := client.recv(1 << 16):
                data += part
            assert data.startswith(b"HTTP/1.1 200 ")
            self._session = client.session
            certificate = client.getpeercert()
            assert certificate is not None
            return bool(client.session_reused), certificate["serialNumber"]


def test_workers_know_each_other_s_sessions_and_take_new_certificates(
    authority: Authority,
) -> None:
    pair = authority.issue()
    with FakeBackend(respond(body=b"x")) as backend:
        options = ("--listen", "127.0.0.1:0 tls", "--workers", "2", "--upstream")
        files = ("--tls-certificate", pair.certificate, "--tls-certificate-key", pair.key)
        never = ("--tls-reload-interval", "0")
        with proxy_process(*options, str(backend.address), *files, *never) as proxy:
            assert proxy.url.startswith("https://127.0.0.1:")
            visitor = Visitor(proxy, authority)
            first = visitor.come()
            assert first == (False, first[1])
            assert [visitor.come()[0] for _ in range(6)] == [True] * 6
            authority.issue()
            proxy.process.send_signal(signal.SIGUSR1)
            proxy.log_lines.wait_for("a new certificate is in use", 2)
            assert Visitor(proxy, authority).come()[1] != first[1]
            assert visitor.come()[0]
            Path(pair.key).write_text("nonsense")
            proxy.process.send_signal(signal.SIGUSR1)
            proxy.log_lines.wait_for("the certificate in use stays", 2)
            assert visitor.come()[0]
            assert proxy.stop() == Exit.STOPPED
        assert not [line for line in proxy.log if "Traceback" in line]


def test_certificates_are_looked_at_by_themselves(authority: Authority) -> None:
    pair = authority.issue()
    with FakeBackend(respond(body=b"x")) as backend:
        options = ("--listen", "127.0.0.1:0 tls", "--tls-reload-interval", "100ms")
        files = ("--tls-certificate", pair.certificate, "--tls-certificate-key", pair.key)
        with proxy_process(*options, *files, "--upstream", str(backend.address)) as proxy:
            before = Visitor(proxy, authority).come()[1]
            authority.issue()
            wait_until(
                lambda: Visitor(proxy, authority).come()[1] != before, "the new one is in use"
            )


def test_what_cannot_work_is_one_line_at_the_start(authority: Authority) -> None:
    pair, other = authority.issue(), authority.issue("other")
    command = [sys.executable, "-m", "proxy", "--upstream", "unix:/none"]
    command += ["--listen", "127.0.0.1:0 tls", "--tls-certificate", pair.certificate]
    command += ["--tls-certificate-key", other.key]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == Exit.BAD_SETTINGS
    line = f"--tls-certificate-key {other.key}: not the key of {pair.certificate}"
    assert line in done.stderr
    assert "Traceback" not in done.stderr
