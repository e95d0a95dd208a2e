"""uWSGI's subscription datagrams: an instance tells a front end what it serves, and where.

    E0 | size, 16 bit, LE | command | variable block: key, address, cores, weight, ... unix, sign

A uwsgi packet with modifier1 224 in one datagram (UDP or unix). The command stands where requests
have modifier2. Numbers are ASCII decimal. Source: `core/subscription.c` of uWSGI 2.0.30 and 2.1,
and packets of 2.0.21 and 2.0.30 as they were captured.

This module reads and writes; what an announcement is worth is decided elsewhere. It is stricter
than uWSGI's own routers, which ignore modifier1 and the size field, and take every command but 0
for an unsubscription: here a datagram is exactly one packet, no variable comes twice, and nothing
stands behind a signature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from protocol.errors import PacketError, ProtocolError
from protocol.uwsgi import HEADER_BYTES, decode_header, decode_vars, encode_packet, encode_vars

SUBSCRIPTION = 224
"""modifier1 of an announcement."""

MAX_DATAGRAM_BYTES = 4096
"""uWSGI builds its packets in a buffer of this size, and receives them in one."""

MAX_KEY_BYTES = 255
MAX_TEXT_BYTES = 255
"""uWSGI's limits for the key, and for the address."""

REASONS = ("size", "header", "variables", "value", "signature_form")
"""What can be wrong with a datagram, for counters; see `SubscriptionError`."""

MAX_WEIGHT = 1000
"""Since a ring of consistent hashing has 160 points for each weight of one."""

_MAX_COUNT = 1_000_000
_NUMBERS = {
    "modifier1": 255,
    "modifier2": 255,
    "cores": _MAX_COUNT,
    "load": 0xFFFFFFFF,
    "weight": MAX_WEIGHT,
    "backup": _MAX_COUNT,
    "clear": 1,
    "unix": 2**63 - 1,
}
"""The numeric variables and the largest value of each."""

_KNOWN = {"key", "address", "proto", "notify", "sign", *_NUMBERS}


class SubscriptionError(ProtocolError):
    """A datagram is not an announcement.

    `reason` is one of `REASONS`: `size` (too long, too short, or another length than it says),
    `header` (another modifier1, or an unknown command), `variables` (they cannot be read, one comes
    twice, key or address is missing), `value` (of a known variable), `signature_form` (a signature
    without its time, or not at the end).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Command(IntEnum):
    """What an instance wants."""

    SUBSCRIBE = 0
    """To get requests, or to go on getting them."""
    UNSUBSCRIBE = 1
    """To get no new ones."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One datagram, read. Absent numbers are 0, absent texts empty."""

    command: Command
    key: str
    """The virtual host, as it was sent: visible ASCII."""
    address: str
    """Where the instance listens, as configured there: not resolved, perhaps without a host."""
    modifier1: int = 0
    modifier2: int = 0
    """What requests to it have to carry."""
    cores: int = 0
    """Requests that it works on at a time: processes x threads."""
    load: int = 0
    """Depth of its TCP listen queue; always 0 for a unix socket."""
    weight: int = 0
    """Share of the requests; uWSGI sends 0 when none is configured, and reads it as 1."""
    backup: int = 0
    """Level: 0 is served first (2.1)."""
    proto: str = ""
    """Of the instance, by its first letter: u, h, f, s; empty for uwsgi (2.1)."""
    clear: bool = False
    """Keep the instance in mind, but forget its address: it is being stopped (2.1)."""
    notify: str = ""
    """Where it wants to be told that it was accepted."""
    unix: int = 0
    """When a signed announcement was made, in seconds of Unix time."""
    sign: bytes = b""
    """Signature over `signed_bytes`; empty for none."""
    signed_bytes: bytes = b""
    """The variables in front of the signature. The header is not signed, hence not the command."""
    extras: tuple[tuple[bytes, bytes], ...] = ()
    """Variables that are not used here, in their order (sni_key, algo, vassal, ...)."""


def decode(datagram: bytes) -> Announcement:
    """Read a datagram.

    Raises:
        SubscriptionError: it is not an announcement.
    """
    command = _decode_command(datagram)
    block = datagram[HEADER_BYTES:]
    known, extras = _split(block)
    numbers = {name: _decode_number(known, name) for name in _NUMBERS}
    sign = known.get("sign", b"")
    if "sign" in known and not (sign and "unix" in known):
        raise SubscriptionError("signature_form", "a signature is empty or has no time")
    return Announcement(
        command=command,
        key=_decode_key(known),
        address=_decode_text(known, "address", MAX_TEXT_BYTES),
        modifier1=numbers["modifier1"],
        modifier2=numbers["modifier2"],
        cores=numbers["cores"],
        load=numbers["load"],
        weight=numbers["weight"],
        backup=numbers["backup"],
        proto=_decode_text(known, "proto", MAX_TEXT_BYTES),
        clear=bool(numbers["clear"]),
        notify=_decode_text(known, "notify", MAX_TEXT_BYTES),
        unix=numbers["unix"],
        sign=sign,
        signed_bytes=block[: len(block) - len(encode_vars([(b"sign", sign)]))] if sign else b"",
        extras=extras,
    )


def _decode_command(datagram: bytes) -> Command:
    """Check header and length."""
    if not HEADER_BYTES <= len(datagram) <= MAX_DATAGRAM_BYTES:
        raise SubscriptionError("size", f"{len(datagram)} bytes are no announcement")
    modifier1, size, command = decode_header(datagram)
    if modifier1 != SUBSCRIPTION:
        raise SubscriptionError("header", f"modifier1 is {modifier1}, not {SUBSCRIPTION}")
    if size != len(datagram) - HEADER_BYTES:
        raise SubscriptionError("size", f"{len(datagram)} bytes, with a block of {size}")
    try:
        return Command(command)
    except ValueError:
        raise SubscriptionError("header", f"command {command} is unknown") from None


def _split(block: bytes) -> tuple[dict[str, bytes], tuple[tuple[bytes, bytes], ...]]:
    """Return the variables that have a meaning here by their names, and the others."""
    try:
        pairs = decode_vars(block)
    except PacketError as error:
        raise SubscriptionError("variables", str(error)) from error
    if len({name for name, _ in pairs}) < len(pairs):
        raise SubscriptionError("variables", "a variable comes twice")
    if b"sign" in (name for name, _ in pairs[:-1]):
        raise SubscriptionError("signature_form", "variables behind the signature are not signed")
    known: dict[str, bytes] = {}
    extras: list[tuple[bytes, bytes]] = []
    for name, value in pairs:
        text = name.decode("latin-1")
        if text in _KNOWN:
            known[text] = value
        else:
            extras.append((name, value))
    for required in ("key", "address"):
        if not known.get(required):
            raise SubscriptionError("variables", f"no {required}")
    return known, tuple(extras)


def _decode_number(known: dict[str, bytes], name: str) -> int:
    value = known.get(name, b"0")
    if not value.isdigit() or int(value) > _NUMBERS[name]:
        raise SubscriptionError("value", f"{name} is {value[:32]!r}")
    return int(value)


def _decode_key(known: dict[str, bytes]) -> str:
    """Return the key: it goes into logs and file names, so it has to be visible ASCII."""
    value = known["key"]
    if len(value) > MAX_KEY_BYTES or not all(0x21 <= byte <= 0x7E for byte in value):
        raise SubscriptionError("value", f"key is {value[:32]!r}")
    return value.decode("ascii")


def _decode_text(known: dict[str, bytes], name: str, max_bytes: int) -> str:
    value = known.get(name, b"")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if len(value) > max_bytes or not text.isprintable():
        raise SubscriptionError("value", f"{name} is {value[:32]!r}")
    return text


Sign = Callable[[bytes], bytes]


def encode(announcement: Announcement, sign: Sign | None = None) -> bytes:
    """Return the datagram that uWSGI would send, in its order of variables.

    `sign` makes the signature over the bytes that it is given; without it, that of the announcement
    is written as it is.

    Raises:
        PacketError: a text is too long for any packet.
    """
    said = announcement
    pairs: list[tuple[bytes, bytes]] = [
        (b"key", said.key.encode("ascii")),
        (b"address", said.address.encode()),
    ]
    pairs += [
        (name.encode(), b"%d" % number)
        for name, number in (
            ("modifier1", said.modifier1),
            ("modifier2", said.modifier2),
            ("cores", said.cores),
            ("load", said.load),
            ("weight", said.weight),
        )
    ]
    optional = (
        (b"backup", b"%d" % said.backup if said.backup else b""),
        (b"proto", said.proto.encode()),
        (b"notify", said.notify.encode()),
        (b"clear", b"1" if said.clear else b""),
    )
    pairs += [(name, value) for name, value in optional if value]
    pairs += said.extras
    if sign or said.sign or said.unix:
        pairs.append((b"unix", b"%d" % said.unix))
    block = encode_vars(pairs)
    signature = sign(block) if sign else said.sign
    if signature:
        block += encode_vars([(b"sign", signature)])
    return encode_packet(block, SUBSCRIPTION, said.command)


def encode_ack(key: str, address: str) -> bytes:
    """Return what an instance is told when it is new, as text: uWSGI writes it to its log."""
    return f"[subscription ack] {key} => new node: {address}".encode()
