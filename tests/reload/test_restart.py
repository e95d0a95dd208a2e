"""The whole application goes away and comes back: whoever had not begun waits for it.

What was in a worker, or in the listen queue of a master that was about to end, is lost; of that,
only an upload fails, as nobody knows whether it was executed.
"""

import signal
import time
from typing import NamedTuple

import pytest

from tests.reload.account import Account
from tests.reload.instance import Instance, Stop
from tests.reload.journal import Journal
from tests.reload.load import Load
from tests.reload.scene import Scene
from tests.servers import Transport, wait_until

pytestmark = pytest.mark.soak

CLIENTS = 24
WORKERS = 4
"""Of all instances together."""
SLEEP_S = 0.05
"""What a request costs: workers are in the middle of some whenever they are stopped."""
DEATHS = ("eof_before_headers", "reset_before_headers")
DYING_S = 1.0
"""From the end of its workers until a master has noticed and closes its socket, at most."""
RECOVERY_S = 5.0
"""After the application answers again: by then whoever has waited has an answer, even on a slow
machine. A backend that is out for its `fail_timeout` of 10 s does not make it."""


class Outage(NamedTuple):
    """How an instance is stopped, and for how long."""

    how: Stop
    transport: Transport = "unix"
    vacuum: bool = False
    """Whether uWSGI takes its socket file away when it ends."""
    loop: str = "uvloop"
    seconds: float = 1.2
    max_conns: int = WORKERS
    """0 for no limit: then whoever is not in a worker is in the listen queue, and lost with it."""
    clients: int = CLIENTS

    def __str__(self) -> str:
        vacuum = "-vacuum" if self.vacuum else ""
        limit = f"max_conns {self.max_conns}" if self.max_conns else "unlimited"
        return f"{self.how}-{self.transport}{vacuum}-{self.loop}-{limit}-{self.clients} clients"


OUTAGES = (
    Outage("SIGINT", seconds=3.5),
    Outage("SIGINT", "tcp"),
    Outage("SIGINT", loop="asyncio", max_conns=0),
    Outage("SIGQUIT", vacuum=True, max_conns=0, clients=WORKERS),
    Outage("SIGKILL", loop="asyncio"),
    Outage("SIGKILL", "tcp"),
)


@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_requests_wait_for_the_end_of_an_outage(scene: Scene, outage: Outage) -> None:
    extra = ("--vacuum",) if outage.vacuum else ()
    instance = scene.instance(transport=outage.transport, processes=WORKERS, extra=extra)
    upstream = f"{instance.address} max_conns={outage.max_conns}"
    proxy = scene.proxy(upstream, options=("--loop", outage.loop))
    load = scene.load(proxy, clients=outage.clients, sleep_s=SLEEP_S)
    wait_until(lambda: any_get(scene.journal), "a GET is executed")
    instance.stop(outage.how)
    load.go_on(outage.seconds)
    back = start_again(instance, load)
    account = scene.account(load, proxy)
    check_lost(account, outage.max_conns or outage.clients)
    check_recovered(account, back)


def test_two_backends_that_are_killed_at_once(scene: Scene) -> None:
    """Neither is banned for max_fails when it is back, although its workers died of requests."""
    pair = [scene.instance(name, processes=WORKERS // 2) for name in ("one", "two")]
    proxy = scene.proxy(*(f"{instance.address} max_conns={WORKERS // 2}" for instance in pair))
    load = scene.load(proxy, clients=CLIENTS, sleep_s=SLEEP_S)
    for instance in pair:
        instance.signal_all(signal.SIGKILL)
    for instance in pair:
        instance.wait()
    load.go_on(1.0)
    backs = [start_again(instance, load) for instance in pair]
    account = scene.account(load, proxy)
    check_lost(account, WORKERS)
    check_recovered(account, backs[0])
    check_used_again(account, "two", backs[1])


def test_two_backends_that_are_restarted_in_turn(scene: Scene) -> None:
    """A deployment: the second is stopped as soon as the first is back, whoever knows of that."""
    pair = [scene.instance(name, processes=WORKERS // 2) for name in ("one", "two")]
    proxy = scene.proxy(*(f"{instance.address} max_conns={WORKERS // 2}" for instance in pair))
    load = scene.load(proxy, clients=CLIENTS, sleep_s=SLEEP_S)
    away_s = DYING_S
    for instance in pair:
        begun = time.monotonic()
        instance.stop("SIGINT")
        load.go_on(0.5)
        instance.start()
        away_s = max(away_s, time.monotonic() - begun)
    load.wait_good(2 * CLIENTS)
    account = scene.account(load, proxy)
    check_lost(account, WORKERS)
    late = [one for one in account.outcomes if one.seconds > away_s + RECOVERY_S]
    assert not late, account.stories(late)


def any_get(journal: Journal) -> bool:
    """Whether a GET is being executed."""
    return any(ident.startswith("GET") for ident in journal.running().values())


def start_again(instance: Instance, load: Load) -> float:
    """Return when it was back, after it has answered about as often as there are clients."""
    instance.start()
    back = time.monotonic()
    load.wait_good(load.clients, lambda one: one.instance == instance.name)
    return back


def check_lost(account: Account, slots: int) -> None:
    """Check that only uploads were lost that held a slot when a master ended.

    Each slot may lose two: one in a worker, which dies at once, and one in the listen queue, which
    lives `DYING_S` longer.
    """
    account.check_failed(DEATHS, most=2 * slots)


def check_recovered(account: Account, back: float) -> None:
    """Check that some had to wait, and nobody much longer than necessary."""
    waited = [one for one in account.outcomes if one.began < back < one.ended]
    assert waited
    late = [one for one in waited if one.ended > back + RECOVERY_S]
    assert not late, account.stories(late)


def check_used_again(account: Account, name: str, back: float) -> None:
    """Check that an instance was not left alone much longer than it was away."""
    first = min(
        one.ended
        for one in account.outcomes
        if one.is_good and one.instance == name and one.ended > back
    )
    assert first < back + RECOVERY_S
