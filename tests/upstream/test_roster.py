"""Who belongs to a pool: backends come, change and go without a dropped request."""

from collections import Counter
from random import Random

import pytest

from proxy.settings import BackendSettings
from proxy.share import Share
from proxy.upstream.health import Outcome
from proxy.upstream.pool import Pool
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import Wanted
from tests.upstream.test_pool import World, address


def test_who_is_removed_ends_its_requests_first() -> None:
    world = World({}, {})
    lease = world.take()
    gone = lease.backend
    world.pool.remove(gone)
    assert gone in world.pool.backends
    assert world.names(2) == "11"
    lease.release(Outcome.GOOD)
    assert gone not in world.pool.backends
    world.pool.remove(world[0])
    assert world.pool.backends == ()


def test_drain_and_enable() -> None:
    world = World({"down": True}, {})
    world.pool.drain(world[1])
    world.pool.enable(world[0])
    assert world.names(2) == "00"
    world.pool.enable(world[1])
    assert Counter(world.names(4)) == {"0": 2, "1": 2}


def test_a_new_weight_is_in_force_at_once() -> None:
    world = World({}, {})
    world.pool.set_weight(world[0], 3)
    assert Counter(world.names(8)) == {"0": 6, "1": 2}
    with pytest.raises(ValueError, match="1 or more"):
        world.pool.set_weight(world[0], 0)
    with pytest.raises(ValueError, match="0 or more"):
        world.pool.set_max_conns(world[0], -1)


@pytest.mark.parametrize("by", ["operator", "file"])
def test_turns_begin_anew_with_a_new_weight(by: str) -> None:
    """What was owed by the old weights kept a backend without requests for hundreds of turns."""
    world = World()
    one, two = address(0), address(1)
    both = {one: BackendSettings(one, weight=1000), two: BackendSettings(two)}
    world.pool.sync("file", both)
    world.names(500)
    if by == "operator":
        world.pool.set_weight(world[0], 1)
    else:
        world.pool.sync("file", {**both, one: BackendSettings(one)})
    assert world.names(4) == "0101"


def test_a_source_has_the_backends_that_it_names() -> None:
    world = World({})
    one, two, three = address(1), address(2), address(3)
    world.pool.sync("file", {one: BackendSettings(one), two: BackendSettings(two)})
    assert [backend.name[-1] for backend in world.pool.backends] == ["0", "1", "2"]
    kept, running = world[2], world.take(Wanted(tried={world[0]: 0, world[2]: 0}))
    world.pool.sync("file", {two: BackendSettings(two, weight=4), three: BackendSettings(three)})
    assert world[1].leaving
    running.release(Outcome.GOOD)
    assert [backend.name[-1] for backend in world.pool.backends] == ["0", "2", "3"]
    assert world[1] is kept
    assert kept.weight == 4


def test_who_waits_is_not_told_of_a_moment_without_backends() -> None:
    world = World()
    one, two = address(1), address(2)
    world.pool.sync("file", {one: BackendSettings(one, max_conns=1)})
    world.take()
    waiter = world.wait()
    world.pool.sync("file", {two: BackendSettings(two)})
    assert not waiter.hopeless
    assert waiter.lease is not None
    assert waiter.lease.backend.address is two


def test_who_comes_back_while_leaving_stays() -> None:
    world = World()
    one = address(1)
    world.pool.sync("file", {one: BackendSettings(one)})
    lease = world.take()
    world.pool.sync("file", {})
    assert world.pick() is None
    world.pool.sync("file", {one: BackendSettings(one)})
    assert world.take().backend is lease.backend


def test_the_log_tells_how_long_a_backend_was_well(caplog: pytest.LogCaptureFixture) -> None:
    """Also before its first trouble, which is when somebody wants to know."""
    world = World({}, {})
    world.clock.advance(812.4)
    world.take().release(Outcome.BAD)
    assert caplog.messages == ["backend unix:/0 is paused, after 812.4 s up"]


def test_who_is_added_again_while_leaving_stays() -> None:
    """Two of the same name would be two series of the same name, and twice the limit."""
    world = World({"max_conns": 1})
    first, running = world[0], world.take()
    world.pool.drain(first)
    world.pool.remove(first)
    again = world.pool.add(BackendSettings(address(0), max_conns=2), address(0), "api")
    assert world.pool.backends == (again,) == (first,)
    assert (first.source, first.serves) == ("api", True)
    world.take()
    assert world.pick() is None
    running.release(Outcome.GOOD)
    assert world.pool.backends == (first,)


def test_a_runtime_change_outlives_a_sync_that_changes_nothing() -> None:
    world = World()
    one = address(1)
    world.pool.sync("file", {one: BackendSettings(one)})
    world.pool.set_weight(world[0], 9)
    world.pool.sync("file", {one: BackendSettings(one)})
    assert world[0].weight == 9


def test_new_settings_are_for_health_as_well() -> None:
    world = World()
    places = (address(1), address(2))
    world.pool.sync("file", {place: BackendSettings(place) for place in places})
    world.pool.sync("file", {place: BackendSettings(place, max_fails=0) for place in places})
    assert world.names(4, Outcome.BAD) == "1212"


def test_an_address_of_two_sources_is_one_backend() -> None:
    world = World()
    one = address(1)
    world.pool.sync("a", {one: BackendSettings(one, max_conns=1)})
    world.pool.sync("b", {one: BackendSettings(one, max_conns=1)})
    world.take()
    assert world.pick() is None
    assert len(world.pool.backends) == 1


def test_a_limit_for_several_workers_has_room_for_each() -> None:
    """`max_conns` stays what was asked for; it is the cap that is a part of it."""
    world = World()
    clock = world.clock
    timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
    pool = Pool(world.pool.settings, timing, Share(0, 2))
    backend = pool.add(BackendSettings(address(0), max_conns=8), address(0))
    assert (backend.max_conns, backend.cap) == (8, 4)
    pool.set_max_conns(backend, 2)
    assert (backend.max_conns, backend.cap) == (2, 1)
    with pytest.raises(ValueError, match="one for each of 2 workers"):
        pool.set_max_conns(backend, 1)
    pool.set_max_conns(backend, 0)
    assert backend.cap == 0
