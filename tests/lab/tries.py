"""What rests on measured times is tried a few times, since a machine may stand still meanwhile.

One try of TRIES is enough: what is wrong with the lab is wrong in all of them.
"""

from collections.abc import Callable

TRIES = 6


def try_often(test: Callable[[], None]) -> None:
    """Run it until it passes; the last failure is that of the test."""
    for left in reversed(range(TRIES)):
        try:
            return test()
        except AssertionError:
            if not left:
                raise
