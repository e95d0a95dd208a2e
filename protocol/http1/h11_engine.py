"""The h11 engine: pure Python, for where httptools has no wheel.

h11 is lenient in a few places where nginx is not; each is checked here, so that both engines give
the same verdict.
"""

import re

import h11

from protocol.messages import Field

# HTTP/1.0, so that h11 leaves the rules about Host to `protocol.headers`.
_REQUEST_LINE = b"GET / HTTP/1.0\r\n"
_LISTED_LENGTH = re.compile(rb"(?im)^content-length:[^\r]*,")
_MAX_HEAD_BYTES = 1024 * 1024  # `protocol.http1.head` has its own, smaller limits


class H11Engine:
    """See `protocol.http1.engine.Engine`."""

    name = "h11"

    def split_fields(self, block: bytes) -> list[Field] | None:
        # h11 would unfold a folded line, trim tabs and take a bare LF; nginx does not
        if b"\t" in block or b"\r\n " in block or block.count(b"\n") != block.count(b"\r\n"):
            return None
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        connection.receive_data(_REQUEST_LINE + block + b"\r\n")
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if not isinstance(event, h11.Request) or _LISTED_LENGTH.search(block):
            return None
        # repeated lengths are merged by h11, and refused by nginx
        return event.headers.raw_items() if len(event.headers) == block.count(b"\n") else None
