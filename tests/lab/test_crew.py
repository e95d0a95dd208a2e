"""Variants run while they are wanted, and what does not start is a name with its reason."""

from dataclasses import replace
from pathlib import Path

from proxy.lab import effort
from proxy.lab.crew import Crew
from proxy.lab.processes import BenchError
from proxy.lab.scenarios import Scenario
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology, select
from tests.lab.made import report

ALL = select(["uwsgi-direct", "gunicorn-direct", "nginx-uwsgi"])


class Started:
    """Starts nothing, and remembers what it was told."""

    def __init__(self, *broken: str) -> None:
        self.told: dict[str, int] = {}
        self.broken = broken

    def __call__(self, topology: Topology, setup: Setup) -> Stand:
        self.told[topology.name] = setup.socket_bytes
        if topology.name in self.broken:
            raise BenchError("not today")
        return Stand(topology, setup, 1, [], [], [f"run {topology.name}"])


def wish(name: str) -> Scenario:
    return effort.scenarios([name], False)[0]


def test_variants_take_part_beside_what_they_vary(tmp_path: Path) -> None:
    started = Started()
    crew = Crew(Setup(tmp_path), report(), started)
    crew.start(ALL)
    names = ["uwsgi-direct", "uwsgi-direct+16k", "uwsgi-direct+1m"]
    names += ["nginx-uwsgi", "nginx-uwsgi+16k", "nginx-uwsgi+1m"]
    assert crew.called_up(wish("buffers-1m")) == names
    assert wish("buffers-1m").size(crew.stands) == len(names)
    assert started.told["nginx-uwsgi+16k"] == 16384
    assert started.told["nginx-uwsgi"] == 0
    assert crew.stand("nginx-uwsgi+1m").facts["socket buffers"] == "1024 KB"
    assert crew.stand("nginx-uwsgi").facts["socket buffers"] == "the kernel's"
    started.told.clear()
    crew.called_up(wish("buffers-held"))
    assert not started.told  # they are up already
    assert crew.called_up(wish("hop")) == [each.name for each in ALL]
    crew.called_up(wish("buffers-held"))
    assert len(started.told) == 4  # they had been stopped
    varied = replace(wish("buffers-1m"), as_it_is=False)
    assert crew.called_up(varied) == [name for name in names if "+" in name]
    assert varied.size(crew.stands) == 4
    assert wish("hop").size(crew.stands) == 4  # the first one twice
    crew.stop()


def test_what_does_not_start_has_a_reason(tmp_path: Path) -> None:
    made = report()
    crew = Crew(Setup(tmp_path), made, Started("nginx-uwsgi", "uwsgi-direct+1m"))
    crew.start(ALL)
    names = crew.called_up(wish("buffers-1m"))
    assert names == ["uwsgi-direct", "uwsgi-direct+16k", "uwsgi-direct+1m"]
    assert crew.absent == {"nginx-uwsgi": "not today", "uwsgi-direct+1m": "not today"}
    assert [each.name for each in made.topologies if each.reason] == list(crew.absent)
    assert made.topologies[0].config == ["run uwsgi-direct"]
