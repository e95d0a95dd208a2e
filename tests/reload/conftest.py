"""What these tests share: a stage with instances of uWSGI, a proxy and a load."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.reload.journal import Journal
from tests.reload.scene import Scene


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """What the application executes is written here."""
    return Journal(tmp_path)


@pytest.fixture
def scene(journal: Journal) -> Iterator[Scene]:
    """Everything that runs in a test, and ends with it."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="uf-") as directory:
        yield Scene(journal, Path(directory), stack)
        stack.close()
