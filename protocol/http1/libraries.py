"""The choice between the parser libraries."""

from protocol.http1.engine import Engine
from protocol.http1.known_lines import KnownLines


def choose_engine(name: str) -> Engine:
    """Return the engine called `httptools` or `h11`; `auto` prefers httptools.

    Raises:
        ImportError: the library asked for is not installed.
    """
    if name != "h11":
        try:
            from protocol.http1.httptools_engine import HttptoolsEngine

            return KnownLines(HttptoolsEngine())
        except ImportError:
            if name == "httptools":
                raise
    from protocol.http1.h11_engine import H11Engine

    return KnownLines(H11Engine())
