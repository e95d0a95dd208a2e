"""TLS beside a real nginx: what reaches the application, what is refused, and how."""

import contextlib
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing import READ, FakeBackend, Send
from tests.differential.client import Client, Response
from tests.differential.nginx import Nginx, listener
from tests.integration.messages import chunked_head, chunks, post, request
from tests.servers import proxy_process, wait_until
from tests.tls.authority import Authority

OK = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
REQUESTS = {
    "get": request("/a%20b?c=d", "Cookie: e=f", "User-Agent: g"),
    "post": post(b"body", "/", "Content-Type: text/plain"),
    "chunked": chunked_head() + chunks([b"one", b"two"]),
    "old": request(version="1.0"),
}


class Front:
    """One of the two, and the backend behind it."""

    def __init__(self, address: Address, backend: FakeBackend, authority: Authority) -> None:
        self.address = address
        self.backend = backend
        self.authority = authority

    def ask(self, data: bytes, newest: ssl.TLSVersion | None) -> Response | None:
        """Send a request; without a version also without TLS."""
        with Client(self.address) as client:
            if newest is not None:
                context = self.authority.client_context(newest)
                client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            client.send(data)
            return client.response()

    def last_variables(self) -> list[tuple[bytes, bytes]]:
        """Return those of the last request, without what is different by nature."""
        own = (b"REMOTE_PORT", b"SERVER_PORT")
        found = self.backend.requests[-1].variables
        return [(name, b"?" if name in own and value else value) for name, value in found]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Front]]:
    """Yield nginx and the proxy, with the same certificate."""
    directory = tmp_path_factory.mktemp("t")
    authority = Authority(directory)
    pair = authority.issue()
    with contextlib.ExitStack() as stack:
        theirs, ours = (stack.enter_context(FakeBackend((*READ, OK))) for _ in range(2))
        nginx = _start_nginx(stack, directory, theirs, pair)
        proxy = stack.enter_context(
            proxy_process(
                *("--listen", "127.0.0.1:0 tls", "--upstream", str(ours.address)),
                *("--tls-certificate", pair[0], "--tls-certificate-key", pair[1]),
                *("--document-root", "/r", "--server-name", "s.example"),
                *("--backend-close-connection", "off"),
            )
        )
        own = Address(host=proxy.host, port=proxy.port)
        yield [Front(nginx, theirs, authority), Front(own, ours, authority)]


def _start_nginx(
    stack: contextlib.ExitStack, directory: Path, backend: FakeBackend, pair: tuple[str, str]
) -> Address:
    sock, address = listener("tcp", directory, "tls")
    stack.enter_context(sock)
    server = (
        f"server {{ listen {address} ssl; server_name s.example; root /r;"
        f" ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};"
        f" location / {{ uwsgi_pass {backend.address}; }} }}"
    )
    nginx = Nginx(directory, server, [sock])
    stack.callback(nginx.stop)
    wait_until(lambda: nginx.error_log.exists() or nginx.process.poll() is not None, "it starts")
    return address


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", REQUESTS)
def test_variables_and_their_order(fronts: list[Front], name: str, newest: ssl.TLSVersion) -> None:
    seen = []
    for front in fronts:
        response = front.ask(REQUESTS[name], newest)
        assert response is not None
        assert (response.status, response.body) == (200, b"ok")
        seen.append(front.last_variables())
    nginx, ours = seen
    # Differences that are known: docs/nginx-differences.md.
    assert [one for one in nginx if one[0] != b"HTTP_TRANSFER_ENCODING"] == ours
    assert (b"HTTPS", b"on") in ours


def test_who_speaks_without_tls_is_told(fronts: list[Front]) -> None:
    for front in fronts:
        response = front.ask(request(), None)
        assert response is not None
        assert response.status == 400
        assert response.values(b"connection") == [b"close"]
        assert b"The plain HTTP request was sent to HTTPS port" in response.body


def test_old_versions_are_refused(fronts: list[Front]) -> None:
    ours = fronts[1]
    context = ours.authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they are old
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with Client(ours.address) as client, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(client.sock, server_hostname="localhost").close()
