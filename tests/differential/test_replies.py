"""Section 4: replies."""

import pytest

from tests.differential.compare import Case, compare
from tests.differential.corpus_replies import CASES
from tests.differential.fleet import Fleet

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reply(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)
