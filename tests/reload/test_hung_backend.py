"""A backend that is frozen: it accepts, into the kernel's queue, and never answers."""

import signal
import time

import pytest

from tests.reload.scene import Scene

pytestmark = pytest.mark.soak

READ_TIMEOUT_S = 3.0
"""Well above what a request to the good one takes where the machine stands still for a moment."""
FAIL_TIMEOUT_S = 4.0
FROZEN_S = 8.0
"""Long enough for one more request, which finds out after `FAIL_TIMEOUT_S` that nothing changed."""
WORKERS = 2
MOST_TOUCHED = WORKERS + 1
"""Requests that wait for it in vain: those that are there when it freezes, and the one that tries
whether it is back. Without a pause it would be as many as there are workers every second."""
CHECKS = {
    "unchecked": (),
    "checked": (
        *("--check", "ping", "--check", "http /?id=check"),
        *("--check-interval", "500ms", "--check-fast-interval", "200ms"),
        *("--check-down-interval", "200ms", "--check-timeout", "1500ms"),
    ),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_a_frozen_backend_is_taken_out_and_comes_back(scene: Scene, kind: str) -> None:
    good, bad = (scene.instance(name, processes=WORKERS) for name in ("good", "bad"))
    limits = f"max_conns={WORKERS} max_fails=1 fail_timeout={FAIL_TIMEOUT_S:g}s"
    options = ("--backend-read-timeout", f"{READ_TIMEOUT_S:g}s", *CHECKS[kind])
    proxy = scene.proxy(f"{good.address} {limits}", f"{bad.address} {limits}", options=options)
    load = scene.load(proxy, clients=16)
    load.wait_good(1, lambda one: one.instance == "bad")
    frozen = time.monotonic()
    bad.signal_all(signal.SIGSTOP)
    load.go_on(FROZEN_S)
    thawed = time.monotonic()
    bad.signal_all(signal.SIGCONT)
    load.wait_good(load.clients, lambda one: one.instance == "bad")
    account = scene.account(load, proxy)
    account.check_failed(["read_timeout"], most=MOST_TOUCHED)
    touched = [one for one in account.outcomes if one.seconds >= READ_TIMEOUT_S]
    assert touched
    assert len(touched) <= MOST_TOUCHED, account.stories(touched)
    served = [one for one in account.outcomes if frozen < one.began and one.ended < thawed]
    assert len(served) > 10 * len(touched)
