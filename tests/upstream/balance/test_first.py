"""First available."""

from proxy.upstream.balance.first import First
from tests.upstream.balance.members import picks, weighted


def test_the_first_usable_one_gets_all() -> None:
    members = weighted(1, 9, 9)
    assert picks(First(), members, 3) == "AAA"
    assert picks(First(), members, 3, usable=members[1:]) == "BBB"
