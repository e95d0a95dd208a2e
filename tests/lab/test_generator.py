"""Generators are processes that end, whatever happens."""

import socket

import pytest

from proxy.lab import generator, measure
from proxy.lab.generator import Running, run_load, slow_clients
from proxy.lab.plan import Plan
from proxy.lab.processes import BenchError
from proxy.lab.slow import SlowPlan
from tests.lab.fake import OK, answering


def test_a_load() -> None:
    with answering(lambda head: OK) as port:
        found = run_load(Plan(port, clients=1, seconds=0.2))
    assert found.good == found.sent > 0


def test_leaving_early_ends_it() -> None:
    with answering(lambda head: OK) as port:
        with Running(Plan(port, clients=1, seconds=600.0)) as running:
            pid = running.pid
            assert measure.start_time(pid) is not None
        assert measure.start_time(pid) is None


def test_its_complaint_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = int(listener.getsockname()[1])
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        run_load(Plan(gone))
    with pytest.raises(BenchError, match="ConnectionRefusedError"), slow_clients(SlowPlan(gone)):
        pass


def test_it_must_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "_GRACE_S", -49.9)  # leaves a tenth of a second
    with (
        answering(lambda head: OK) as port,
        Running(Plan(port, seconds=30.0)) as running,
        pytest.raises(BenchError, match="no end"),
    ):
        running.result()


def test_slow_clients_stay_for_the_block() -> None:
    with answering(lambda head: OK) as port:
        with slow_clients(SlowPlan(port, clients=3)) as found:
            assert found == {"connected": 3}
        assert {"connected", "moved", "ended"} == set(found)
