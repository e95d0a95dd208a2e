"""Fixtures for every test that has a front end in its own process."""

import itertools
import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from proxy.testing import FakeBackend, Script
from proxy.testing.faults import Family
from proxy.upstream import diagnosis
from tests.integration.frontend import TWO_ENGINES, Engine, Frontend, Target


class StartFrontend(Protocol):
    """Starts a front end that ends with the test."""

    def __call__(self, *upstreams: Target, options: str = "", tls: bool = False) -> Frontend: ...


class StartBackend(Protocol):
    """Starts a fake backend that ends with the test."""

    def __call__(self, script: Script | None = None, family: Family = "unix") -> FakeBackend: ...


@pytest.fixture(autouse=True)
def no_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine stands still for a moment, ask no fake backend whether it speaks HTTP.

    That is a connection more, for those who count them. Who tests the question overrides this.
    """
    monkeypatch.setattr(diagnosis, "MIN_SILENCE_S", math.inf)


@pytest.fixture(params=TWO_ENGINES, ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    """What front ends run on. Parametrise it with `ALL_ENGINES` for all four combinations."""
    chosen: Engine = request.param
    return chosen


@pytest.fixture(params=["unix", "tcp"])
def family(request: pytest.FixtureRequest) -> Family:
    """How front end and backend are connected."""
    chosen: Family = request.param
    return chosen


@pytest.fixture
def backend() -> Iterator[StartBackend]:
    """Start fake backends."""
    with ExitStack() as stack:

        def start(script: Script | None = None, family: Family = "unix") -> FakeBackend:
            return stack.enter_context(FakeBackend(script, family))

        yield start


@pytest.fixture
def frontend(engine: Engine, tmp_path: Path) -> Iterator[StartFrontend]:
    """Start front ends."""
    with ExitStack() as stack:
        number = itertools.count()

        def start(*upstreams: Target, options: str = "", tls: bool = False) -> Frontend:
            log = tmp_path / f"access-{next(number)}.log"
            return stack.enter_context(Frontend(upstreams, options, engine, log, tls))

        yield start
