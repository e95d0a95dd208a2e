"""TLS over real sockets and both event loops, with OpenSSL and curl as clients."""

import contextlib
import hashlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

import pytest

from proxy.testing import READ, Close, Pause, Received, Send, Step
from tests.differential.client import Client
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES, Frontend, Target
from tests.integration.messages import chunked_head, chunks, post, request
from tests.servers import wait_until
from tests.tls.authority import Authority

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
_QUIETLY: Any = {"capture_output": True, "timeout": 60}
OK = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class SecureClient(Client):
    """The raw client, behind TLS."""

    def __init__(self, front: Frontend, context: ssl.SSLContext, receive_buffer: int = 0) -> None:
        super().__init__(front.address, receive_buffer)
        self.sock = context.wrap_socket(
            self.sock, server_hostname="localhost", suppress_ragged_eofs=False
        )

    def fill(self) -> bool:
        """Read some more. An end without close_notify is told apart."""
        try:
            return super().fill()
        except ssl.SSLEOFError:
            self.ended = "reset"
            return False


class Secure:
    """A front end whose one listener speaks TLS, and its clients."""

    def __init__(self, start: StartFrontend, authority: Authority) -> None:
        self._start = start
        self._pair = authority.issue()
        self._context = authority.client_context()
        self.front: Frontend

    def start(self, *upstreams: Target, options: str = "") -> Self:
        certificate, key = self._pair
        listen = f"--tls-certificate {certificate} --tls-certificate-key {key}"
        self.front = self._start(*upstreams, options=f"{listen} {options}", tls=True)
        return self

    def client(self, receive_buffer: int = 0) -> SecureClient:
        return SecureClient(self.front, self._context, receive_buffer)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secure(frontend: StartFrontend, authority: Authority) -> Secure:
    return Secure(frontend, authority)


def large(size: int) -> bytes:
    """Return bytes without repetition."""
    return hashlib.shake_128(b"tls").digest(size)


@all_engines
def test_requests_one_after_the_other_and_at_once(secure: Secure, backend: StartBackend) -> None:
    worker = backend((*READ, OK))
    secure.start(worker)
    with secure.client() as client:
        for count in (1, 3):
            client.send(request() * count)
            for _ in range(count):
                response = client.response()
                assert response is not None
                assert response.body == b"ok"
        variables = dict(worker.requests[0].variables)
        assert variables[b"REQUEST_SCHEME"] == b"https"
        assert variables[b"HTTPS"] == b"on"
        assert variables[b"SERVER_PORT"] == b"%d" % secure.front.address.port
        assert variables[b"REMOTE_PORT"] == client.port


@all_engines
def test_a_large_upload_and_a_large_download(secure: Secure, backend: StartBackend) -> None:
    body, sizes = large(20_000_000), list[int]()

    def script(received: Received) -> tuple[Step, ...]:
        sizes.append(len(received.body))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received.body)
        return Send(head), Send(received.body)

    secure.start(backend(script), options="--client-max-body-size 0")
    with secure.client() as client:
        client.send(post(body))
        response = client.response()
        assert response is not None
        assert response.body == body
        client.send(chunked_head() + chunks([body[:100_000], body[:50_000]]))
        response = client.response()
        assert response is not None
        assert response.body == body[:100_000] + body[:50_000]


def test_a_slow_client_keeps_no_worker(secure: Secure, backend: StartBackend) -> None:
    body = large(20_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    worker = backend((*READ, Send(head), Send(body)))
    secure.start(worker)
    with secure.client(receive_buffer=4096) as client:
        client.send(request())
        assert worker.wait_for_ending(0) == "closed"
        client.hurry()
        response = client.response()
        assert response is not None
        assert response.body == body


@all_engines
def test_an_early_answer_reaches_a_client_that_still_sends(
    secure: Secure, backend: StartBackend
) -> None:
    """The half of the connection that is ours ends properly, the other is read away."""
    secure.start(backend())
    with secure.client() as client:
        client.send(request("/", "Content-Length: 5000000", method="POST"))
        response = client.response()
        assert response is not None
        assert response.status == 413
        assert not client.fill()
        assert client.ended == "closed"
        raw = client.sock.unwrap() if isinstance(client.sock, ssl.SSLSocket) else client.sock
        raw.close()


@all_engines
def test_half_a_response_never_looks_like_a_whole_one(
    secure: Secure, backend: StartBackend
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    secure.start(backend((*READ, Send(head), Close())))
    with secure.client() as client:
        client.send(request(version="1.0"))
        response = client.response()
        assert response is not None
        assert not response.complete
    assert secure.front.failures() == {"eof_mid_body": 1}


@pytest.mark.parametrize("leave", ["close_notify", "close", "reset"])
@all_engines
def test_a_client_that_leaves_is_noticed_while_it_waits(
    secure: Secure, backend: StartBackend, leave: str
) -> None:
    go_on = threading.Event()
    worker = backend((*READ, Pause(go_on), OK))
    secure.start(worker)
    client = secure.client()
    client.send(request())
    secure.front.wait_in_flight(1)
    if leave == "close_notify":
        client.sock.setblocking(False)
        assert isinstance(client.sock, ssl.SSLSocket)
        with contextlib.suppress(ssl.SSLError):
            client.sock.unwrap()
    elif leave == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
    else:
        client.sock.close()
    secure.front.wait_in_flight(0)
    client.sock.close()
    secure.front.wait_connections(0)
    assert secure.front.failures() == {"client_gone": 1}
    go_on.set()


@all_engines
def test_a_tunnel(secure: Secure, backend: StartBackend) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"
    secure.start(backend((*READ, Send(switch), Close())))
    with secure.client() as client:
        client.send(request("/", "Connection: upgrade", "Upgrade: x"))
        while client.fill():
            pass
        assert client.buffer.startswith(b"HTTP/1.1 101 ")
        assert client.buffer.endswith(b"\r\n\r\nhello")
        assert client.ended == "closed"


@all_engines
def test_a_drain_ends_who_idles_and_who_shakes_hands(secure: Secure, backend: StartBackend) -> None:
    secure.start(backend((*READ, OK)))
    with secure.client() as idle, Client(secure.front.address) as shaking:
        idle.send(request())
        assert idle.response() is not None
        shaking.send(b"\x16\x03\x01")
        wait_until(lambda: secure.front.gauge("tls_handshakes_running") == 1, "it shakes hands")
        secure.front.finish()
        assert not idle.fill()
        assert idle.ended == "closed"
        assert not shaking.fill()


@all_engines
def test_handshakes_that_fail_are_counted_and_leave_nothing(
    secure: Secure, backend: StartBackend, authority: Authority
) -> None:
    secure.start(backend((*READ, OK)))
    address = secure.front.address
    with Client(address) as client:
        client.send(request())
        response = client.response()
        assert response is not None
        assert (response.status, client.fill()) == (400, False)
        assert b"The plain HTTP request was sent to HTTPS port" in response.body
    with Client(address) as client:
        client.send(b"\x16\x03\x01\x00\x05hello")
        while client.fill():
            pass
    Client(address).reset()
    stranger = ssl.create_default_context()
    with pytest.raises(ssl.SSLError), SecureClient(secure.front, stranger):
        pass
    with secure.client() as client:
        client.send(request())
        assert client.response() is not None

    expected = {"full", "plain_http", "malformed", "client_gone", "certificate_refused"}
    wait_until(lambda: set(handshakes(secure)) == expected, "all are counted")
    assert set(handshakes(secure).values()) == {1.0}
    assert secure.front.gauge("tls_handshakes_running") == 0
    assert secure.front.failures() == {"http_on_tls_listener": 1}
    secure.front.wait_connections(0)


@all_engines
def test_a_handshake_that_takes_too_long_is_counted_and_leaves_nothing(
    secure: Secure, backend: StartBackend
) -> None:
    """Apart from the others, which take as long as they take."""
    secure.start(backend((*READ, OK)), options="--tls-handshake-timeout 0.3")
    with Client(secure.front.address) as client:
        client.send(b"\x16")
        assert not client.fill()
    wait_until(lambda: handshakes(secure) == {"timeout": 1.0}, "it is counted")
    assert secure.front.gauge("tls_handshakes_running") == 0
    secure.front.wait_connections(0)


def handshakes(secure: Secure) -> dict[str, float]:
    """Return how many have ended in each way; nothing of the ways without any."""
    return {
        dict(labels)["result"]: value
        for (name, labels), value in secure.front.metrics().items()
        if name == "uwsgi_frontend_tls_handshakes_total" and value
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(secure: Secure, backend: StartBackend, authority: Authority, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(large(3_000_000))

    def script(received: Received) -> tuple[Step, ...]:
        digest = hashlib.sha256(received.body).hexdigest().encode()
        return (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest),)

    secure.start(backend(script), options="--client-max-body-size 0")
    url = f"https://127.0.0.1:{secure.front.address.port}/"
    command = ["curl", "-sS", "--cacert", authority.ca_file, "--http1.1", "--max-time", "30"]
    upload = [*command, "-H", "Expect: 100-continue", "--data-binary", f"@{body}", url]
    done = subprocess.run([*upload, "--next", *command[1:], url], check=False, **_QUIETLY)
    assert done.stderr == b""
    digests = [hashlib.sha256(data).hexdigest() for data in (body.read_bytes(), b"")]
    assert done.stdout.decode() == "".join(digests)
    old = subprocess.run([*command, "--tls-max", "1.1", url], check=False, **_QUIETLY)
    assert old.returncode == 35


def test_a_new_certificate_for_new_connections(
    secure: Secure, backend: StartBackend, authority: Authority
) -> None:
    secure.start(backend((*READ, OK)), options="--tls-reload-interval 0.1")

    def serial(client: SecureClient) -> object:
        assert isinstance(client.sock, ssl.SSLSocket)
        certificate = client.sock.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]

    with secure.client() as old:
        before = serial(old)
        authority.issue()

        def changed() -> bool:
            with secure.client() as new:
                return serial(new) != before

        wait_until(changed, "the new one is shown")
        old.send(request())
        assert old.response() is not None
