"""One nginx, and one proxy for each setting, for all tests of this directory."""

from collections.abc import Iterator

import pytest

from tests.differential.corpus_replies import play
from tests.differential.fleet import Fleet


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Both front ends under every setting."""
    with Fleet(tmp_path_factory.mktemp("d"), play) as running:
        yield running
