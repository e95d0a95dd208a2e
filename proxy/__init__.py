"""An HTTP front end for applications behind the uwsgi protocol.

What programs use of it can be imported from here; each name is loaded when it is first asked for,
so that the command line does not wait for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.client.request import UwsgiReply, uwsgi_request, uwsgi_request_sync
    from proxy.embedding.frontend import Frontend
    from proxy.errors import ProxyError
    from proxy.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "Frontend": "proxy.embedding.frontend",
    "ProxyError": "proxy.errors",
    "Settings": "proxy.settings",
    "UwsgiReply": "proxy.client.request",
    "uwsgi_request": "proxy.client.request",
    "uwsgi_request_sync": "proxy.client.request",
}
"""Where each public name lives."""

__all__ = [
    "Frontend",
    "ProxyError",
    "Settings",
    "UwsgiReply",
    "__version__",
    "uwsgi_request",
    "uwsgi_request_sync",
]


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
