"""In which order those that are compared are measured. Pure."""

from collections.abc import Sequence


def turn(names: Sequence[str], at: int) -> list[str]:
    """Return the order of round `at`, from 0: A B C, C B A, B C A, A C B, C A B, B A C, A B C, ...

    What one leaves behind (a warm cache, a busy disk) is felt by whoever comes next. So nobody may
    always come behind the same one: these are the rows of Williams' design, in which each comes
    behind each other equally often. They are dealt in pairs of a row and its mirror image, so that
    a machine that becomes slower from measurement to measurement has no part in two rounds' mean.
    """
    count, shift = len(names), at // 2
    steps = [(step + 1) // 2 if step % 2 else -(step // 2) for step in range(count)]  # 0 1 -1 2 -2
    order = [names[(step + shift) % count] for step in steps]
    return order[::-1] if at % 2 else order
