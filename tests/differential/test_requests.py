"""Sections 0 to 2: request lines, targets, hosts and header lines."""

import pytest

from tests.differential import corpus, corpus_headers
from tests.differential.compare import Case, compare
from tests.differential.fleet import Fleet

CASES = (*corpus.CASES, *corpus_headers.CASES)

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_request(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)
