"""The same application behind different servers, each as a `Site`, for tests that compare.

`uwsgi` is uWSGI alone, `frontend` this program before it, `nginx` a real nginx before it; it is the
same uWSGI for all three.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from sys import modules
from typing import Any

from proxy.embedding.frontend import Frontend
from proxy.lab.processes import BenchError, Daemon, find
from proxy.lab.stand.nginx import Nginx
from proxy.lab.stand.ports import free_port, wait_for_port
from proxy.testing.exchanges import Exchanges
from proxy.testing.hosts import Hosts, Order
from proxy.testing.site import Site
from proxy.worker.command import find_uwsgi
from proxy.worker.wsgi import Application

NAMES = ("uwsgi", "frontend", "nginx")

_TRIES = 3
"""For an nginx, which cannot listen on port 0: another program may have taken its port."""


class Missing(Exception):
    """A topology cannot be had here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a test gives to whatever serves in it."""

    hosts: Hosts
    exchanges: Exchanges
    place: Path
    """A directory for files."""


@contextmanager
def serve(
    name: str, app: str | Application, stage: Stage, options: Mapping[str, Any]
) -> Iterator[Site]:
    """Serve `app` in this way; the options are those of this program, where it takes part.

    Raises:
        Missing: that cannot be done on this machine, or with this application.
        WorkerError: the application does not start.
    """
    if not _has_uwsgi():
        raise Missing("uWSGI is not installed: pip install pyuwsgi")
    if name == "nginx" and find("nginx") is None:
        raise Missing("nginx is not installed; on Debian: apt-get install nginx-light")
    hosted = stage.hosts.get(_order(app, options))
    if name == "uwsgi":
        yield Site(f"http://{hosted.http_address}", name)
    elif name == "nginx":
        with _nginx(stage.place, str(hosted.address)) as port:
            yield Site(f"http://127.0.0.1:{port}", name)
    else:
        rest = {key: value for key, value in options.items() if key not in ("processes", "threads")}
        made = Frontend(upstream=hosted.upstream, sinks=[stage.exchanges], **rest)
        with made.in_thread() as running:
            yield Site(running.url, name, stage.exchanges, metrics=running.metrics)


@cache
def _has_uwsgi() -> bool:
    return find_uwsgi() is not None


def _order(app: str | Application, options: Mapping[str, Any]) -> Order:
    named = app if isinstance(app, str) else name_of(app)
    if not named:
        raise Missing(
            "the application is an object of this process, which uWSGI cannot import: "
            "let wsgi_app return 'package.module:callable'"
        )
    return Order(named, options.get("processes", 1), options.get("threads", 4), http=True)


def name_of(app: Application) -> str:
    """Return `package.module:callable` for what stands in a module; empty if it does not."""
    module = getattr(app, "__module__", "")
    known = vars(modules[module]) if module in modules else {}
    return next((f"{module}:{name}" for name, value in known.items() if value is app), "")


@contextmanager
def _nginx(place: Path, upstream: str) -> Iterator[int]:
    for tried in range(1, _TRIES + 1):
        port = free_port()
        config = place / "nginx.conf"
        config.write_text(Nginx(place, port, upstream).config())
        command = [str(find("nginx")), "-p", str(place), "-c", str(config)]
        daemon = Daemon.start("nginx", command, place / "nginx.log")
        try:
            wait_for_port(daemon, port)
        except BenchError as error:
            if tried == _TRIES or "in use" not in str(error):
                raise Missing(str(error)) from error
            continue
        with daemon:
            yield port
        return
