"""Stands without programs: a function answers, everything around it is real."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.lab import runner
from proxy.lab.processes import BenchError
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology, select
from tests.lab.fake import OK, answering

Answer = Callable[[bytes], bytes]


def fine(head: bytes) -> bytes:
    """Answer everything with 200."""
    return OK


@contextmanager
def stand(place: Path, name: str = "proxy-uwsgi", answer: Answer = fine) -> Iterator[Stand]:
    """Serve by a function what looks like a topology."""
    with answering(answer) as port:
        yield Stand(select([name])[0], Setup(place), port, [], [], [f"run {name}"])


@contextmanager
def stands(monkeypatch: pytest.MonkeyPatch, place: Path, **answers: Answer) -> Iterator[None]:
    """Let the runner start such stands; `uwsgi_direct=` is the topology `uwsgi-direct`."""
    running: dict[str, Stand] = {}

    def start(topology: Topology, setup: Setup) -> Stand:
        if topology.name not in running:
            raise BenchError(f"{topology.name} is not installed")
        return running[topology.name]

    def open_all(names: list[str]) -> Iterator[None]:
        if not names:
            yield
            return
        name = names[0].replace("_", "-")
        with stand(place, name, answers[names[0]]) as one:
            running[name] = one
            yield from open_all(names[1:])

    monkeypatch.setattr(runner, "start", start)
    yield from open_all(list(answers))
