"""The lab: the same application behind uWSGI alone, nginx, gunicorn and this proxy, compared.

A side room: nothing on the road of a request imports it. docs/lab.md describes the method. Tests
use `from proxy import lab; lab.compare(...)`; it is loaded when it is asked for, since load
generators are started often and need none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.lab.comparison import compare as compare


def __getattr__(name: str) -> Any:
    if name == "compare":
        from proxy.lab.comparison import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
