"""Generators are processes that end, whatever happens."""

import os
import signal
import socket
import threading

import pytest

from proxy.lab import measure
from proxy.lab.load import generator
from proxy.lab.load.generator import Generator, run_load, slow_clients
from proxy.lab.load.plan import Plan
from proxy.lab.load.slow import SlowPlan
from proxy.lab.processes import BenchError
from tests.lab.fake import OK, answering


def test_a_load() -> None:
    with answering(lambda head: OK) as port:
        found = run_load(Plan(port, clients=1, seconds=0.2))
    assert found.good == found.sent > 0


def test_leaving_early_ends_it() -> None:
    with answering(lambda head: OK) as port:
        with Generator() as generator:
            generator.begin(Plan(port, clients=1, seconds=600.0))
            pid = generator.pid
            assert measure.start_time(pid) is not None
        assert measure.start_time(pid) is None
        assert generator.pid == 0


def test_one_process_runs_many_loads() -> None:
    with answering(lambda head: OK) as port, Generator() as generator:
        plan = Plan(port, clients=1, seconds=0.1)
        assert generator.run(plan).good > 0
        pid = generator.pid
        assert generator.run(plan).good > 0
        assert generator.pid == pid


def test_one_that_is_ready_begins_at_once() -> None:
    """What happens a third into a load must not happen before it."""
    asked = threading.Event()

    def answer(head: bytes) -> bytes:
        asked.set()
        return OK

    with answering(answer) as port, Generator() as running:
        running.get_ready()
        pid = running.pid
        assert not asked.is_set()
        running.get_ready()
        running.begin(Plan(port, clients=1, seconds=0.1))
        assert running.result().good > 0
        assert asked.is_set()
        assert running.pid == pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BenchError, match="died"):
            running.get_ready()
        running.get_ready()  # by another process


def test_its_complaint_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = int(listener.getsockname()[1])
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        run_load(Plan(gone))
    with pytest.raises(BenchError, match="ConnectionRefusedError"), slow_clients(SlowPlan(gone)):
        pass


def test_it_must_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "_GRACE_S", -49.9)  # leaves a tenth of a second
    with answering(lambda head: OK) as port, Generator() as running:
        with pytest.raises(BenchError, match="no end"):
            running.run(Plan(port, seconds=30.0))
        assert running.pid == 0
        monkeypatch.setattr(generator, "_GRACE_S", 30.0)
        assert running.run(Plan(port, seconds=0.1)).good > 0  # by another process


def test_one_that_died_is_noticed() -> None:
    with answering(lambda head: OK) as port, Generator() as running:
        running.begin(Plan(port, seconds=30.0))
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(BenchError, match="died"):
            running.result()


def test_slow_clients_stay_for_the_block() -> None:
    with answering(lambda head: OK) as port:
        with slow_clients(SlowPlan(port, clients=3)) as found:
            assert found == {"connected": 3}
        assert {"connected", "moved", "ended"} == set(found)
