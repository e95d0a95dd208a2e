"""Replies of the kernel as bytes: recorded ones, ones made here, broken ones."""

import errno
import os
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.upstream.sock_diag import (
    GarbledError,
    Kind,
    Part,
    TcpListener,
    UnixListener,
    decode,
    encode_dump,
    kernel_device,
)

SEQUENCE = 7

pytestmark = pytest.mark.skipif(
    struct.pack("=H", 1) != struct.pack("<H", 1), reason="the recorded bytes are little-endian"
)

UNIX = bytes.fromhex(
    "50000000 1400 0200 07000000 ad710000"  # 80 bytes, SOCK_DIAG_BY_FAMILY, multi, 7
    "01 01 0a 00 e7a62d04 0110000000000000"  # AF_UNIX, stream, LISTEN, inode, cookie
    "0e00 0000 2f746d702f77442f6100 0000"  # name: /tmp/wD/a
    "0c00 0100 6c012200 0000e00f"  # file: inode 2228588, device 254:0
    "0c00 0400 03000000 05000000"  # queue: 3 of 5
    "0500 0600 00 000000"  # shutdown
)
"""A real one, of a socket with three pending connections and a limit of five."""


def message(kind: int, body: bytes, sequence: int = SEQUENCE) -> bytes:
    """Return a netlink message, padded."""
    whole = struct.pack("=IHHII", 16 + len(body), kind, 2, sequence, 0) + body
    return whole + bytes(-len(whole) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    whole = struct.pack("=HH", 4 + len(value), kind) + value
    return whole + bytes(-len(whole) % 4)


def unix_body(*attributes: bytes, kind: int = 1, state: int = 10) -> bytes:
    return struct.pack("=BBBBI8s", 1, kind, state, 0, 99, b"c" * 8) + b"".join(attributes)


def tcp_body(
    family: int, host: bytes, *attributes: bytes, state: int = 10, device: int = 0
) -> bytes:
    ports = (3031).to_bytes(2, "big") + b"\0\0"
    socket_id = ports + host.ljust(16, b"\0") + bytes(16) + struct.pack("=I", device) + b"c" * 8
    numbers = struct.pack("=IIIII", 0, 4, 16, 1000, 55)
    return struct.pack("=BBBB", family, state, 0, 0) + socket_id + numbers + b"".join(attributes)


def only(datagram: bytes) -> UnixListener | TcpListener:
    part = decode(datagram, SEQUENCE)
    assert len(part.listeners) == 1
    assert not part.done
    return part.listeners[0]


def test_a_unix_socket() -> None:
    expected = UnixListener(b"/tmp/wD/a", 2228588, 254 << 20, pending=3, limit=5)
    assert only(UNIX) == expected


def test_an_abstract_name_stays_as_it_is() -> None:
    queue = attribute(4 | 0x8000, struct.pack("=II", 1, 2))  # NLA_F_NESTED is no part of the type
    body = unix_body(attribute(0, b"\0name\0"), queue)
    assert only(message(20, body)) == UnixListener(b"\0name\0", None, None, 1, 2)
    assert only(message(20, unix_body(queue))) == UnixListener(b"", None, None, 1, 2)


@pytest.mark.parametrize(("kind", "state"), [(2, 10), (5, 10), (1, 1), (1, 7)])
def test_what_takes_no_connections_is_left_out(kind: int, state: int) -> None:
    body = unix_body(attribute(4, bytes(8)), kind=kind, state=state)
    assert decode(message(20, body), SEQUENCE) == Part((), done=False)
    assert decode(message(20, unix_body()), SEQUENCE) == Part((), done=False)
    tcp = tcp_body(2, bytes(4), state=1)
    assert decode(message(20, tcp), SEQUENCE) == Part((), done=False)


def test_tcp_sockets() -> None:
    v4, v6 = IPv4Address("127.0.0.1"), IPv6Address("::1")
    mapped = IPv6Address("::ffff:127.0.0.1")
    assert only(message(20, tcp_body(2, v4.packed))) == TcpListener(v4, 3031, False, 0, 4, 16)
    six = tcp_body(10, v6.packed, attribute(11, b"\1"), device=3)
    assert only(message(20, six)) == TcpListener(v6, 3031, True, 3, 4, 16)
    both = tcp_body(10, mapped.packed, attribute(11, b"\0"))
    assert only(message(20, both)) == TcpListener(v4, 3031, False, 0, 4, 16)


def test_several_in_one_datagram_and_the_end() -> None:
    part = decode(UNIX + UNIX + message(3, struct.pack("=i", 0)), SEQUENCE)
    assert len(part.listeners) == 2
    assert part.done


def test_what_belongs_to_another_question_is_left_out() -> None:
    late = UNIX + message(3, struct.pack("=i", -errno.EPERM), SEQUENCE - 1)
    assert decode(late, SEQUENCE - 1 + 2) == Part((), done=False)
    assert decode(message(1, b""), SEQUENCE) == Part((), done=False)  # NLMSG_NOOP


@pytest.mark.parametrize("kind", [2, 3])
def test_a_refusal_is_an_os_error(kind: int) -> None:
    with pytest.raises(PermissionError):
        decode(message(kind, struct.pack("=i", -errno.EPERM) + bytes(16)), SEQUENCE)
    assert decode(message(kind, bytes(4)), SEQUENCE).done


@pytest.mark.parametrize(
    "datagram",
    [
        b"\1",
        UNIX[:15],
        UNIX[:-1],
        struct.pack("=IHHII", 15, 20, 2, SEQUENCE, 0),
        message(3, b""),
        message(2, struct.pack("=i", -(1 << 31))),
        message(20, b""),
        message(20, b"\x63" + bytes(80)),
        message(20, unix_body()[:12]),
        message(20, tcp_body(2, bytes(4))[:70]),
        message(20, unix_body(b"\3\0\0\0")),
        message(20, unix_body(b"\xff\0\0\0")),
        message(20, unix_body(b"\4\0")),
        message(20, unix_body(attribute(4, bytes(7)))),
        message(20, unix_body(attribute(4, bytes(8)), attribute(1, bytes(4)))),
    ],
)
def test_nonsense_is_refused(datagram: bytes) -> None:
    with pytest.raises(GarbledError):
        decode(datagram, SEQUENCE)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=150).map(lambda body: message(20, body)))
def test_whatever_comes_it_is_a_value_or_an_error(datagram: bytes) -> None:
    try:
        decode(datagram, SEQUENCE)
    except (GarbledError, OSError):
        pass


@settings(deadline=None)
@given(st.data())
def test_a_damaged_reply_is_a_value_or_an_error(data: st.DataObject) -> None:
    whole = bytearray(UNIX + message(20, tcp_body(10, bytes(16), attribute(11, b"\1"))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        part = decode(bytes(whole[: data.draw(st.integers(0, len(whole)))]), SEQUENCE)
    except (GarbledError, OSError):
        return
    assert len(part.listeners) <= 2


@settings(deadline=None)
@given(st.integers(0, len(UNIX) - 1))
def test_a_truncated_reply_is_not_mistaken_for_a_whole_one(length: int) -> None:
    if length == 0:
        assert decode(b"", SEQUENCE) == Part((), done=False)
    else:
        with pytest.raises(GarbledError):
            decode(UNIX[:length], SEQUENCE)


@pytest.mark.parametrize(("kind", "length"), [(Kind.UNIX, 40), (Kind.TCP4, 72), (Kind.TCP6, 72)])
def test_a_request_asks_for_listeners_only(kind: Kind, length: int) -> None:
    request = encode_dump(kind, SEQUENCE)
    assert struct.unpack_from("=IHHII", request) == (length, 20, 0x301, SEQUENCE, 0)
    assert len(request) == length
    assert request[16] == kind.value
    assert struct.unpack_from("=I", request, 20) == (1 << 10,)


def test_devices_are_written_in_the_kernel_s_way() -> None:
    assert kernel_device(os.makedev(254, 0)) == 254 << 20
    assert kernel_device(os.makedev(0, 300)) == 300
