"""Tools for tests, part of the product: a backend that does what a test tells it to.

docs/testing.md shows them, and the fixtures of `plugin`.

with FakeBackend(script=respond(body=b"hello")) as backend:
    ...  # point a proxy at backend.address, send requests, look at backend.requests
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.testing.public import *  # noqa: F403 (its __all__ is the list)


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562): the pytest plugin is in here, too, and has to be cheap."""
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("proxy.testing.public"), name)
