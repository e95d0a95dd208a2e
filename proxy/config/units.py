"""Sizes and durations, as text and as numbers.

The suffixes are nginx's: `k m g` count by 1024, a time without a suffix is in seconds. What a
formatter writes, its parser reads back to the same number.
"""

import re

from proxy.settings import GIB, KIB, MIB

MAX_SIZE_BYTES = 1 << 60
"""Beyond it a size is a typing error, and would not fit into the kernel's types."""
MAX_DURATION_S = 365 * 86400.0
"""Beyond it a time is a typing error, and timers would overflow."""

_SIZE = re.compile(r"([0-9]+)([kmg]?)", re.IGNORECASE)
_LONG_SIZE = re.compile(r"([0-9]+)\s*([kmg])i?b", re.IGNORECASE)
_SIZE_FACTORS = {"": 1, "k": KIB, "m": MIB, "g": GIB}

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|s|m|h|d)?", re.IGNORECASE)
_DURATION_FACTORS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(text: str) -> int:
    """Return a size in bytes: `4096`, `64k`, `1m`, `2g`.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(_why_no_size(text.strip()))
    size = int(match[1][-25:]) * _SIZE_FACTORS[match[2].lower()]
    if len(match[1]) > 25 or size > MAX_SIZE_BYTES:  # int() refuses thousands of digits
        raise ValueError("more than any machine holds; sizes are in bytes, or end in k, m or g")
    return size


def _why_no_size(text: str) -> str:
    if text.startswith("-"):
        return "a size cannot be negative"
    if match := _LONG_SIZE.fullmatch(text):
        short = match[1] + match[2].lower()
        return f"not a size; write {short} ({parse_size(short)} bytes)"
    return "not a size; write whole bytes (65536), or a number with k, m or g (64k, 1m, 2g)"


def format_size(size: int) -> str:
    """Return `size` bytes with the largest suffix that divides it."""
    for suffix, factor in (("g", GIB), ("m", MIB), ("k", KIB)):
        if size and size % factor == 0:
            return f"{size // factor}{suffix}"
    return str(size)


def parse_duration(text: str) -> float:
    """Return a time in seconds: `60`, `1.5`, `500ms`, `2m`, `1h`, `1d`.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        if text.strip().startswith("-"):
            raise ValueError("a time cannot be negative")
        raise ValueError("not a time; write seconds (60, 1.5), or 500ms, 30s, 2m, 1h, 1d")
    number, unit = float(match[1]), (match[2] or "s").lower()
    # Divided, since 9 * 0.001 is not 0.009.
    seconds = number / 1000 if unit == "ms" else number * _DURATION_FACTORS[unit]
    if seconds > MAX_DURATION_S:
        raise ValueError("longer than a year; times are in seconds, or end in ms, s, m, h or d")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a time in the unit that people would choose for it."""
    if seconds and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    if 0 < seconds < 1 and round(seconds * 1000) / 1000 == seconds:
        return f"{seconds * 1000:.0f}ms"
    return f"{_plain(seconds)}s"


def _plain(number: float) -> str:
    """Return a float without exponent and without needless zeros."""
    text = repr(number)
    if "e" in text:
        text = f"{number:.30f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
