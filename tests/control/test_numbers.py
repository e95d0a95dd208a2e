"""Numbers out of metric families, and what is made of them."""

import pytest

from proxy import errors
from proxy.control.numbers import add_up, empty, grown, percentile
from tests.control.scene import Scene, a


def test_everything_is_counted_once() -> None:
    scene = Scene()
    for _ in range(3):
        scene.happen(seconds=0.02)
    scene.happen(502, errors.EOF_BEFORE_HEADERS, at=1, seconds=0.3)
    scene.happen(499, errors.CLIENT_GONE, at=1)
    numbers = scene.numbers
    assert numbers["requests"] == 5
    assert numbers["codes"] == {"200": 3, "502": 1, "499": 1}
    assert numbers["errors"] == {"eof_before_headers": 1, "client_gone": 1}
    assert numbers["duration"]["+Inf"] == 5
    backends = numbers["backends"]
    assert (backends[a(0)]["attempts"], backends[a(0)]["failures"]) == (3, 0)
    assert (backends[a(1)]["attempts"], backends[a(1)]["failures"]) == (2, 2)
    assert backends[a(0)]["first_byte"]["+Inf"] == 3


def test_nothing_has_happened() -> None:
    numbers = Scene().numbers
    assert (numbers["requests"], numbers["codes"], numbers["errors"]) == (0, {}, {})
    assert numbers["backends"][a(1)]["attempts"] == numbers["duration"]["+Inf"] == 0


def test_several_processes_add_up() -> None:
    scene = Scene()
    scene.happen()
    one = scene.numbers
    both = add_up([one, one])
    assert (both["requests"], both["codes"]) == (2, {"200": 2})
    assert both["backends"][a(0)]["attempts"] == 2
    assert one["requests"] == 1
    assert add_up([]) == empty()


def test_growth_is_never_negative() -> None:
    assert grown({"a": 5, "b": 1, "c": 2}, {"a": 3, "b": 9}) == {"a": 2, "b": 0, "c": 2}


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({"0.1": 0, "+Inf": 0}, 0.5, None),
        ({"0.1": 10, "+Inf": 10}, 0.5, 0.05),
        ({"0.1": 5, "0.2": 10, "+Inf": 10}, 0.75, 0.15),
        ({"0.1": 5, "0.2": 5, "0.4": 10, "+Inf": 10}, 0.75, 0.3),
        ({"0.1": 0, "0.2": 0, "+Inf": 10}, 0.5, 0.2),
        ({"+Inf": 3}, 0.5, 0.0),
    ],
)
def test_percentiles(buckets: dict[str, float], share: float, expected: float | None) -> None:
    found = percentile(buckets, share)
    assert found == (None if expected is None else pytest.approx(expected))
