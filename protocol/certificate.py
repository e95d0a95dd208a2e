"""What a certificate says about itself: its names, which choose it, and its end, which warns.

Reads DER (X.690) as far as a certificate needs it (RFC 5280 4.1). Nothing is verified: that is for
those to whom it is shown.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from protocol.errors import CertificateError

_VERSION = 0xA0
_EXTENSIONS = 0xA3
_DNS_NAME = 0x82
_UTC_TIME = 0x17
_ALT_NAMES = bytes((0x55, 0x1D, 0x11))  # 2.5.29.17
_LONG_FORM = 0x80
_CENTURY = 50
"""Two digits of a year from here on are of the last century (RFC 5280 4.1.2.5.1)."""

_DIGITS = re.compile(r"[0-9]{14}Z")


class CertificateFacts(NamedTuple):
    """`names` are in lower case, wildcards as they are written; `not_after` is Unix time."""

    names: tuple[str, ...]
    not_after: float


def read_certificate(der: bytes) -> CertificateFacts:
    """Return what is said in a certificate.

    Raises:
        CertificateError: this is none.
    """
    try:
        ((_, certificate),) = _items(der)
        body = _first(certificate)
        fields = [field for field in _items(body) if field[0] != _VERSION]
        validity = fields[3][1]  # behind serial number, algorithm, issuer
        extensions = [content for tag, content in fields if tag == _EXTENSIONS]
        return CertificateFacts(_names(extensions), _time(*list(_items(validity))[1]))
    except (ValueError, IndexError, StopIteration) as error:
        raise CertificateError("not a certificate") from error


def covers(pattern: str, host: str) -> bool:
    """Whether a name in a certificate is one for `host`; both are in lower case.

    A wildcard stands for the first label alone (RFC 9525 6.3).
    """
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:] and not host.startswith(".")
    return host == pattern


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each of the values that stand one behind the other."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & _LONG_FORM:
            digits = size & ~_LONG_FORM
            size = int.from_bytes(data[at : at + digits], "big")
            at += digits
        if at + size > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + size]
        at += size


def _first(data: bytes) -> bytes:
    return next(_items(data))[1]


def _names(extensions: list[bytes]) -> tuple[str, ...]:
    for extension in _items(_first(extensions[0]) if extensions else b""):
        parts = [content for _, content in _items(extension[1])]
        if parts[0] == _ALT_NAMES:
            found = _items(_first(parts[-1]))
            return tuple(name.decode("ascii").lower() for tag, name in found if tag == _DNS_NAME)
    return ()


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY else "20") + text
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text} is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
