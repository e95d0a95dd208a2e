"""A worker that is killed while it executes: who was in it, and nobody else, may notice."""

import os
import signal

import pytest

from tests.lifecycle.command import is_alive
from tests.reload.journal import Journal
from tests.reload.load import Method
from tests.reload.scene import Scene
from tests.servers import wait_until

pytestmark = pytest.mark.soak

METHODS: tuple[Method, ...] = ("GET", "GET", "POST", "GET", "POST")
"""What workers are killed in, one after the other. The first takes a backend out; with two of them,
the second then happens in the only one that is left."""
DEATHS = ("eof_before_headers", "reset_before_headers")


@pytest.mark.parametrize("instances", [1, 2])
def test_only_uploads_in_a_killed_worker_fail(scene: Scene, instances: int) -> None:
    """An idempotent request gets another worker, of the same backend if there is no other."""
    backends = [scene.instance(f"b{number}", processes=3) for number in range(instances)]
    proxy = scene.proxy(*(f"{backend.address} max_conns=3" for backend in backends))
    load = scene.load(proxy, clients=12, sleep_s=0.05)
    victims: dict[str, list[str]] = {"GET": [], "POST": []}
    kills = 0
    for method in METHODS:
        while victim := kill_a_worker(scene.journal, method):
            kills += 1
            load.wait_good(load.clients)  # what it was in has been tried again by now
            if victim.startswith(method):
                victims[method].append(victim)
                break
    account = scene.account(load, proxy)
    account.check_failed(DEATHS, most=kills)
    failed = {one.ident for one in account.failed}
    assert failed >= set(victims["POST"]), account.stories(account.failed)
    assert {account.begun[ident] for ident in victims["GET"]} == {2}


def kill_a_worker(journal: Journal, method: Method) -> str:
    """Kill one that executes such a request, and return which one it was in: mostly that."""
    dead = {entry.pid for entry in journal.entries() if not is_alive(entry.pid)}
    found: list[int] = []

    def find() -> bool:
        running = journal.running()
        found[:] = [pid for pid, ident in running.items() if ident.startswith(method)]
        found[:] = [pid for pid in found if pid not in dead]
        return bool(found)

    wait_until(find, f"a worker executes a {method}")
    os.kill(found[0], signal.SIGKILL)
    wait_until(lambda: not is_alive(found[0]), "the worker is dead")
    return journal.running().get(found[0], "none")
