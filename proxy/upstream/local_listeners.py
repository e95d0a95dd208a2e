"""Which listening socket a connection to a backend would reach, on this machine.

The addresses are those of backends, the sockets those that `proxy.upstream.sock_diag` has read.
Names are not resolved here, and an address of another machine reaches none of ours.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address

from proxy.settings import Address
from proxy.upstream.sock_diag import IP, Kind, Listener, TcpListener, UnixListener, kernel_device


def kinds_of(address: Address) -> set[Kind]:
    """Return what has to be asked for; a TCP socket over IPv6 may serve IPv4, too."""
    if address.is_unix:
        return {Kind.UNIX}
    ip = _literal(address.host)
    if ip is None:
        return set()
    return {Kind.TCP6} if ip.version == 6 else {Kind.TCP4, Kind.TCP6}


def find(address: Address, listeners: Iterable[Listener]) -> Sequence[Listener]:
    """Return those in whose queues a connection to this address may wait; none when none is seen.

    They are several when they share one TCP address (SO_REUSEPORT): the kernel spreads connections.
    """
    if address.path:
        return _find_unix(address.path, [x for x in listeners if isinstance(x, UnixListener)])
    return _find_tcp(address, [x for x in listeners if isinstance(x, TcpListener)])


def is_here(address: Address) -> bool:
    """Whether a socket of this address is on this machine, and so should be seen."""
    ip = _literal(address.host)
    return address.is_unix or (ip is not None and _is_local(ip))


def _find_unix(path: str, listeners: Sequence[UnixListener]) -> Sequence[Listener]:
    """Choose by the file, not by its name.

    The name is what the backend has written: it may be relative, or a path of another mount
    namespace, or that of an old socket whose file has been replaced. The inode tells. The device
    tells, too, but btrfs and some overlays give another one to stat: then the name has to help.
    """
    name = os.fsencode(path)
    if name.startswith(b"\0"):
        return [one for one in listeners if one.name == name][:1]
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return []
    device = kernel_device(stat.st_dev)
    found = [one for one in listeners if one.inode == stat.st_ino & 0xFFFFFFFF]
    base = os.path.basename(name)
    same_name = [one for one in found if os.path.basename(one.name) == base]
    unknown = [one for one in listeners if one.inode is None and one.name == name]
    return ([one for one in found if one.device == device] or same_name or unknown)[:1]


def _find_tcp(address: Address, listeners: Iterable[TcpListener]) -> Sequence[Listener]:
    """Choose as the kernel does: the very address before any address, IPv4 before both."""
    ip = _literal(address.host)
    if ip is None:
        return []
    here = [one for one in listeners if one.port == address.port]
    exact = [one for one in here if one.host == ip]
    if exact:
        return exact
    everywhere = [one for one in here if _takes_all(one, ip)]
    if not everywhere or not _is_local(ip):
        return []
    version = min(one.host.version for one in everywhere)
    return [one for one in everywhere if one.host.version == version]


def _takes_all(listener: TcpListener, ip: IP) -> bool:
    """Whether a socket takes connections to any address, and so to this one."""
    if not listener.host.is_unspecified or listener.interface:
        return False
    if listener.host.version == ip.version:
        return True
    return listener.host.version == 6 and not listener.only_v6


def _literal(host: str) -> IP | None:
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        return ip.ipv4_mapped or IPv6Address(int(ip))  # without a scope, as the kernel lists it
    return ip


def _is_local(ip: IP) -> bool:
    """Whether this machine has the address. (With net.ipv4.ip_nonlocal_bind it has them all.)"""
    if ip.is_loopback:
        return True
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
