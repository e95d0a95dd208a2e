"""The uwsgi packet, both directions.

    +-----------+--------------------+-----------+----------------------------------------+
    | modifier1 | size, 16 bit, LE   | modifier2 | `size` bytes: the variable block       |
    +-----------+--------------------+-----------+----------------------------------------+

    variable block: ( name length 16 bit LE, name, value length 16 bit LE, value )*

Source: the uwsgi protocol as uWSGI 2.0 and gunicorn 27 speak it. Requests, pings (modifier1 100)
and subscription announcements (modifier1 224) all use it. A request body follows its packet
unframed; the reply is plain HTTP or CGI text (see `protocol.reply`), not a packet.
"""

from collections.abc import Iterable
from typing import NamedTuple

from protocol.errors import PacketError

HEADER_BYTES = 4
MAX_BLOCK_BYTES = 0xFFFF
"""The size field has 16 bits: no variable block can be larger (nginx answers 500 then)."""

PING = 100
"""modifier1 of a ping; uWSGI answers `64 00 00 01` when a worker is free."""

# Two-byte lengths up to the size of a long cookie, precomputed: a table look-up costs a third of
# int.to_bytes(), and a request has some thirty of them.
_SHORT_LENGTHS = tuple(size.to_bytes(2, "little") for size in range(4096))


class PacketHeader(NamedTuple):
    """The first four bytes of a packet; `size` is that of the variable block, in bytes."""

    modifier1: int
    size: int
    modifier2: int


def encode_length(size: int) -> bytes:
    """Return a length as 16 bits, little-endian.

    Raises:
        PacketError: `size` does not fit into 16 bits.
    """
    if size < 4096:
        return _SHORT_LENGTHS[size]
    if size > MAX_BLOCK_BYTES:
        raise PacketError(f"{size} bytes do not fit into a uwsgi length field (65535 at most)")
    return size.to_bytes(2, "little")


def encode_string(text: bytes) -> bytes:
    """Return one name or value with its length in front."""
    return encode_length(len(text)) + text


def encode_vars(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the variable block for `pairs`, in their order, duplicates kept.

    Raises:
        PacketError: a name or a value is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for name, value in pairs:
        parts += (encode_length(len(name)), name, encode_length(len(value)), value)
    return b"".join(parts)


def encode_header(size: int, modifier1: int = 0, modifier2: int = 0) -> bytes:
    """Return the four bytes in front of a variable block of `size` bytes.

    Raises:
        PacketError: the block is larger than 65,535 bytes.
    """
    return bytes((modifier1,)) + encode_length(size) + bytes((modifier2,))


def encode_packet(block: bytes, modifier1: int = 0, modifier2: int = 0) -> bytes:
    """Return a whole packet around a variable block.

    Raises:
        PacketError: the block is larger than 65,535 bytes.
    """
    return encode_header(len(block), modifier1, modifier2) + block


def decode_header(data: bytes) -> PacketHeader:
    """Read the first four bytes of `data`.

    Raises:
        PacketError: there are fewer than four.
    """
    if len(data) < HEADER_BYTES:
        raise PacketError(f"a packet header has 4 bytes, here are {len(data)}")
    return PacketHeader(data[0], data[1] | data[2] << 8, data[3])


def decode_vars(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the variables of a block in wire order, duplicates kept.

    Raises:
        PacketError: a length points past the end of the block.
    """
    pairs = []
    position = 0
    while position < len(block):
        name, position = _decode_string(block, position)
        value, position = _decode_string(block, position)
        pairs.append((name, value))
    return pairs


def _decode_string(block: bytes, position: int) -> tuple[bytes, int]:
    start = position + 2
    end = start + int.from_bytes(block[position:start], "little")
    if start > len(block) or end > len(block):
        raise PacketError(
            f"a variable at byte {position} ends after the block's {len(block)} bytes"
        )
    return block[start:end], end
