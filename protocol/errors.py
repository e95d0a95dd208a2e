"""What a peer can do wrong on the wire.

    ProtocolError
    ├── PacketError       a uwsgi packet that cannot be built or read
    ├── RequestError      the client's bytes: carries the status that the client is owed
    │   └── HeadlessError   of an HTTP/0.9 request
    ├── ReplyError        the backend's bytes: carries the reason that the operator is owed
    └── CertificateError  bytes that are not a certificate

The parsers raise nothing else. `proxy` translates each once, at the border where the bytes came in.
"""


class ProtocolError(Exception):
    """Base of everything that `protocol` raises about bytes."""


class PacketError(ProtocolError):
    """A uwsgi packet is too large to be sent, or its bytes are not a packet."""


class RequestError(ProtocolError):
    """The client's bytes break a rule of HTTP or go over a limit.

    `status` is what the client is told (nginx's choice of status, see docs/nginx-differences.md);
    `reason` is one word for logs and metrics. After any of these the connection is closed: where
    the next request would begin is no longer known.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class HeadlessError(RequestError):
    """The same, of a request in HTTP/0.9: its client knows no response heads, only bodies."""


class ReplyError(ProtocolError):
    """The backend's bytes are not a reply that may be passed on. `reason` is one word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CertificateError(ProtocolError):
    """Bytes are not a certificate."""
