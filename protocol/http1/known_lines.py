"""An engine that is asked only for lines that have not come before.

Header lines repeat, from request to request and from client to client, and what one says does not
depend on the lines around it: so a block is cut at its line ends, and each line that an engine has
split before is looked up. Only the others are given to the engine. What the lines mean together is
for `protocol.headers` to say (docs/decisions/0006-what-repeats-is-remembered.md).
"""

from protocol.http1.engine import Engine
from protocol.messages import Field

REMEMBERED = 1024
"""Lines, at most; then it begins anew."""

REMEMBERED_BYTES = 256
"""Of a line, at most."""


class KnownLines:
    """See `protocol.http1.engine.Engine`."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine
        self._known: dict[bytes, Field] = {}

    def split_fields(self, block: bytes) -> list[Field] | None:
        lines = block.split(b"\r\n")
        if lines.pop():  # the last line has no end
            return self._engine.split_fields(block)
        known = self._known
        fields = [known.get(line) for line in lines]
        if None in fields:
            return self._ask(block, lines, fields)
        return fields  # type: ignore[return-value]

    def _ask(
        self, block: bytes, lines: list[bytes], fields: list[Field | None]
    ) -> list[Field] | None:
        """Let the engine split the lines that are new; all of them if those do not stand alone."""
        new = [line for line, field in zip(lines, fields, strict=True) if field is None]
        found = None
        if not new[0].startswith(b" "):  # else it continues the line before it
            found = self._engine.split_fields(b"\r\n".join(new) + b"\r\n")
        if found is None or len(found) != len(new):
            return self._engine.split_fields(block)
        for line, field in zip(new, found, strict=True):
            self._remember(line, field)
        rest = iter(found)
        return [next(rest) if field is None else field for field in fields]

    def _remember(self, line: bytes, field: Field) -> None:
        if len(line) <= REMEMBERED_BYTES:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[line] = field
