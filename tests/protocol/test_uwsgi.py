"""The packet codec: exact bytes, round trips, truncation anywhere, limits, arbitrary bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import PacketError
from protocol.uwsgi import (
    HEADER_BYTES,
    MAX_BLOCK_BYTES,
    PING,
    PacketHeader,
    decode_header,
    decode_vars,
    encode_header,
    encode_length,
    encode_packet,
    encode_string,
    encode_vars,
)

# Lengths on both sides of every border of the encoding.
_lengths = st.sampled_from([0, 1, 255, 256, 257, 4095, 4096, 4097])
_strings = st.binary(max_size=20) | st.builds(bytes.__mul__, st.just(b"x"), _lengths)
variables = st.lists(st.tuples(_strings, _strings), max_size=8)
modifiers = st.integers(0, 255)
anything = settings(deadline=None)

PAIRS = [
    (b"REQUEST_METHOD", b"GET"),
    (b"QUERY_STRING", b""),
    (b"", b"value"),
    (b"HTTP_X", b"\x00\xff\r\n"),
    (b"HTTP_X", b"again"),
]


def test_the_bytes_of_a_request() -> None:
    block = encode_vars([(b"A", b"bc"), (b"D", b"")])
    assert block == b"\x01\x00A\x02\x00bc\x01\x00D\x00\x00"
    assert encode_packet(block, 5, 7) == b"\x05\x0c\x00\x07" + block


def test_the_bytes_of_a_ping() -> None:
    assert encode_packet(b"", PING) == b"\x64\x00\x00\x00"
    assert decode_header(b"\x64\x00\x00\x01") == PacketHeader(PING, 0, 1)


def test_the_size_is_little_endian() -> None:
    assert encode_header(0x0102) == b"\x00\x02\x01\x00"
    assert decode_header(b"\x00\x02\x01\x00").size == 0x0102


def test_nothing_to_encode() -> None:
    assert encode_vars([]) == b""
    assert decode_vars(b"") == []
    assert encode_packet(b"") == bytes(HEADER_BYTES)
    assert encode_string(b"") == b"\x00\x00"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 4095, 4096, 65534, MAX_BLOCK_BYTES])
def test_lengths_that_fit(size: int) -> None:
    assert encode_length(size) == size.to_bytes(2, "little")
    assert encode_string(b"x" * size) == size.to_bytes(2, "little") + b"x" * size
    assert decode_header(encode_header(size)) == PacketHeader(0, size, 0)


@pytest.mark.parametrize("size", [MAX_BLOCK_BYTES + 1, 1 << 20])
def test_lengths_that_do_not_fit(size: int) -> None:
    with pytest.raises(PacketError, match=f"^{size} bytes do not fit"):
        encode_length(size)
    with pytest.raises(PacketError, match="65535 at most"):
        encode_string(bytes(size))
    with pytest.raises(PacketError):
        encode_header(size)
    with pytest.raises(PacketError):
        encode_packet(bytes(size))


def test_a_name_or_a_value_that_does_not_fit() -> None:
    with pytest.raises(PacketError):
        encode_vars([(bytes(MAX_BLOCK_BYTES + 1), b"")])
    with pytest.raises(PacketError):
        encode_vars([(b"", bytes(MAX_BLOCK_BYTES + 1))])


def test_a_block_of_exactly_the_limit() -> None:
    block = encode_vars([(b"N", bytes(MAX_BLOCK_BYTES - 5))])
    packet = encode_packet(block)
    assert len(packet) == HEADER_BYTES + MAX_BLOCK_BYTES
    assert decode_header(packet).size == MAX_BLOCK_BYTES
    assert decode_vars(packet[HEADER_BYTES:]) == [(b"N", bytes(MAX_BLOCK_BYTES - 5))]


def test_order_and_duplicates_are_kept() -> None:
    assert decode_vars(encode_vars(PAIRS)) == PAIRS
    assert decode_vars(encode_vars(iter(PAIRS))) == PAIRS


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_a_header_cut_short(size: int) -> None:
    with pytest.raises(PacketError, match=f"4 bytes, here are {size}$"):
        decode_header(encode_header(1234, 5, 7)[:size])


def test_a_header_ignores_what_follows() -> None:
    assert decode_header(b"\x00\x00\x00\x00GET /") == PacketHeader(0, 0, 0)


@pytest.mark.parametrize("end", range(len(encode_vars(PAIRS)) + 1))
def test_a_block_cut_short_anywhere(end: int) -> None:
    """Only a cut between two variables leaves a block."""
    whole = {len(encode_vars(PAIRS[:count])): count for count in range(len(PAIRS) + 1)}
    cut = encode_vars(PAIRS)[:end]
    if end in whole:
        assert decode_vars(cut) == PAIRS[: whole[end]]
    else:
        with pytest.raises(PacketError, match=f"after the block's {end} bytes"):
            decode_vars(cut)


@pytest.mark.parametrize(
    "block",
    [
        b"\x01",
        b"\x01\x00",
        b"\x00\x00",
        b"\x00\x00\x00",
        b"\xff\xffA",
        b"\x01\x00A\x05\x00four",
        encode_vars(PAIRS) + b"\x00",
    ],
)
def test_a_length_past_the_end(block: bytes) -> None:
    with pytest.raises(PacketError):
        decode_vars(block)


@anything
@given(variables)
def test_variables_round_trip(pairs: list[tuple[bytes, bytes]]) -> None:
    assert decode_vars(encode_vars(pairs)) == pairs


@anything
@given(st.binary(max_size=200), modifiers, modifiers)
def test_packets_round_trip(block: bytes, modifier1: int, modifier2: int) -> None:
    packet = encode_packet(block, modifier1, modifier2)
    assert decode_header(packet) == PacketHeader(modifier1, len(block), modifier2)
    assert packet[HEADER_BYTES:] == block


@anything
@given(st.binary(max_size=60))
def test_any_block_is_read_whole_or_refused(block: bytes) -> None:
    """There is one encoding: what could be read is written back to the same bytes."""
    try:
        pairs = decode_vars(block)
    except PacketError:
        return
    assert encode_vars(pairs) == block


@anything
@given(st.binary(max_size=8))
def test_any_four_bytes_are_a_header(data: bytes) -> None:
    if len(data) < HEADER_BYTES:
        with pytest.raises(PacketError):
            decode_header(data)
        return
    modifier1, size, modifier2 = decode_header(data)
    assert encode_header(size, modifier1, modifier2) == data[:HEADER_BYTES]
