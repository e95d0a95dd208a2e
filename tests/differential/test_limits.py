"""Section 2C: how long lines may be, how much a head may hold, how large a packet may get."""

import random

import pytest

from tests.differential.client import talk
from tests.differential.compare import Case, compare
from tests.differential.corpus import request
from tests.differential.fleet import Fleet, Front

pytestmark = pytest.mark.nginx

LINE = 8192
"""Bytes that a request line or a header line may have, its end included."""


def line_of(size: int, name: bytes = b"X") -> bytes:
    """Return a header line that has `size` bytes with its end."""
    return name + b": " + b"v" * (size - len(name) - 4)


def target_of(size: int, query: bool = False) -> bytes:
    """Return a target that makes a request line of `size` bytes with its end."""
    room = size - len(b"GET  HTTP/1.1\r\n")
    return b"/" + b"?" * query + b"a" * (room - 1 - query)


CASES = (
    Case("line-at", request(target_of(LINE)), "2.22"),
    Case("line-over", request(target_of(LINE + 1)), "2.22 2.32", (414,)),
    Case("line-far-over", request(target_of(60_000)), "2.22", (414,)),
    Case("line-query-at", request(target_of(LINE, query=True)), "2.22"),
    Case("line-query-over", request(target_of(LINE + 1, query=True)), "2.22", (414,)),
    Case("line-without-end", b"GET /" + b"a" * 9000, "2.22", (414,)),
    Case(
        "line-over-second",
        request() + request(target_of(LINE + 1)),
        "2.22",
        (200, 414),
        heads=(False, False),
    ),
    Case("header-at", request(b"/", line_of(LINE)), "2.23"),
    Case("header-over", request(b"/", line_of(LINE + 1)), "2.23 2.29", (400,)),
    Case("header-over-name", request(b"/", b"N" * 9000 + b": v"), "2.23", (400,)),
    Case("header-over-cookie", request(b"/", line_of(9000, b"Cookie")), "2.23", (400,)),
    Case("header-over-dropped", request(b"/", line_of(9000, b"X_A")), "2.30", (400,)),
    Case("header-without-end", request()[:-2] + b"X: " + b"v" * 9000, "2.23", (400,)),
    Case(
        "header-over-second",
        request() + request(b"/", line_of(9000)),
        "2.23",
        (200, 400),
        heads=(False, False),
    ),
    Case("headers-3", request(b"/", *[line_of(7000)] * 3), "2.24"),
    Case("headers-4", request(b"/", *[line_of(7000)] * 4), "2.24"),
    Case("headers-5", request(b"/", *[line_of(7000)] * 5), "2.24", (400,)),
    Case("headers-4-full", request(b"/", *[line_of(LINE)] * 4), "2.24", (400,)),
    Case("headers-small", request(b"/", *[line_of(100)] * 300), "2.24"),
    Case("headers-small-too-many", request(b"/", *[line_of(100)] * 400), "2.24", (400,)),
    Case("headers-behind-long-line", request(target_of(LINE), *[line_of(7000)] * 3), "2.24"),
    Case(
        "headers-behind-long-line-over",
        request(target_of(LINE), *[line_of(7000)] * 4),
        "2.24",
        (400,),
    ),
    Case("count-at", request(b"/", *[b"a:b"] * 999), "2.25"),
    Case("count-over", request(b"/", *[b"a:b"] * 1000), "2.25", (400,)),
    Case("count-dropped", request(b"/", *[b"a_:b"] * 1100), "2.25"),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_limit(fleet: Fleet, case: Case) -> None:
    compare(fleet, case)


@pytest.mark.parametrize("seed", range(80))
def test_heads_of_any_shape_fit_or_not_alike(fleet: Fleet, seed: int) -> None:
    """Rule 2.24: a line never spans two buffers, so the order of the lines matters."""
    dice = random.Random(seed)
    sizes = [dice.choice((60, 300, 900, 1000, 2000, 4000, 8000, LINE)) for _ in range(8)]
    lines = [line_of(size - dice.randrange(40)) for size in sizes[: dice.randrange(3, 9)]]
    target = target_of(dice.choice((40, 800, 1024, 1025, 3000, LINE)))
    compare(
        fleet, Case("head", request(target, *lines), "2.24", (statuses_of(fleet, target, lines)))
    )


def statuses_of(fleet: Fleet, target: bytes, lines: list[bytes]) -> tuple[int, ...]:
    said = talk(fleet.front("nginx", "plain").address, (request(target, *lines),))
    return tuple(response.status for response in said.responses)


def block_bytes(front: Front, filler: int) -> int:
    """Send a request with a header of this size; return the size of the packet's variables."""
    talk(front.address, (request(b"/", line_of(filler), b"Connection: close"),))
    received = front.backend.requests[-1]
    return sum(4 + len(name) + len(value) for name, value in received.variables)


@pytest.mark.parametrize("which", ["nginx", "proxy"])
def test_a_packet_holds_65535_bytes(fleet: Fleet, which: str) -> None:
    """Rules 1.3, 2.26: one byte more is a 500, without a backend."""
    front = fleet.front(which, "heavy")
    fits = 100 + 65535 - block_bytes(front, 100)
    accepted = front.backend.accepted
    for size, status in ((fits, 200), (fits + 1, 500)):
        said = talk(front.address, (request(b"/", line_of(size), b"Connection: close"),))
        assert [response.status for response in said.responses] == [status]
    assert front.backend.accepted == accepted + 1
    assert block_bytes(front, fits) == 65535


def test_a_packet_that_is_too_large_ends_the_connection(fleet: Fleet) -> None:
    """Rule 2.32."""
    compare(fleet, Case("packet", request(b"/", line_of(8000)), "1.3", (500,), setting="heavy"))
