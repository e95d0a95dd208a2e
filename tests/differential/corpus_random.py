"""Requests and replies made by dice, always the same ones: what nobody thought of writing down."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace

from tests.differential.compare import Case
from tests.differential.corpus import NAMED, request
from tests.differential.corpus_replies import Reply
from tests.differential.differences import Differs, bad_gateway, refused

TARGETS, HEADS, LINES, REPLIES = 300, 200, 200, 200

_PIECES = (
    b"/", b"/", b"/", b"a", b"b.c", b".", b"..", b"//", b"%2e", b"%2E", b"%2f", b"%2F", b"%25",
    b"%41", b"%3f", b"%23", b"?", b"&x=1", b"+", b"%20", b"\xc3", b";", b":", b"@", b"\\", b"~",
)  # fmt: skip
_RARE = (b"#", b"%00", b"%0a", b"%", b"%4", b"%zz", b"\x01", b"\x7f", b" ", b"%7f", b"%ff")
_NAME = b"abcXYZ019-"
_ODD_NAME = b"_.!@#$&'*+^`|~\x80\xff \t\x00\x01\x7f/(),;<=>?[]{}\""
_LINE = b"A a/.:1290\t\x00\x7f\x80_-HTP%?#\x01"
_VALUE = b'abc 019,;="\t\x80\xff:'
_ODD_VALUE = b"\x00\x01\x1f\x7f"

_search_escaped_control = re.compile(rb"^[^?#]*%([01][0-9A-Fa-f]|7[Ff])").search


def _has_control(value: bytes) -> bool:
    return any(byte < 0x20 or byte == 0x7F for byte in value)


def target_cases() -> Iterator[Case]:
    """Yield requests for targets made of slashes, dots and escapes."""
    for seed in range(TARGETS):
        dice = random.Random(seed)
        pieces = [
            dice.choice(_RARE if dice.random() < 0.03 else _PIECES)
            for _ in range(dice.randrange(1, 12))
        ]
        prefix = dice.choice((b"/", b"/", b"/", b"/a/b/c/", b"http://a.example/"))
        target = prefix + b"".join(pieces)
        differs: tuple[Differs, ...] = ()
        if _search_escaped_control(target):
            differs = (
                Differs("control characters never reach PATH_INFO", refused(400), idle=True),
            )
        yield Case(f"target-{seed}", request(target), "1C", None, differs)


def _text(dice: random.Random, usual: bytes, odd: bytes, longest: int) -> bytes:
    return bytes(
        dice.choice(odd if dice.random() < 0.02 else usual)
        for _ in range(dice.randrange(longest + 1))
    )


def _lines(dice: random.Random) -> list[bytes]:
    colon = (b":", b": ", b": ", b": ", b":  ")
    return [
        # nginx loses a header of a reply whose name has no usual character at all
        bytes((dice.choice(_NAME),))
        + _text(dice, _NAME, _ODD_NAME, 8)
        + (b"" if dice.random() < 0.01 else dice.choice(colon))
        + _text(dice, _VALUE, _ODD_VALUE, 10)
        for _ in range(dice.randrange(1, 8))
    ]


def head_cases() -> Iterator[Case]:
    """Yield requests with header lines of odd names and values."""
    for seed in range(HEADS):
        lines = _lines(random.Random(seed))
        differs: tuple[Differs, ...] = ()
        if any(b":" not in line for line in lines):
            differs = (Differs("a header line needs a colon", refused(400), idle=True),)
        yield Case(f"head-{seed}", request(b"/", *lines), "2A", None, differs)


def line_cases() -> Iterator[Case]:
    """Yield requests with one or two changes of a good request line."""
    named = replace(NAMED, idle=True)
    for seed in range(LINES):
        dice = random.Random(seed)
        line = bytearray(b"GET /a HTTP/1.1")
        for _ in range(dice.randrange(1, 3)):
            place, byte = dice.randrange(len(line)), dice.choice(_LINE)
            line[place : place + dice.randrange(2)] = (b"", bytes((byte,)))[dice.randrange(2)]
        yield Case(
            f"line-{seed}", bytes(line) + b"\r\nHost: front.example\r\n\r\n", "2B", None, (named,)
        )


def replies() -> Iterator[Reply]:
    """Yield replies with header lines of odd names and values."""
    for seed in range(REPLIES):
        lines = _lines(random.Random(seed + 10_000))
        head = random.Random(seed).choice((b"HTTP/1.1 200 OK", b"Status: 201 Made", b"X: y"))
        differs: tuple[Differs, ...] = ()
        if any(map(_has_control, (line.replace(b"\t", b"") for line in lines))):
            differs = (
                Differs("control characters never reach a response head", bad_gateway, idle=True),
            )
        wire = b"\r\n".join((head, *lines, b"Content-Length: 2", b"", b"ok"))
        yield Reply(f"random-{seed}", wire, "4.7", None, differs)
