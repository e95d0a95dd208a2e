"""A TLS client in memory: OpenSSL over two buffers, as the other side of what is tested."""

import ssl

from proxy.testing.memory import MemoryClient
from proxy.tls.stream import NewSession


def shake_hands(
    new_session: NewSession,
    context: ssl.SSLContext,
    name: str | None = None,
    session: ssl.SSLSession | None = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a whole handshake; return the server's session and the client's."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = new_session(up, down)
    client = Client(context, name, session)
    for _ in range(4):
        client.shake()
        up.write(client.sent())
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            pass
        client.take(down.read())
    client.shake()
    client.read()  # tickets of TLS 1.3 come behind the handshake
    return server, client.session


class Client:
    """One client, without a connection."""

    def __init__(
        self,
        context: ssl.SSLContext,
        name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=name, session=session
        )
        self.done = False
        self.ended = False
        """Whether the server has said that nothing more comes."""

    def shake(self) -> None:
        """Go on with the handshake."""
        if not self.done:
            try:
                self.session.do_handshake()
                self.done = True
            except ssl.SSLWantReadError:
                pass

    def sent(self) -> bytes:
        """Return what is to go to the server."""
        return self._outgoing.read()

    def take(self, data: bytes) -> None:
        """Take what has come from the server."""
        self._incoming.write(data)

    def read(self) -> bytes:
        """Return what the server has said, decrypted."""
        parts = []
        try:
            while data := self.session.read(1 << 16):
                parts.append(data)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """Return what would go to the server for `data`."""
        self.session.write(data)
        return self.sent()

    def end(self) -> bytes:
        """Return what says that nothing more comes from here."""
        try:
            self.session.unwrap()
        except ssl.SSLError:
            pass
        return self.sent()


class Talk:
    """A client that speaks TLS through a connection in memory."""

    def __init__(self, line: MemoryClient, client: Client) -> None:
        self.line = line
        self.client = client

    def shake(self) -> None:
        """Do the whole handshake."""
        for _ in range(4):
            self.client.shake()
            self.line.send(self.client.sent())
            self.client.take(self.line.received())

    def send(self, data: bytes) -> None:
        """Send something."""
        self.line.send(self.client.encrypt(data))

    def received(self) -> bytes:
        """Return what has come since the last call."""
        self.client.take(self.line.received())
        return self.client.read()
