"""More clients than workers and listen queue hold: they stand in our line, and may leave it."""

from contextlib import ExitStack

import pytest

from tests.integration.messages import post, request
from tests.lifecycle.command import ask, client_of, metric
from tests.reload.scene import Scene
from tests.servers import Proxy, Transport, wait_until

pytestmark = pytest.mark.soak

CLIENTS = 60
LEAVERS = 20
WORKERS = 2
QUEUE = 4
"""uWSGI's --listen; the kernel lets one more wait."""


@pytest.mark.parametrize(
    ("transport", "limit"),
    [("unix", ""), ("unix", f" max_conns={WORKERS}"), ("tcp", f" max_conns={WORKERS}")],
    ids=["unix-unlimited", "unix-max_conns", "tcp-max_conns"],
)
def test_a_full_listen_queue(scene: Scene, transport: Transport, limit: str) -> None:
    """Without a limit it overflows all the time, and only unix sockets say so harmlessly.

    A TCP queue that overflows answers with SYN cookies and then resets what was sent: the limit is
    what keeps it from that.
    """
    extra = ("--listen", str(QUEUE))
    instance = scene.instance(transport=transport, processes=WORKERS, extra=extra)
    proxy = scene.proxy(instance.address + limit)
    load = scene.load(proxy, clients=CLIENTS, sleep_s=0.01)
    load.wait_good(3 * CLIENTS)
    scene.account(load, proxy).check_all_good()


@pytest.mark.parametrize(
    ("limit", "most"),
    [("", QUEUE + 1), (f" max_conns={WORKERS}", 0)],
    ids=["unlimited", "max_conns"],
)
def test_who_leaves_the_line_is_not_executed(scene: Scene, limit: str, most: int) -> None:
    """Without a limit, some wait in the kernel instead, where nobody can call them back."""
    instance = scene.instance(processes=WORKERS, extra=("--listen", str(QUEUE)))
    proxy = scene.proxy(instance.address + limit)
    with ExitStack() as stay:
        for number in range(WORKERS):
            client = stay.enter_context(client_of(proxy))
            client.send(request(f"/?id=first{number}&gate=open"))
        wait_until(lambda: len(scene.journal.begun()) == WORKERS, "all workers are busy")
        with ExitStack() as leave:
            for number in range(LEAVERS):
                client = leave.enter_context(client_of(proxy))
                path = f"/?id=leaver{number}"
                client.send(post(b"x" * 100, path) if number % 2 else request(path))
            wait_in_flight(proxy, WORKERS + LEAVERS)
        wait_in_flight(proxy, WORKERS)
        scene.journal.open_gate("open")
        assert ask(proxy.url, "/?id=last").status == 200
    begun = scene.journal.begun()
    assert len([ident for ident in begun if ident.startswith("leaver")]) <= most
    assert begun["last"] == 1
    assert proxy.stop() == 0
    reasons = [line.split()[-1] for line in proxy.access if "id=leaver" in line]
    assert reasons == ["client_gone"] * LEAVERS


def wait_in_flight(proxy: Proxy, count: int) -> None:
    """Wait until the proxy knows of so many requests."""
    wait_until(lambda: metric(proxy, "http_requests_in_flight") == count, f"{count} in flight")
