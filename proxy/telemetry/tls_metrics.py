"""TLS towards clients for Prometheus. There only where a listener speaks TLS."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client.core import Metric

from proxy.telemetry import catalogue
from proxy.telemetry.family import add
from proxy.tls.certificates import Certificates
from proxy.tls.handshakes import RESULTS, Handshakes


class Door(Protocol):
    """What is asked of a listener."""

    handshakes: Handshakes | None


class TlsMetrics:
    """What shows a server's TLS."""

    def __init__(self, listeners: Callable[[], Iterable[Door]], certificates: Certificates) -> None:
        self._listeners = listeners
        self._certificates = certificates

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, for `prometheus_client`."""
        results, running = Counter(dict.fromkeys(RESULTS, 0)), 0
        for listener in self._listeners():
            if listener.handshakes is not None:
                results.update(listener.handshakes.results)
                running += len(listener.handshakes.running)
        over = catalogue.TLS_HANDSHAKES.family()
        for result, count in results.items():
            add(over, (result,), count)
        yield over
        shaking = catalogue.TLS_SHAKING.family()
        add(shaking, (), running)
        yield shaking
        ends = catalogue.TLS_CERTIFICATE_END.family()
        for path, end in self._certificates.ends:
            add(ends, (path,), end)
        yield ends
        loads = catalogue.TLS_CERTIFICATE_LOADS.family()
        add(loads, ("used",), self._certificates.loaded)
        add(loads, ("refused",), self._certificates.failed)
        yield loads
