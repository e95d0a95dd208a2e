"""Which backend is next: all in turn, except those that are excluded."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import Address
from proxy.upstream.backend import Backend
from proxy.upstream.pool import Pool


def make(count: int) -> Pool:
    return Pool("p", [Backend(Address(path=f"/{n}"), f"b{n}") for n in range(count)])


def names(pool: Pool, picks: int, excluded: tuple[str, ...] = ()) -> str:
    """Return the numbers of the backends that are picked."""
    out = []
    for _ in range(picks):
        lease = pool.pick({b for b in pool.backends if b.name in excluded} or ())
        out.append(lease.backend.name[1:] if lease else "-")
    return "".join(out)


def test_all_in_turn() -> None:
    assert names(make(3), 7) == "0120120"
    assert names(make(1), 3) == "000"
    assert names(make(0), 2) == "--"


def test_those_that_are_excluded_are_passed_over() -> None:
    pool = make(3)
    assert names(pool, 4, ("b1",)) == "0202"
    assert names(pool, 2, ("b0", "b1", "b2")) == "--"
    assert names(pool, 3) == "012"


def test_a_pick_is_a_lease() -> None:
    pool = make(2)
    lease = pool.pick()
    assert lease is not None
    assert [backend.in_flight for backend in pool.backends] == [1, 0]
    lease.release()
    assert [backend.in_flight for backend in pool.backends] == [0, 0]


def test_it_can_be_read() -> None:
    pool = make(2)
    pool.pick()
    assert repr(pool) == "<Pool p: b0 1 in flight, b1 0 in flight>"


@given(count=st.integers(1, 6), rounds=st.integers(1, 5), data=st.data())
def test_it_is_fair_among_those_that_may_be_picked(
    count: int, rounds: int, data: st.DataObject
) -> None:
    pool = make(count)
    out = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    excluded = tuple(f"b{n}" for n in out)
    names(pool, data.draw(st.integers(0, 7)))
    counts = Counter(names(pool, rounds * (count - len(out)), excluded))
    assert set(counts.values()) == {rounds}
    assert not set(counts) & {str(n) for n in out}
