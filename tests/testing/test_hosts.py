"""The cache of applications; that they run is tested with the plugin."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.client.request import uwsgi_request_sync
from proxy.testing.hosts import Hosts, Order
from proxy.worker import WorkerError
from tests.servers import wait_until

APP = """
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    hosts = Hosts(str(tmp_path))
    yield hosts
    hosts.close()


def test_one_for_all(hosts: Hosts) -> None:
    order = Order("shop:application", threads=2)
    first = hosts.get(order)
    assert first.upstream == f"{first.address} max_conns=2"
    assert first.http_address is None
    assert hosts.get(order) == first
    assert uwsgi_request_sync(first.address).status == 200


def test_one_that_has_been_killed(hosts: Hosts) -> None:
    order = Order("shop:application")
    first = hosts.get(order)
    _, job = hosts._running[order]
    assert job.worker is not None
    os.killpg(job.worker.pid, signal.SIGKILL)
    wait_until(lambda: job.worker is not None and job.worker.poll() is not None, "it has died")
    second = hosts.get(order)
    assert second.address != first.address
    assert uwsgi_request_sync(second.address).status == 200


def test_one_that_does_not_start(hosts: Hosts) -> None:
    for _ in range(2):
        with pytest.raises(WorkerError, match="'wrong' fails to import: ZeroDivisionError"):
            hosts.get(Order("wrong:application"))
    assert len(hosts._running) == 1
