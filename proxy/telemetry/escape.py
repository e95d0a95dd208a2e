"""Makes the bytes of clients and backends harmless in a log: one line of printable ASCII.

Neither a line that somebody forges nor an escape sequence that changes the terminal of the one who
reads the log comes through.
"""

import json
import re

_ESCAPED = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')


def escape(text: bytes) -> str:
    """Return `text` as nginx logs it: quote, backslash, control and 8-bit bytes as \\xHH."""
    return _ESCAPED.sub(lambda match: b"\\x%02X" % match[0][0], text).decode("ascii")


def escape_json(text: bytes) -> str:
    """Return `text` for a place between the quotes of a JSON string.

    Bytes that are not UTF-8, which JSON must be, become the four characters \\xhh.
    """
    return dump_json(text.decode("utf-8", "backslashreplace"))[1:-1]


def dump_json(value: object) -> str:
    """Return a value as JSON in printable ASCII, on one line."""
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")
