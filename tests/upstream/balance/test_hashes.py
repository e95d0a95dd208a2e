"""ip-hash and hash: nginx's placements, key by key."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.balance import Balance, Query
from proxy.upstream.balance.hashes import IpHash, KeyHash, pack_address
from tests.upstream.balance.members import NOW, choose, picks, unhurried, weighted
from tests.upstream.balance.nginx_group import Group, Rotation, Server

KEYS = [b"/item/%d?q=%d" % (n, n * n) for n in range(250)]


def client(address: str) -> Query:
    return Query(0.0, client=address)


def key(text: bytes) -> Query:
    return Query(0.0, key=text)


def test_ip_hash_looks_at_a_network() -> None:
    members = weighted(1, 1, 1, 1, 1)
    first = choose(IpHash(), members, client("192.0.2.1"))
    assert {choose(IpHash(), members, client(f"192.0.2.{n}")) for n in range(256)} == {first}
    near = {choose(IpHash(), members, client(f"192.0.{n}.1")).name for n in range(50)}
    assert near == set("ABCDE")


def test_ip_hash_looks_at_the_whole_of_an_ipv6_address() -> None:
    members = weighted(1, 1, 1, 1, 1)
    near = {choose(IpHash(), members, client(f"2001:db8::{n:x}")).name for n in range(50)}
    assert near == set("ABCDE")
    plain = choose(IpHash(), members, client("fe80::7"))
    assert choose(IpHash(), members, client("fe80::7%eth0")) is plain


@pytest.mark.parametrize("odd", ["unix:", "", "a\0b", "\udc80", "1.2.3", "a.example"])
def test_clients_without_an_address_are_one(odd: str) -> None:
    members = weighted(1, 1, 1, 1, 1)
    assert choose(IpHash(), members, client(odd)) is choose(IpHash(), members, client("0.0.0.9"))


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("192.0.2.1", b"\xc0\0\2\1"),
        ("::1", bytes(15) + b"\1"),
        ("::ffff:192.0.2.1", bytes(10) + b"\xff\xff\xc0\0\2\1"),
        ("fe80::1%eth0", b"\xfe\x80" + bytes(13) + b"\1"),
        ("unix:", b""),
        ("1.2.3", b""),
    ],
)
def test_addresses(text: str, packed: bytes) -> None:
    assert pack_address(text) == packed


def test_an_empty_key_takes_turns() -> None:
    assert picks(KeyHash(), weighted(5, 1, 1), 7) == "AABACAA"


def test_one_alone_takes_what_there_is() -> None:
    for balance in (IpHash(), KeyHash()):
        assert choose(balance, weighted(3), key(b"k")).name == "A"


def test_weights_of_nothing_take_turns() -> None:
    members = weighted(1, 1)
    for one in members:
        one.weight = one.effective_weight = 0
    assert choose(KeyHash(), members, key(b"k")) in members


@pytest.mark.parametrize("balance", [IpHash(), KeyHash()])
def test_only_those_move_whose_backend_is_gone(balance: Balance) -> None:
    members = weighted(2, 1, 1)
    queries = [Query(0.0, f"10.{n}.{n}.1", b"%d" % n) for n in range(200)]
    before = [choose(balance, members, query) for query in queries]
    assert Counter(one.name for one in before)["A"] == pytest.approx(100, abs=25)
    for query, one in zip(queries, before, strict=True):
        other = choose(balance, members, query, [m for m in members if m is not members[1]])
        assert other is one or one is members[1]


@unhurried
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.binary(max_size=20),
    st.one_of(st.ip_addresses(), st.just("unix:")),
    st.data(),
)
def test_the_choice_is_usable_and_stays_while_it_is(
    given_weights: list[int],
    text: bytes,
    address: IPv4Address | IPv6Address | str,
    data: st.DataObject,
) -> None:
    for balance in (IpHash(), KeyHash()):
        members = weighted(*given_weights)
        usable = [one for one in members if data.draw(st.booleans())] or list(members)
        query = Query(0.0, str(address), text)
        first = choose(balance, members, query, usable)
        assert first in usable
        if len(usable) > 1 and not any(one.current_weight for one in members):  # no turn taken
            fewer = [one for one in usable if one is first or data.draw(st.booleans())]
            assert choose(balance, members, query, fewer) is first


GROUPS = {
    "weights": [Server(1), Server(3), Server(2, "unix")],
    "one down": [Server(2), Server(3, down=True), Server(1), Server(4)],
    "dead ones": [Server(2, "refusing"), Server(3), Server(1, "missing"), Server(2)],
    "more misses than tries": [Server(1), Server(60, down=True), Server(1), Server(2)],
}


def compare(group: Group, rotation: Rotation, cases: Sequence[tuple[bytes, Query]]) -> list[int]:
    """Ask both the same and return who answered."""
    answered = []
    for header, query in cases:
        theirs = group.ask(b"/", header)
        assert rotation.ask(query) == theirs, header
        answered.append(theirs[-1])
    return answered


@pytest.mark.nginx
@pytest.mark.parametrize("servers", GROUPS.values(), ids=GROUPS.keys())
def test_hash_places_as_nginx_does(tmp_path: Path, servers: list[Server]) -> None:
    with Group(tmp_path, "hash $http_x_key;", servers) as group:
        rotation = Rotation("hash", group, random.Random(1))
        cases = [(b"X-Key: " + text, key(text)) for text in (*KEYS, b"", b"")]
        answered = compare(group, rotation, cases)
        assert len(set(answered)) == sum(one.is_alive and not one.down for one in servers)


def addresses() -> Iterator[str]:
    """Yield clients of both families."""
    rng = random.Random(3)
    for _ in range(120):
        yield str(IPv4Address(rng.randbytes(4)))
        yield str(IPv6Address(rng.randbytes(16)))


@pytest.mark.nginx
@pytest.mark.parametrize("servers", GROUPS.values(), ids=GROUPS.keys())
def test_ip_hash_places_as_nginx_does(tmp_path: Path, servers: list[Server]) -> None:
    with Group(tmp_path, "ip_hash;", servers) as group:
        rotation = Rotation("ip-hash", group, random.Random(1))
        cases = [(b"X-Real-IP: " + one.encode(), client(one)) for one in addresses()]
        answered = compare(group, rotation, cases)
        assert len(set(answered)) == sum(one.is_alive and not one.down for one in servers)


@pytest.mark.nginx
@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_ip_hash_places_unix_clients_as_nginx_does(tmp_path: Path, count: int) -> None:
    with Group(tmp_path, "ip_hash;", [Server()] * count, listen="unix") as group:
        rotation = Rotation("ip-hash", group, random.Random(1))
        assert rotation.ask(client("unix:")) == group.ask()
        assert rotation.ask(client(NOW.client)) == group.ask()
