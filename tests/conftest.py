"""What all tests share."""

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.afterwards import logs_of

# Names that do not exist are asked for: where no name server answers, that is to be over soon.
os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")

# How long an example takes is a matter of the machine and of who else is on it.
settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the logs of servers beside a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        report.sections += logs_of(item.funcargs.values())
    return report


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose name leaves room for a unix socket; tmp_path may be too long."""
    with tempfile.TemporaryDirectory(prefix="uf-") as directory:
        yield Path(directory)
