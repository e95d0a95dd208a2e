"""What all tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is a matter of the machine and of who else is on it.
settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose name leaves room for a unix socket; tmp_path may be too long."""
    with tempfile.TemporaryDirectory(prefix="uf-") as directory:
        yield Path(directory)
