"""Under load: what a signal, or the death of a worker, costs clients. Nothing, or their own."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable

from proxy.exits import Exit
from proxy.testing import FakeBackend, respond
from tests.differential.client import Client
from tests.fleet.test_supervisor import ADMIN, HELLO, running, served, worker_pids
from tests.integration.messages import request
from tests.lifecycle.command import client_of
from tests.servers import DEADLINE_S, Proxy, wait_until

CLIENTS = 8


class Load:
    """Clients that ask and ask, each on a thread, until they are told to go or to stop."""

    def __init__(self, ask: Callable[["Load"], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=ask, args=(self,)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def note(self, what: str) -> None:
        """Count what became of a request."""
        with self._lock:
            self.counts[what] += 1

    def stop(self) -> Counter[str]:
        """Let all come to their end."""
        self.stopping.set()
        return self.wait()

    def wait(self) -> Counter[str]:
        """Wait until all have come to their end."""
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        return self.counts


def ask_once(client: Client) -> tuple[str, bool]:
    """Send a request; return what became of it, and whether another may follow."""
    try:
        client.send(request())
        response = client.response()
    except OSError:
        return "failed", False
    if response is None or not response.complete or response.status != 200:
        return "failed", False
    return "ok", response.values(b"connection") != [b"close"]


def test_a_signal_costs_no_request() -> None:
    """For the drain delay all are served, and told to go; then nobody is left."""
    with FakeBackend(HELLO) as worker, running(worker, "--drain-delay", "2s") as proxy:

        def stay(load: Load) -> None:
            with client_of(proxy) as client:
                go_on = True
                while go_on:
                    what, go_on = ask_once(client)
                    load.note(what)

        load = Load(stay)
        wait_until(lambda: load.counts["ok"] > 200, "there is a load")
        proxy.process.send_signal(signal.SIGTERM)
        counts = load.wait()
        assert set(counts) == {"ok"}
        assert proxy.process.wait(DEADLINE_S) == Exit.STOPPED
        proxy.close()
        assert len(proxy.access) == counts["ok"]


def test_a_death_costs_what_the_dead_was_at() -> None:
    """And is made good: there are two again, and no counter has gone back meanwhile."""
    with (
        FakeBackend(respond(body=b"hello")) as worker,
        running(worker, "--keepalive-timeout", "0", *ADMIN) as proxy,
    ):
        seen: list[float] = []

        def come_and_go(load: Load) -> None:
            while not load.stopping.is_set():
                with client_of(proxy) as client:
                    load.note(ask_once(client)[0])

        load = Load(come_and_go)
        for number in range(2):
            watch(proxy, seen, load, 100)
            os.kill(worker_pids(proxy, 2 + number)[number], signal.SIGKILL)
            watch(proxy, seen, load, 100)
            worker_pids(proxy, 3 + number)
        watch(proxy, seen, load, 100)
        counts = load.stop()
        assert counts["failed"] <= 2 * CLIENTS
        assert seen == sorted(seen)
        # Of the dead, what they did since their last report is not known.
        assert seen[-1] <= counts["ok"] + counts["failed"]


def watch(proxy: Proxy, seen: list[float], load: Load, requests: int) -> None:
    """Note the number of requests that /metrics knows, until so many more have been served."""
    before = load.counts["ok"]
    while load.counts["ok"] < before + requests:
        seen.append(served(proxy))
