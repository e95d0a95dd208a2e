"""Sections 1, 2 and 4 by dice."""

import pytest

from tests.differential import corpus_random
from tests.differential.compare import Case, compare
from tests.differential.corpus_replies import SCRIPTS
from tests.differential.fleet import Fleet

pytestmark = pytest.mark.nginx

REPLIES = tuple(corpus_random.replies())
SCRIPTS.update({reply.path: reply.script for reply in REPLIES})
CASES = (
    *corpus_random.target_cases(),
    *corpus_random.head_cases(),
    *corpus_random.line_cases(),
    *(reply.case for reply in REPLIES),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_random(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)
