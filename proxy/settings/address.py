"""Where to listen or connect, as a value."""

import ipaddress
from dataclasses import dataclass


def is_ip(text: str) -> bool:
    """Whether a host is an address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect: a TCP host and port, or a unix socket.

    Exactly one of the two forms is filled: `path` (a file, or `\\0name` in the abstract namespace),
    or `host` and `port` (0 lets the kernel choose; for listening only).
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    """Whether clients speak TLS there; for public listeners only."""

    @property
    def is_unix(self) -> bool:
        """Whether this is a unix socket."""
        return bool(self.path)

    @property
    def is_literal(self) -> bool:
        """Whether nobody has to be asked for a name to connect there."""
        return self.is_unix or is_ip(self.host)

    def __str__(self) -> str:
        """Return the text that a user would write for this address."""
        return f"{self.plain} tls" if self.tls else self.plain

    @property
    def plain(self) -> str:
        """The same without what is spoken there."""
        if self.path:
            return "unix:" + self.path.replace("\0", "@", 1)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
