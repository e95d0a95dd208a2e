"""Servers that run already, as stands: started and stopped by others, known by their URL alone.

Of them the lab sees what clients see. It knows neither their processes nor their settings, so there
is no CPU time, no event, and nothing that needs the lab's own application.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology

_CLOSES = ("uwsgi",)
"""Names of servers that close after each answer: uWSGI's --http-socket, among the fixtures."""


class Served(Protocol):
    """Something that serves HTTP on this machine: a `Site`, or a front end in a thread."""

    @property
    def url(self) -> str:
        """Where: `http://127.0.0.1:8080`."""


class Standing(Stand):
    """A stand of which only the address is known."""

    @property
    def facts(self) -> dict[str, str]:
        """Return what is printed beside the row."""
        keeps = "as it is" if self.topology.keeps else "never"
        return {"workers": "as they are", "listen queue": "as it is", "keep-alive": keeps}

    def cpu_s(self) -> dict[str, float]:
        """Return nothing: whose time that would be is not known."""
        return {}


def standing(served: Served, setup: Setup, taken: Mapping[str, Stand]) -> Standing:
    """Return a stand for a server that runs, with a name that is none of those taken.

    Raises:
        ValueError: it cannot be asked by the load generator.
    """
    url = urlsplit(served.url)
    if url.scheme != "http" or not url.hostname:
        raise ValueError(f"{served.url}: the load generator asks http://HOST:PORT only")
    kind = getattr(served, "name", "frontend")
    name = f"{kind}:{url.port or 80}"
    if name in taken:
        raise ValueError(f"{served.url} against itself: give the name of a topology twice for that")
    topology = Topology(name, f"{kind} at {served.url}", keeps=kind not in _CLOSES)
    made = Standing(topology, setup, url.port or 80, [], [], [served.url])
    made.host = url.hostname
    return made
