"""Keys, pools, and which of them a Host header finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.discovery.admission import Refused
from proxy.upstream.discovery.directory import LINGER_S, Directory, normalise
from tests.upstream.discovery.pools import FakePool


class Town:
    """A directory and the pools that it closed."""

    def __init__(self, *keys: str, fallback_key: str = "", max_pools: int = 1000) -> None:
        self.closed: list[str] = []
        self.directory = Directory(
            FakePool, lambda pool: self.closed.append(pool.name), fallback_key, max_pools
        )
        for key in keys:
            self.directory.join(key)

    def find(self, host: bytes | str) -> str | None:
        pool = self.directory.lookup(host)
        return None if pool is None else pool.name


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("example.com:80", "example.com"),
        ("example.com.:443", "example.com"),
        ("example.com:", "example.com"),
        ("example.com:8000", "example.com:8000"),
        ("example.com:08000", "example.com:08000"),
        (".example.com", ".example.com"),
        ("my_app", "my_app"),
        ("10.0.0.1:8000", "10.0.0.1:8000"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("[2001:DB8::1]:8000", "[2001:db8::1]:8000"),
        ("a" * 255, "a" * 255),
    ],
)
def test_one_form_for_each_key(key: str, form: str) -> None:
    assert normalise(key) == form
    assert normalise(form) == form


@pytest.mark.parametrize(
    "key",
    [
        *("", ":80", "a/b", "a b", "a:b", "a:123456", "::1", "[::1", "a:1:2", "*", "ä"),
        *("a\n", "a@b", "a,b", "a%00", "a" * 256),
        chr(0x212A),  # the sign for Kelvin: its lower case is an ASCII letter
    ],
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(Refused) as caught:
        normalise(key)
    assert caught.value.reason == "key"


def test_no_fallback_with_a_bad_name() -> None:
    with pytest.raises(Refused):
        Town(fallback_key="a/b")


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("a.com", "a.com"),
        ("A.COM:80", "a.com"),
        ("a.com:443", "a.com"),
        ("a.com.", "a.com"),
        (b"a.com", "a.com"),
        ("a.com:8000", "a.com:8000"),
        ("a.com:9000", "a.com"),
        ("b.com:8000", "b.com:8000"),
        ("b.com", None),
        ("www.c.com", ".c.com"),
        ("a.b.www.c.com:9", ".c.com"),
        ("c.com", None),
        ("x.d.com", "x.d.com"),
        ("y.d.com", ".d.com"),
        ("", None),
        ("a.com/", None),
        (b"\xff", None),
        ("com", None),
    ],
)
def test_lookup(host: bytes | str, found: str | None) -> None:
    keys = ("a.com", "a.com:8000", "b.com:8000", ".c.com", "x.d.com", ".d.com")
    assert Town(*keys).find(host) == found
    fallback = Town(*keys, "else", fallback_key="ELSE")
    assert fallback.find(host) == (found or "else")


def test_at_most_five_parts_are_dropped() -> None:
    town = Town(".com")
    assert town.find("1.2.3.4.5.com") == ".com"
    assert town.find("1.2.3.4.5.6.com") is None


def test_a_fallback_that_nobody_serves() -> None:
    assert Town(fallback_key="else").find("a.com") is None


def test_pools_come_with_their_first_backend_and_go_after_their_last() -> None:
    town = Town("a.com", "a.com")
    directory = town.directory
    assert directory.join("a.com") is directory.lookup("a.com")
    assert list(directory.pools) == ["a.com"]
    for _ in range(3):
        assert directory.sweep(1000.0) == []
        directory.leave("a.com", 1000.0)
    assert directory.sweep(1000.0 + LINGER_S - 0.01) == []
    assert town.closed == []
    assert directory.sweep(1000.0 + LINGER_S) == ["a.com"]
    assert town.closed == ["a.com"]
    assert town.find("a.com") is None
    assert len(directory) == 0


def test_a_pool_that_lingers_is_taken_up_again() -> None:
    town = Town("a.com")
    before = town.directory.lookup("a.com")
    town.directory.leave("a.com", 1000.0)
    assert town.directory.lookup("a.com") is before
    assert town.directory.join("a.com") is before
    assert town.directory.sweep(1000.0 + 2 * LINGER_S) == []


def test_a_pool_is_kept_while_requests_run_in_it() -> None:
    town = Town()
    pool = town.directory.join("a.com")
    pool.backends = (object(),)  # type: ignore[assignment]
    town.directory.leave("a.com", 0.0)
    assert town.directory.sweep(2 * LINGER_S) == []
    pool.backends = ()
    assert town.directory.sweep(2 * LINGER_S) == ["a.com"]


def test_pools_that_linger_come_last() -> None:
    town = Town("a.com", ".com", "else", fallback_key="else")
    town.directory.leave("a.com", 0.0)
    assert town.find("a.com") == ".com"
    town.directory.leave(".com", 0.0)
    assert town.find("a.com") == "else"
    town.directory.leave("else", 0.0)
    assert town.find("a.com") == "a.com"
    assert town.find("b.com") == ".com"


def test_the_longest_empty_pool_makes_room() -> None:
    town = Town("a", "b", "c", max_pools=3)
    town.directory.leave("b", 2.0)
    town.directory.leave("a", 1.0)
    town.directory.join("d")
    assert town.closed == ["a"]
    town.directory.join("b")
    assert set(town.directory.pools) == {"b", "c", "d"}
    town.directory.join("e")  # cannot happen with as many backends as pools: nothing to close
    assert town.closed == ["a"]


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_host_can_be_looked_up(host: str) -> None:
    town = Town("else", fallback_key="else")
    assert town.find(host) == "else"
    try:
        form = normalise(host)
    except Refused:
        return
    assert normalise(form) == form
    town.directory.join(form)
    assert town.find(host) == town.find(host.upper()) == form
