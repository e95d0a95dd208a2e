"""Who may announce what: the sender of a datagram, and the address that it claims to listen on.

An announcement makes this proxy connect to an address that came over the network, so the rules keep
a sender within its own reach: the datagram has to come from an allowed network, the address has to
lie in one, and what only means something on one host (loopback, unix sockets) has to come from this
host. Nothing is resolved here: a datagram must not make a DNS server work, or wait for one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from proxy.settings import Address

IP = IPv4Address | IPv6Address

MAX_UNIX_PATH_BYTES = 107
"""What fits into a socket address on Linux, with its final zero."""

_LOCALHOST = IPv4Address("127.0.0.1")
_ANY = IPv4Address("0.0.0.0")


class Refused(Exception):
    """An announcement does not count. `reason` is one word for counters and logs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a datagram came from: an IP address, or a unix socket (`ip` is None)."""

    ip: IP | None = None
    port: int = 0
    uid: int | None = None
    """The user at the other end of a unix socket, by the kernel's word; None if not known."""

    @property
    def is_local(self) -> bool:
        """Whether it is on this host."""
        return self.ip is None or self.ip.is_loopback

    def __str__(self) -> str:
        if self.ip is not None:
            return str(self.ip)
        return "unix" if self.uid is None else f"unix, uid {self.uid}"


def read_ip(text: str) -> IP:
    """Return an IP address; one of IPv4 that is written as IPv6 becomes what it is.

    Raises:
        ValueError: it is none, or one with a zone.
    """
    ip = ip_address(text)
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            raise ValueError(f"{text} has a zone")
        return ip.ipv4_mapped or ip
    return ip


class Networks:
    """Where announcements may come from, and what they may announce."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Read networks like `10.0.0.0/8` or `::1/128`.

        Raises:
            ValueError: one of them is none.
        """
        self._allowed = tuple(ip_network(text) for text in allowed)

    def __contains__(self, ip: IP) -> bool:
        return any(ip in network for network in self._allowed)

    def check_sender(self, sender: Sender) -> None:
        """Let a sender pass; a unix socket's own permissions have decided already.

        Raises:
            Refused: it is outside the allowed networks.
        """
        if sender.ip is not None and sender.ip not in self:
            raise Refused("source", f"{sender} is in no allowed network")

    def find_address(self, text: str, sender: Sender, *, needs_host: bool = False) -> Address:
        """Return what an announced address means: `10.0.0.5:3031`, `:3031`, `/app.sock`, `@app`.

        Without a host, or with one that stands for all, it is the sender's own, unless
        `needs_host`. Of names only `localhost` is known.

        Raises:
            Refused: it means nothing here, or this sender may not announce it.
        """
        if text.startswith(("/", "@")):
            return _find_unix(text, sender)
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5:
            raise Refused("address", f"{text!r} is neither host:port nor an absolute path")
        if not 0 < int(port) <= 65535:
            raise Refused("address", f"{text!r} has no port that could be connected to")
        ip = _read_host(host)
        if not ip.is_unspecified:
            self._check_ip(ip, sender)
        elif needs_host:
            raise Refused("address", f"{text!r} names no host, and the sender's own is not signed")
        else:
            ip = sender.ip or _LOCALHOST
        return Address(host=str(ip), port=int(port))

    def _check_ip(self, ip: IP, sender: Sender) -> None:
        if ip.is_loopback and not sender.is_local:
            raise Refused("address", f"{ip} of {sender} is not on this host")
        if ip.is_multicast or (ip.is_link_local and ip != sender.ip):
            raise Refused("address", f"{ip} is not an address that instances have")
        if ip not in self and sender.ip is not None:
            raise Refused("address", f"{ip} is in no allowed network")

    def find_notified(self, text: str, sender: Sender) -> Address | None:
        """Return where an acknowledgement may go; None for nowhere.

        That is the sender's own host, or a unix socket if the sender is on this host: nobody else
        gets a datagram from here because somebody said so.
        """
        if not text:
            return None
        try:
            address = self.find_address(text, sender)
        except Refused:
            return None
        its_own = address.is_unix or address.host == str(sender.ip or _LOCALHOST)
        return address if its_own else None


def _read_host(host: str) -> IP:
    """Return the address in front of a port; no host stands for all, as 0.0.0.0 does."""
    if not host or host == "localhost":
        return _LOCALHOST if host else _ANY
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return read_ip(host[1:-1]) if bracketed else IPv4Address(host)
    except ValueError:
        message = f"{host!r} is no IP address, and names are not resolved"
        raise Refused("address", message) from None


def _find_unix(text: str, sender: Sender) -> Address:
    if not sender.is_local:
        raise Refused("address", f"{text!r} of {sender} is not on this host")
    if len(text.encode()) > MAX_UNIX_PATH_BYTES or text == "@":
        raise Refused("address", f"{text!r} is no path of a socket")
    return Address(path=text.replace("@", "\0", 1) if text.startswith("@") else text)
