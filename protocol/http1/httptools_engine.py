"""The httptools engine: llhttp, the parser of Node.js, strict as it comes.

llhttp parses whole messages, so each use gives it a request line of our own in front.
"""

import httptools

from protocol.messages import Field

_REQUEST_LINE = b"GET / HTTP/1.1\r\n"


class _Fields:
    """Collects the callbacks of one header block."""

    __slots__ = ("complete", "fields")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


class HttptoolsEngine:
    """See `protocol.http1.engine.Engine`."""

    name = "httptools"

    def split_fields(self, block: bytes) -> list[Field] | None:
        # llhttp would unfold a folded line, trim tabs and keep spaces at the end; nginx does not
        if b"\t" in block or b"\r\n " in block or b" \r\n" in block:
            return None
        collector = _Fields()
        parser = httptools.HttpRequestParser(collector)
        try:
            parser.feed_data(_REQUEST_LINE + block + b"\r\n")
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            return None
        return collector.fields if collector.complete else None
