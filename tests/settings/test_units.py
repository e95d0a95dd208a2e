"""Sizes in bytes."""

from proxy.settings import GIB, KIB, MIB


def test_sizes_count_by_1024() -> None:
    assert (KIB, MIB, GIB) == (1 << 10, 1 << 20, 1 << 30)
