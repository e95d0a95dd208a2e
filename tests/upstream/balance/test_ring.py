"""Consistent hash: nginx's placements, and how few of them move."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import Address, BackendSettings
from proxy.upstream.backend import Backend
from proxy.upstream.balance import Query
from proxy.upstream.balance.ring import POINTS, ConsistentHash, make_ring
from tests.upstream.balance.members import choose, member, picks, unhurried, weighted
from tests.upstream.balance.nginx_group import Group, Rotation, Server
from tests.upstream.balance.test_hashes import GROUPS, KEYS, compare

MANY = [b"/%d" % n for n in range(1000)]


def key(text: bytes) -> Query:
    return Query(0.0, key=text)


def owners(balance: ConsistentHash, members: tuple[Backend, ...]) -> list[Backend]:
    return [choose(balance, members, key(text)) for text in MANY]


def test_an_empty_key_takes_turns() -> None:
    assert picks(ConsistentHash(), weighted(5, 1, 1), 7) == "AABACAA"


def test_points_are_made_of_the_configured_text() -> None:
    """crc32 by hand: of host, NUL, port and the checksum before."""
    tcp = member("t", BackendSettings(Address(host="127.0.0.1", port=3031)))
    ipv6 = member("6", BackendSettings(Address(host="::1", port=3031)))
    unix = member("u", BackendSettings(Address(path="/run/a.sock")))
    abstract = member("@", BackendSettings(Address(path="\0app")))
    for backend, text in (
        (abstract, b"@app\0"),
        (tcp, b"127.0.0.1\x003031"),
        (ipv6, b"[::1]\x003031"),
        (unix, b"/run/a.sock\0"),
    ):
        points = make_ring((backend,), (1,)).points
        assert len(points) == POINTS
        first = slow_crc32(text + bytes(4))
        assert first in points
        assert slow_crc32(text + first.to_bytes(4, "little")) in points


def slow_crc32(data: bytes) -> int:
    """CRC-32 bit by bit (polynomial 0xEDB88320)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_addresses_of_one_name_share_its_points_and_take_turns() -> None:
    settings = BackendSettings(Address(host="app", port=3031))
    shared = [member(name, settings) for name in "AB"]
    alone = member("C", BackendSettings(Address(host="other", port=3031)))
    members = (*shared, alone)
    ring = make_ring(members, (1, 1, 1))
    assert Counter(len(group) for group in ring.owners) == {2: POINTS, 1: POINTS}
    balance = ConsistentHash()
    found = [choose(balance, members, key(text)).name for text in MANY]
    assert Counter(found)["A"] == pytest.approx(Counter(found)["B"], abs=1)
    for text, name in zip(MANY, found, strict=True):
        other = choose(balance, members, key(text), (shared[1], alone)).name
        assert other == ("C" if name == "C" else "B")


def test_a_point_that_two_claim_is_the_first_one_s() -> None:
    point = 1679863801  # of these two paths; found by trying
    settings = [BackendSettings(Address(path=path)) for path in ("/run/221", "/run/230")]
    one, other = (member(it.address.path, it) for it in settings)
    for members in ((one, other), (other, one)):
        ring = make_ring(members, (1, 1))
        assert len(ring.points) == 2 * POINTS - 1
        assert ring.owners[ring.points.index(point)] == members[:1]


def test_shares_are_by_weight() -> None:
    counts = Counter(one.name for one in owners(ConsistentHash(), weighted(4, 1, 3)))
    assert counts["A"] == pytest.approx(500, abs=100)
    assert counts["B"] == pytest.approx(125, abs=60)


def test_a_newcomer_takes_its_share_and_moves_nothing_else() -> None:
    balance = ConsistentHash()
    members = weighted(*[1] * 10)
    before = owners(balance, members[:9])
    after = owners(balance, members)
    moved = [new for old, new in zip(before, after, strict=True) if old is not new]
    assert set(moved) == {members[9]}
    assert len(moved) == pytest.approx(100, abs=50)


def test_a_new_weight_makes_a_new_ring() -> None:
    balance = ConsistentHash()
    members = weighted(1, 1)
    before = owners(balance, members)
    members[1].weight = 9
    after = owners(balance, members)
    assert Counter(one.name for one in after)["B"] == pytest.approx(900, abs=60)
    members[1].weight = 1
    assert owners(balance, members) == before


def test_rings_are_kept_while_nothing_changes() -> None:
    """Primaries and backups may take turns without either being made anew."""
    balance = ConsistentHash()
    members = weighted(1, 1, 1, 1)
    for _ in range(3):
        choose(balance, members[:2], key(b"k"))
        choose(balance, list(members[2:]), key(b"k"))
    assert balance._ring.cache_info().misses == 2


def test_weights_of_nothing_take_turns() -> None:
    members = weighted(1, 1)
    for one in members:
        one.weight = one.effective_weight = 0
    assert choose(ConsistentHash(), members, key(b"k")) in members


@unhurried
@given(st.integers(2, 12), st.binary(min_size=1, max_size=20), st.data())
def test_it_depends_on_nobody_who_is_unrelated(
    count: int, text: bytes, data: st.DataObject
) -> None:
    """Order and number of the others do not matter, as long as none of them takes the key."""
    members = weighted(*[1] * count)
    chosen = choose(ConsistentHash(), members, key(text))
    some = [one for one in members if one is chosen or data.draw(st.booleans())]
    shuffled = data.draw(st.permutations(some))
    assert choose(ConsistentHash(), shuffled, key(text)) is chosen


@unhurried
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.binary(max_size=20),
    st.data(),
)
def test_the_choice_is_usable(given_weights: list[int], text: bytes, data: st.DataObject) -> None:
    members = weighted(*given_weights)
    usable = [one for one in members if data.draw(st.booleans())] or list(members)
    assert choose(ConsistentHash(), members, key(text), usable) in usable


@pytest.mark.nginx
@pytest.mark.parametrize("servers", GROUPS.values(), ids=GROUPS.keys())
def test_it_places_as_nginx_does(tmp_path: Path, servers: list[Server]) -> None:
    with Group(tmp_path, "hash $http_x_key consistent;", servers) as group:
        rotation = Rotation("consistent-hash", group, random.Random(1))
        cases = [(b"X-Key: " + text, key(text)) for text in (*KEYS, b"", b"")]
        answered = compare(group, rotation, cases)
        assert len(set(answered)) == sum(one.is_alive and not one.down for one in servers)


def test_a_backend_keeps_its_points_when_its_address_changes() -> None:
    """What counts is the configured text, not what it was resolved to."""
    settings = BackendSettings(Address(host="app", port=3031))
    one = member("A", settings)
    other = member("A", settings)
    other.address = replace(settings.address, host="192.0.2.7")
    assert make_ring((one,), (1,)).points == make_ring((other,), (1,)).points
