"""What all tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose name leaves room for a unix socket; tmp_path may be too long."""
    with tempfile.TemporaryDirectory(prefix="uf-") as directory:
        yield Path(directory)
