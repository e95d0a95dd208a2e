"""Reloads under load: nobody notices anything but a delay, and nothing is executed twice."""

import os
import signal
import time
from typing import Literal

import pytest

from tests.reload.instance import Instance
from tests.reload.load import Load
from tests.reload.scene import Scene
from tests.servers import Transport, wait_until

pytestmark = pytest.mark.soak


@pytest.mark.parametrize(("transport", "loop"), [("unix", "uvloop"), ("tcp", "asyncio")])
def test_graceful_reloads(
    scene: Scene, transport: Transport, loop: Literal["uvloop", "asyncio"]
) -> None:
    """SIGHUP, three times: each time the workers finish what they do, and new ones take over."""
    instance = scene.instance(transport=transport)
    proxy = scene.proxy(f"{instance.address} max_conns=4", options=("--loop", loop))
    load = scene.load(proxy)
    for _ in range(3):
        reload_once(instance, load)
    scene.account(load, proxy).check_all_good()


def reload_once(instance: Instance, load: Load) -> None:
    """Return when new workers have served everybody about once."""
    old = instance.workers()
    instance.signal(signal.SIGHUP)
    load.wait_good(load.clients, lambda one: one.pid not in old)


def test_chain_reload(scene: Scene) -> None:
    """Workers are replaced one after another, each with a freshly loaded application."""
    touched = scene.sockets / "touched"
    touched.touch()
    extra = ("--lazy-apps", "--touch-chain-reload", str(touched))
    instance = scene.instance(processes=2, extra=extra)
    proxy = scene.proxy(f"{instance.address} max_conns=2")
    load = scene.load(proxy)
    old = instance.workers()
    later = time.time() + 10  # uWSGI compares whole seconds
    os.utime(touched, (later, later))
    wait_until(lambda: not instance.workers() & old, "all workers are new")
    load.wait_good(load.clients)
    scene.account(load, proxy).check_all_good()


def test_a_socket_file_that_is_replaced(scene: Scene) -> None:
    """Three times, a new instance starts at the path of the old one, which then ends in order.

    For an instant there is no file, and for another one nobody listens.
    """
    instance = scene.instance("b0", at="shared", extra=("--vacuum",))
    proxy = scene.proxy(f"{instance.address} max_conns=4")
    load = scene.load(proxy)
    for name in ("b1", "b2", "b3"):
        old, instance = instance, scene.instance(name, at="shared", extra=("--vacuum",))
        wait_for_instance(load, name)
        old.drain()
        wait_for_instance(load, name)
    scene.account(load, proxy).check_all_good()


def wait_for_instance(load: Load, name: str) -> None:
    """Return when it has served everybody about once."""
    load.wait_good(load.clients, lambda one: one.instance == name)
