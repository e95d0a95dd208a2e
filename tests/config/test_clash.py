"""Whether two addresses are the same place."""

import pytest

from proxy.config.address import parse_listen
from proxy.config.clash import reaches, same_place
from proxy.settings import Address


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("unix:/a", "unix:@a", False),
        ("unix:/a", "127.0.0.1:80", False),
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        (":0", ":0", False),
        (":80", "127.0.0.1:80", True),
        (":80", "localhost:80", True),
        (":80", "10.0.0.1:80", True),
        (":80", "[::1]:80", False),
        (":80", "[::]:80", False),
        (":80", "app:80", False),
        ("[::]:80", "[::1]:80", True),
        ("[::]:80", "localhost:80", True),
        ("[::]:80", "127.0.0.1:80", False),
        ("localhost:80", "localhost:80", True),
        ("localhost:80", "127.0.0.1:80", False),
    ],
)
def test_two_listeners(first: str, second: str, same: bool) -> None:
    one, two = parse_listen(first), parse_listen(second)
    assert same_place(one, two) is same_place(two, one) is same


def test_a_listener_without_host_takes_all_families() -> None:
    for narrow in ("127.0.0.1:80", "[::1]:80", "app:80"):
        assert same_place(Address(port=80), parse_listen(narrow))


@pytest.mark.parametrize(
    ("backend", "listener", "circle"),
    [
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("unix:/a", ":80", False),
        ("127.0.0.1:80", "unix:/a", False),
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:81", "127.0.0.1:80", False),
        ("127.0.0.1:80", ":80", True),
        ("127.8.8.8:80", ":80", True),
        ("localhost:80", ":80", True),
        ("localhost:80", "[::]:80", True),
        ("[::1]:80", "[::]:80", True),
        ("[::1]:80", ":80", False),
        ("10.0.0.1:80", ":80", False),  # another machine, or another container
        ("app:80", ":80", False),
        ("app:80", "app:80", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_a_backend_and_a_listener(backend: str, listener: str, circle: bool) -> None:
    assert reaches(parse_listen(backend), parse_listen(listener)) is circle
