"""Starts a front end for a test, as a `Site`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from proxy.embedding.frontend import Frontend
from proxy.testing.exchanges import Exchanges
from proxy.testing.hosts import Hosts, Order
from proxy.testing.site import Site

SHUTDOWN_S = 1.0
"""For requests that still run when a test is over."""


@contextmanager
def start_site(hosts: Hosts, exchanges: Exchanges, options: Mapping[str, Any]) -> Iterator[Site]:
    """Run a front end with these options of `proxy.Frontend`.

    An application that is named runs in worker processes that `hosts` keeps; a callable runs in
    threads of this process.

    Raises:
        WorkerError, StartError, TypeError, ValueError: it does not start.
    """
    given = {"shutdown_timeout": SHUTDOWN_S, **options}
    app = given.get("app")
    if isinstance(app, str):
        order = Order(app, given.pop("processes", 1), given.pop("threads", 4))
        given["upstream"] = hosts.get(order).upstream
        del given["app"]
    failures: list[tuple[str, BaseException]] = []
    frontend = Frontend(
        sinks=[exchanges],
        on_app_failure=lambda what, error: failures.append((what, error)),
        **given,
    )
    with frontend.in_thread() as running:
        yield Site(running.url, "frontend", exchanges, failures, running.metrics)
