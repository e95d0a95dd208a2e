"""Bytes that could mislead are harmless in a log, and still say what they were."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.escape import dump_json, escape, escape_json

HOSTILE = b'"\\\x00\x01\t\x1b[31m\x7f\x80\xffz'


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (b"", ""),
        (b"plain text", "plain text"),
        (HOSTILE, r"\x22\x5C\x00\x01\x09\x1B[31m\x7F\x80\xFFz"),
        (b"a\r\nb", r"a\x0D\x0Ab"),
        ("é".encode(), r"\xC3\xA9"),
    ],
)
def test_bytes_that_could_mislead_are_escaped(text: bytes, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.binary(max_size=100))
def test_escaped_text_is_printable_and_says_what_it_was(text: bytes) -> None:
    escaped = escape(text)
    assert escaped.isascii()
    assert escaped == "" or escaped.isprintable()
    assert '"' not in escaped
    back = re.sub(r"\\x([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), escaped)
    assert back.encode("latin-1") == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (b"", ""),
        (b"a/b", "a/b"),
        (HOSTILE, r"\"\\\u0000\u0001\t\u001b[31m\u007f\\x80\\xffz"),
        (b"a\r\nb", r"a\r\nb"),
        ("é\u2028😀".encode(), r"\u00e9\u2028\ud83d\ude00"),
    ],
)
def test_escapes_of_json(text: bytes, escaped: str) -> None:
    assert escape_json(text) == escaped


@given(st.binary(max_size=100))
def test_escaped_text_is_always_a_json_string(text: bytes) -> None:
    escaped = escape_json(text)
    assert escaped == "" or escaped.isascii()
    assert escaped == "" or escaped.isprintable()
    assert json.loads(f'"{escaped}"') == text.decode("utf-8", "backslashreplace")


def test_json_is_one_line_of_printable_ascii() -> None:
    assert dump_json({"a": [1, None, "\x7f\n\ud800"]}) == r'{"a":[1,null,"\u007f\n\ud800"]}'
