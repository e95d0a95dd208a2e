"""The load generator's connections with TLS: the same engine, after a handshake.

Clients trust one certificate, speak TLS 1.3 without ALPN, and resume no session: each connection
has a whole handshake. One that fails is the outcome `tls`.
"""

import select
import ssl
from typing import Any

from proxy.lab.load.engine import Client, Engine, Finished


def trusting(certificate: str) -> ssl.SSLContext:
    """Return what a client needs to trust this certificate, which is its own authority."""
    made = ssl.create_default_context(cafile=certificate)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


class TlsSocket(ssl.SSLSocket):
    """Says "not now" in the words of a plain socket, so that the engine needs no others."""

    def send(self, data: Any, flags: int = 0) -> int:
        """Send what goes out at once."""
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return what is there: a record at most, and none is left behind in OpenSSL's memory."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None


class SecureEngine(Engine):
    """An engine whose connections are encrypted."""

    def __init__(
        self,
        certificate: str,
        address: tuple[str, int],
        timeout_s: float,
        finished: Finished,
        keep_alive: bool = True,
    ) -> None:
        super().__init__(address, timeout_s, finished, keep_alive)
        self._context = trusting(certificate)
        self._context.sslsocket_class = TlsSocket

    def _connected(self, client: Client) -> None:
        if isinstance(client.sock, TlsSocket):  # what happens from then on is the handshake's
            self._ready(client)
        else:
            super()._connected(client)

    def _ready(self, client: Client) -> None:
        """Go on with the handshake; called whenever there is something to go on with."""
        try:
            if not isinstance(client.sock, TlsSocket):
                self._wrap(client)
            assert isinstance(client.sock, TlsSocket)
            client.sock.do_handshake()
        except ssl.SSLWantReadError:
            assert client.sock is not None
            self._epoll.modify(client.sock, select.EPOLLIN)
        except ssl.SSLWantWriteError:
            assert client.sock is not None
            self._epoll.modify(client.sock, select.EPOLLOUT)
        except OSError:
            self._break(client, "tls")
        else:
            super()._ready(client)

    def _wrap(self, client: Client) -> None:
        assert client.sock is not None
        number = client.sock.fileno()
        try:
            client.sock = self._context.wrap_socket(
                client.sock, do_handshake_on_connect=False, server_hostname=self._address[0]
            )
        except OSError:
            self._clients.pop(number, None)  # it has been closed, and cannot say its number
            raise
