"""Which of several sockets a connection reaches; with real sockets in test_backlog.py."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.upstream.local_listeners import find, is_here, kinds_of
from proxy.upstream.sock_diag import Kind, Listener, TcpListener, UnixListener, kernel_device


def unix(path: Path | str) -> Address:
    return Address(path=str(path))


def pending(address: Address, listeners: Iterable[Listener]) -> list[int]:
    """Return what waits at each that is found: they are numbered by it here."""
    return [listener.pending for listener in find(address, listeners)]


def unix_listener(name: str, inode: int | None, device: int | None, pending: int) -> UnixListener:
    return UnixListener(name.encode(), inode, device, pending, 9)


def test_the_device_decides_between_equal_inodes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    stat = path.stat()
    inode, device = stat.st_ino & 0xFFFFFFFF, kernel_device(stat.st_dev)
    other = unix_listener(str(path), inode, device + 1, 1)
    assert pending(unix(path), [other, unix_listener("x/b", inode, device, 2)]) == [2]
    assert pending(unix(path), [other]) == [1]  # btrfs: the name has to do
    assert pending(unix(path), [unix_listener("x/b", inode, device + 1, 2)]) == []
    assert pending(unix(path), [unix_listener(str(path), inode + 1, device, 2)]) == []


def test_a_kernel_that_does_not_tell_files_tells_names(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    assert pending(unix(path), [unix_listener(str(path), None, None, 2)]) == [2]
    assert pending(unix(path), [unix_listener("a", None, None, 2)]) == []


def tcp_listener(
    host: str, pending: int, *, only_v6: bool = False, interface: int = 0
) -> TcpListener:
    return TcpListener(ip_address(host), 80, only_v6, interface, pending, 9)


def test_the_kernel_s_own_choice_among_tcp_sockets() -> None:
    exact, every, both = (
        tcp_listener("127.0.0.1", 1),
        tcp_listener("0.0.0.0", 2),
        tcp_listener("::", 3),
    )
    here = Address("127.0.0.1", 80)
    assert pending(here, [both, every, exact]) == [1]
    assert pending(here, [both, every]) == [2]
    assert pending(here, [both]) == [3]
    assert pending(here, [tcp_listener("::", 3, only_v6=True)]) == []
    assert pending(here, [tcp_listener("0.0.0.0", 3, interface=2)]) == []
    assert pending(Address("::1", 80), [every, exact]) == []
    assert pending(Address("::1", 80), [every, both]) == [3]
    assert pending(Address("::ffff:127.0.0.1", 80), [exact]) == [1]
    link_local = Address("fe80::1%lo", 80)
    assert pending(link_local, [tcp_listener("fe80::1", 4, interface=1)]) == [4]


def test_an_own_address_that_is_not_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("no network here")
        own = Address(probe.getsockname()[0], 80)
    assert is_here(own)
    assert pending(own, [tcp_listener("0.0.0.0", 2)]) == [2]


def test_what_is_asked_for() -> None:
    assert kinds_of(unix("/a")) == {Kind.UNIX}
    assert kinds_of(Address("::1", 1)) == {Kind.TCP6}
    assert kinds_of(Address("127.0.0.1", 1)) == {Kind.TCP4, Kind.TCP6}
    assert kinds_of(Address("::ffff:127.0.0.1", 1)) == {Kind.TCP4, Kind.TCP6}
    assert kinds_of(Address("app.internal", 1)) == set()


def test_what_is_here() -> None:
    assert is_here(unix("/a"))
    assert is_here(Address("127.0.0.1", 1))
    assert not is_here(Address("192.0.2.1", 1))
    assert not is_here(Address("app.internal", 1))
