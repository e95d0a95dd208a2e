"""Subscription datagrams: captured bytes, every way to be wrong, round trips, arbitrary bytes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.subscription import (
    MAX_DATAGRAM_BYTES,
    MAX_WEIGHT,
    REASONS,
    SUBSCRIPTION,
    Announcement,
    Command,
    SubscriptionError,
    decode,
    encode,
    encode_ack,
)
from protocol.uwsgi import HEADER_BYTES, encode_packet, encode_vars

anything = settings(deadline=None)

CAPTURED = (
    b"\xe0\x66\x00\x00"
    b"\x03\x00key\x0b\x00example.com"
    b"\x07\x00address\x0f\x00127.0.0.1:22001"
    b"\x09\x00modifier1\x01\x000"
    b"\x09\x00modifier2\x01\x000"
    b"\x05\x00cores\x01\x006"
    b"\x04\x00load\x01\x000"
    b"\x06\x00weight\x01\x000"
)
"""uWSGI 2.0.30 with `-p 2 --threads 3 --subscribe-to 127.0.0.1:22010:example.com`."""

KNOWN = Announcement(Command.SUBSCRIBE, "example.com", "127.0.0.1:22001", cores=6)


def datagram(*pairs: tuple[bytes, bytes], command: int = 0) -> bytes:
    return encode_packet(encode_vars(pairs), SUBSCRIPTION, command)


def minimal(*more: tuple[bytes, bytes], command: int = 0) -> bytes:
    return datagram((b"key", b"a.example"), (b"address", b":3031"), *more, command=command)


def reason(data: bytes) -> str:
    with pytest.raises(SubscriptionError) as caught:
        decode(data)
    assert isinstance(caught.value, ProtocolError)
    assert caught.value.reason in REASONS
    return caught.value.reason


def refusal(data: bytes) -> str | None:
    """Return why a datagram is refused; anything but the one kind of error fails the test."""
    try:
        decode(data)
    except SubscriptionError as error:
        return error.reason
    return None


# -- what uWSGI sends ---------------------------------------------------------------------------


def test_a_captured_announcement() -> None:
    assert len(CAPTURED) == 106
    assert decode(CAPTURED) == KNOWN
    assert encode(KNOWN) == CAPTURED


def test_the_command_stands_in_the_header() -> None:
    gone = CAPTURED[:3] + b"\x01" + CAPTURED[4:]
    assert decode(gone) == replace(KNOWN, command=Command.UNSUBSCRIBE)
    assert encode(replace(KNOWN, command=Command.UNSUBSCRIBE)) == gone


def test_what_is_absent() -> None:
    said = decode(minimal())
    assert said == Announcement(Command.SUBSCRIBE, "a.example", ":3031")
    assert (said.weight, said.cores, said.unix, said.sign, said.extras) == (0, 0, 0, b"", ())


def test_any_order_but_the_signature_last() -> None:
    said = decode(
        datagram(
            (b"weight", b"7"),
            (b"address", b"@app"),
            (b"unix", b"1700000000"),
            (b"key", b"k"),
            (b"sign", b"\x00\xff"),
        )
    )
    assert (said.weight, said.address, said.key, said.unix) == (7, "@app", "k", 1700000000)
    assert said.sign == b"\x00\xff"


def test_the_signed_bytes_are_those_in_front_of_the_signature() -> None:
    block = encode_vars([(b"key", b"k"), (b"address", b":1"), (b"unix", b"5")])
    data = encode_packet(block + encode_vars([(b"sign", b"x" * 256)]), SUBSCRIPTION)
    said = decode(data)
    assert said.signed_bytes == block == data[4 : len(data) - 4 - (2 + 4 + 2 + 256) + 4]
    assert decode(minimal()).signed_bytes == b""


def test_variables_of_other_versions() -> None:
    more = ((b"backup", b"1"), (b"vassal", b"v"), (b"sni_key", b"/k"), (b"proto", b"h"))
    said = decode(minimal(*more, (b"clear", b"1"), (b"\xff", b"")))
    assert (said.backup, said.proto, said.clear) == (1, "h", True)
    assert said.extras == ((b"vassal", b"v"), (b"sni_key", b"/k"), (b"\xff", b""))


# -- what it does not ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(len(CAPTURED)))
def test_cut_anywhere(size: int) -> None:
    assert reason(CAPTURED[:size]) == "size"


@pytest.mark.parametrize("size", range(len(CAPTURED) - HEADER_BYTES))
def test_a_block_cut_anywhere(size: int) -> None:
    """With a header that fits: only the ends of variables are good places, and none is enough."""
    block = CAPTURED[HEADER_BYTES:]
    data = encode_packet(block[:size], SUBSCRIPTION)
    if refusal(data):
        assert refusal(data) == "variables"
    else:
        assert (decode(data).key, decode(data).address) == (KNOWN.key, KNOWN.address)


def test_length() -> None:
    assert reason(CAPTURED + b"\0") == "size"
    assert reason(b"") == "size"
    filler = MAX_DATAGRAM_BYTES - len(minimal((b"x", b"")))
    assert len(minimal((b"x", b"f" * filler))) == MAX_DATAGRAM_BYTES
    assert decode(minimal((b"x", b"f" * filler))).extras == ((b"x", b"f" * filler),)
    assert reason(minimal((b"x", b"f" * (filler + 1)))) == "size"


@pytest.mark.parametrize("modifier1", [0, 100, 223, 225])
def test_other_packets(modifier1: int) -> None:
    assert reason(bytes([modifier1]) + CAPTURED[1:]) == "header"


@pytest.mark.parametrize("command", [2, 3, 255])
def test_unknown_commands_are_no_unsubscription(command: int) -> None:
    assert reason(minimal(command=command)) == "header"


@pytest.mark.parametrize("lacking", [b"key", b"address"])
@pytest.mark.parametrize("empty", [True, False])
def test_without_key_or_address(lacking: bytes, empty: bool) -> None:
    pairs = [(b"key", b"k"), (b"address", b":1")]
    kept = [(n, b"" if n == lacking else v) for n, v in pairs if empty or n != lacking]
    assert reason(datagram(*kept)) == "variables"


@pytest.mark.parametrize("name", [b"key", b"weight", b"sni_key", b"sign"])
def test_a_variable_twice(name: bytes) -> None:
    assert reason(minimal((name, b"1"), (name, b"1"))) == "variables"


@pytest.mark.parametrize("name", [b"cores", b"load", b"weight", b"modifier1", b"unix", b"backup"])
@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+1", b" 1", b"1 ", b"0x1", b"1.0", b"x", "²".encode(), b"9" * 20]
)
def test_no_numbers(name: bytes, value: bytes) -> None:
    assert reason(minimal((name, value))) == "value"


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        (b"modifier1", 255),
        (b"modifier2", 255),
        (b"cores", 1_000_000),
        (b"weight", MAX_WEIGHT),
        (b"load", 0xFFFFFFFF),
        (b"unix", 2**63 - 1),
        (b"clear", 1),
    ],
)
def test_the_largest_numbers(name: bytes, largest: int) -> None:
    assert getattr(decode(minimal((name, b"%d" % largest))), name.decode()) == largest
    assert reason(minimal((name, b"%d" % (largest + 1)))) == "value"


@pytest.mark.parametrize("key", [b"a b", b"a\n", b"\0", "ä".encode(), b"\x7f", b"k" * 256])
def test_no_keys(key: bytes) -> None:
    assert reason(datagram((b"key", key), (b"address", b":1"))) == "value"


def test_the_longest_texts() -> None:
    long = b"k" * 255
    said = decode(datagram((b"key", long), (b"address", b"/" + long[1:]), (b"notify", long)))
    assert (len(said.key), len(said.address), len(said.notify)) == (255, 255, 255)


@pytest.mark.parametrize("name", [b"address", b"notify", b"proto"])
@pytest.mark.parametrize("text", [b"/a\0", b"/a\n", b"/\xff", b"/" * 256])
def test_no_texts(name: bytes, text: bytes) -> None:
    other = (b"address", b":1") if name != b"address" else (b"x", b"")
    assert reason(datagram((b"key", b"k"), other, (name, text))) == "value"


@pytest.mark.parametrize(
    "tail",
    [
        ((b"sign", b"s"),),
        ((b"unix", b"1"), (b"sign", b"")),
        ((b"unix", b"1"), (b"sign", b"s"), (b"weight", b"9")),
        ((b"sign", b"s"), (b"unix", b"1")),
    ],
)
def test_signatures_that_cover_too_little(tail: tuple[tuple[bytes, bytes], ...]) -> None:
    assert reason(minimal(*tail)) == "signature_form"


# -- whatever comes -----------------------------------------------------------------------------

_keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
_texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=60)
_counts = st.integers(0, 1_000_000)
_bytes = st.integers(0, 255)
announcements = st.builds(
    Announcement,
    command=st.sampled_from(Command),
    key=_keys,
    address=_texts,
    modifier1=_bytes,
    modifier2=_bytes,
    cores=_counts,
    load=st.integers(0, 0xFFFFFFFF),
    weight=st.integers(0, MAX_WEIGHT),
    backup=_counts,
    proto=_texts | st.just(""),
    clear=st.booleans(),
    notify=_texts | st.just(""),
    unix=st.integers(0, 2**63 - 1),
    extras=st.lists(
        st.tuples(st.binary(max_size=8).map(b"x".__add__), st.binary(max_size=20)),
        max_size=4,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
)


@anything
@given(announcements, st.binary(max_size=300))
def test_round_trip(said: Announcement, signature: bytes) -> None:
    assert decode(encode(said)) == said
    signed = decode(encode(replace(said, sign=signature)))
    assert replace(signed, signed_bytes=b"") == replace(said, sign=signature)
    seen: list[bytes] = []

    def sign(block: bytes) -> bytes:
        seen.append(block)
        return b"s" + signature

    assert decode(encode(said, sign)).signed_bytes == seen[0]


@anything
@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    """Nothing but an announcement or the one kind of error, bare or behind a good header."""
    for candidate in (data, encode_packet(data, SUBSCRIPTION), minimal() + data):
        assert refusal(candidate) in (None, *REASONS)


@anything
@given(st.integers(0, len(CAPTURED) - 1), st.integers(1, 255))
def test_one_byte_flipped(index: int, mask: int) -> None:
    data = bytearray(CAPTURED)
    data[index] ^= mask
    assert refusal(bytes(data)) in (None, *REASONS)
    if refusal(bytes(data)) is None:
        said = decode(bytes(data))
        assert said != KNOWN
        assert decode(encode(said)) == said


def test_the_acknowledgement() -> None:
    assert encode_ack("k", ":1") == b"[subscription ack] k => new node: :1"
