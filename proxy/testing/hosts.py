"""Applications that are shared by the tests of a session: one set of worker processes for each."""

from dataclasses import dataclass

from proxy.settings import Address, WorkerSettings
from proxy.worker.host import Host, ProcessJob

STOP_S = 2.0
"""For what an application still works on at the end of the session; then it is killed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    app: str
    processes: int = 1
    threads: int = 4
    http: bool = False
    """Whether uWSGI is to speak HTTP as well."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """Where it runs."""

    address: Address
    http_address: Address | None
    upstream: str
    """As the option takes it, with as many requests at a time as there are threads."""


class Hosts:
    """All of them, by their orders. `close` ends them."""

    def __init__(self, python_path: str) -> None:
        self._python_path = python_path
        self._running: dict[Order, tuple[Host, ProcessJob]] = {}

    def get(self, order: Order) -> Hosted:
        """Return where an application runs; start it, if it does not, or not any more.

        Raises:
            WorkerError: it cannot be started, the first time and every time.
        """
        host, job = self._running.get(order) or self._start(order)
        if job.worker is not None and job.worker.poll() is not None and not host.ended.done():
            _stop(host)  # it was killed, most likely by a test of exactly that
            host, job = self._start(order)
        address = host.ready.result()
        assert job.worker is not None
        upstream = f"{address} max_conns={order.processes * order.threads}"
        return Hosted(address, job.worker.http_address, upstream)

    def close(self) -> None:
        """End all."""
        for host, _ in self._running.values():
            host.stop(STOP_S)
        for host, _ in self._running.values():
            _stop(host)
        self._running.clear()

    def _start(self, order: Order) -> tuple[Host, ProcessJob]:
        settings = WorkerSettings(order.app, order.processes, order.threads)
        kind = "uwsgi" if order.http else "auto"
        job = ProcessJob(settings, self._python_path, kind, order.http)  # type: ignore[arg-type]
        host = Host(job)
        host.start()
        self._running[order] = host, job
        return host, job


def _stop(host: Host) -> None:
    host.stop(STOP_S)
    host.ended.result()
    host.join()
