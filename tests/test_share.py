"""Parts of a whole: they add up, whatever the numbers."""

import pytest

from proxy.share import Share


def parts(whole: int, of: int, name: str = "") -> list[int]:
    return [Share(number, of).part(whole, name) for number in range(of)]


@pytest.mark.parametrize("of", [1, 2, 3, 8])
@pytest.mark.parametrize("name", ["", "unix:/run/a.sock", "10.0.0.7:3031"])
def test_the_parts_are_the_whole_and_differ_by_one_at_most(of: int, name: str) -> None:
    for whole in range(of, 50):
        found = parts(whole, of, name)
        assert sum(found) == whole
        assert max(found) - min(found) <= 1


def test_no_limit_stays_no_limit() -> None:
    assert parts(0, 3) == [0, 0, 0]


def test_nobody_is_left_with_nothing() -> None:
    """The only case in which the sum is larger: `proxy.config` refuses it where it is asked."""
    assert parts(1, 3) == [1, 1, 1]


def test_the_remainder_goes_to_different_workers() -> None:
    names = [f"unix:/run/{number}.sock" for number in range(40)]
    extra = [parts(3, 2, name).index(2) for name in names]
    assert 0 < sum(extra) < len(names)
