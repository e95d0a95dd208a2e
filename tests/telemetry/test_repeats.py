"""What repeats is said a few times, then counted, in bounded memory."""

import pytest

from proxy.telemetry import repeats
from proxy.telemetry.repeats import WINDOW_S, Repeats


def test_the_first_ones_pass_and_the_others_are_counted() -> None:
    some: Repeats[str] = Repeats(2)
    assert [some.admit("a", 100.0) for _ in range(5)] == [True, True, False, False, False]
    assert some.admit("b", 101.0)
    assert some.due(100.0 + WINDOW_S - 0.1) == []
    assert some.due(100.0 + WINDOW_S) == [("a", 3)]
    assert some.due(200.0) == []  # nothing of b was held back
    assert some.admit("a", 200.0)


def test_a_window_lasts_until_somebody_asks() -> None:
    some: Repeats[str] = Repeats(1)
    assert some.admit("a", 0.0)
    assert not some.admit("a", 100.0)
    assert some.due(100.0) == [("a", 1)]


def test_no_limit() -> None:
    some: Repeats[str] = Repeats(0)
    assert all(some.admit("a", 0.0) for _ in range(1000))
    assert some.due(1e9) == []


def test_kinds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_KINDS", 3)
    some: Repeats[str] = Repeats(1)
    assert [some.admit(kind, 0.0) for kind in "abcdefg"] == [True] * 4 + [False] * 3
    assert not some.admit("a", 0.0)
    assert some.due(WINDOW_S) == [("a", 1), (None, 3)]
