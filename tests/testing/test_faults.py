"""The addresses that fail, each in the way its name says."""

import errno
import os
import socket
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing import full_backlog, missing, refuse
from tests.testing.test_fake_backend import FAMILIES, Family


def connect_error(address: Address) -> int:
    """Return the errno of a non-blocking connect (EINPROGRESS while it is undecided)."""
    family = socket.AF_UNIX if address.is_unix else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        return sock.connect_ex(address.path or (address.host, address.port))


@pytest.mark.parametrize("family", FAMILIES)
def test_refuse(family: Family) -> None:
    with refuse(family) as address:
        result = connect_error(address)
        if result == errno.EINPROGRESS:  # TCP may tell a moment later
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address.host, address.port), timeout=10)
        else:
            assert result == errno.ECONNREFUSED


def test_missing() -> None:
    with missing() as address:
        assert connect_error(address) == errno.ENOENT


def test_a_full_unix_backlog_asks_to_try_again() -> None:
    with full_backlog("unix") as address:
        assert connect_error(address) == errno.EAGAIN


def test_a_full_tcp_backlog_leaves_a_connect_undecided() -> None:
    with full_backlog("tcp") as address, pytest.raises(TimeoutError):
        socket.create_connection((address.host, address.port), timeout=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_left(family: Family) -> None:
    files = len(os.listdir("/proc/self/fd"))
    with refuse(family) as refused, full_backlog(family) as full, missing() as nowhere:
        paths = [Path(one.path).parent for one in (refused, full, nowhere) if one.path]
    assert len(os.listdir("/proc/self/fd")) == files
    assert not [path for path in paths if path.exists()]
