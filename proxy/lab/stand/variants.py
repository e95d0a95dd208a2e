"""Topologies with one value changed, beside which everything else is the same.

A scenario that asks what a setting does has variants: each of its topologies is started once as it
is and once for each variant, and all of them take turns. A variant of `nginx-uwsgi` is a row
`nginx-uwsgi+16k`, so that pairs of the same round can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.lab.stand import tls
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Topology

JOINT = "+"
"""Between the name of a topology and that of its variant."""
SMALL_BYTES = 16 * 1024
LARGE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Variant:
    """One value changed."""

    name: str
    title: str
    change: Callable[[Setup], Setup]
    """Raises BenchError where it cannot be done; that is the reason of its row."""

    def of(self, topology: Topology) -> Topology:
        """Return the topology under its own name."""
        name, title = f"{topology.name}{JOINT}{self.name}", f"{topology.title}, {self.title}"
        return replace(topology, name=name, title=title)


def base_of(name: str) -> tuple[str, str]:
    """Return the name of a row's topology, and of its variant; empty without one."""
    base, _, variant = name.partition(JOINT)
    return base, variant


def _small(setup: Setup) -> Setup:
    return replace(setup, socket_bytes=SMALL_BYTES)


def _large(setup: Setup) -> Setup:
    return replace(setup, socket_bytes=LARGE_BYTES)


BUFFERS = (
    Variant("16k", "16 KB buffers", _small),
    Variant("1m", "1 MB buffers", _large),
)
PLAIN_OR_TLS = (
    Variant("plain", "plain HTTP", tls.plain),
    Variant("tls", "TLS", tls.secured),
)
"""Both of them, since a uWSGI with TLS may be another one than the topology as it is has."""
