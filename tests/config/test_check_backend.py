"""What is wrong with one backend."""

import pytest

from proxy.config.backend import parse_backend
from proxy.config.check_backend import complaints, parse_line
from proxy.settings import Address, BackendSettings


def wrong(text: str) -> list[str]:
    return list(complaints(parse_backend(text)))


@pytest.mark.parametrize(
    "text",
    [
        "unix:/a",
        "app:3031 weight=65535 max_conns=4 keepalive=4 puwsgi stats=[::1]:1717 resolve route=a.b-c",
        "app:3031 weight=1 max_fails=0 fail_timeout=1ms slow_start=0 keepalive=4",
        "app.example.com service=_uwsgi._tcp",
        "app resolve service=uwsgi",
        "unix:/a stats=unix:/b route=!#-:=[]~",
    ],
)
def test_nothing_is_wrong(text: str) -> None:
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("app:1 weight=0", "weight=0: must be from 1 to 65535"),
        ("app:1 weight=65536", "weight=65536: must be from 1 to 65535"),
        ("app:1 max_conns=65536", "max_conns=65536: must be from 0 to 65535"),
        ("app:1 max_fails=65536", "max_fails=65536: must be from 0 to 65535"),
        ("app:1 keepalive=65536", "keepalive=65536: must be from 0 to 65535"),
        ("app:1 fail_timeout=0", "fail_timeout=0s: must be 1ms or more"),
        ("app:1 route='a b'", "route 'a b' cannot be a cookie's value: visible ASCII only, "),
        ("app:1 route=a;b", "route 'a;b' cannot be a cookie's value"),
        ("app:1 route=a,b", "route 'a,b' cannot be a cookie's value"),
        ("app:1 route=ä", "route 'ä' cannot be a cookie's value"),
        ("app:1 puwsgi", "puwsgi: such a socket is for kept connections; add keepalive=N, at "),
        (
            "app:1 max_conns=2 keepalive=3",
            "keepalive=3: more connections than max_conns=2 lets be used",
        ),
        ("unix:/a stats=unix:/a", "stats=unix:/a: that is the backend itself; a stats server has "),
        (
            "app:1 stats=app:1717",
            "stats=app:1717: names are not looked up for it; give the IP address that app has, or ",
        ),
        ("unix:/a resolve", "resolve: for host names only"),
        ("127.0.0.1:1 resolve", "resolve: for host names only"),
        ("[::1]:1 resolve", "resolve: for host names only"),
        ("unix:/a service=uwsgi", "service: for host names only"),
        ("127.0.0.1 service=uwsgi", "service: for host names only"),
        ("app:3031 service=uwsgi", "service: the records bring the port; leave :3031 away"),
        ("app service=a..b", "service='a..b': not a name in DNS; write it like service=_uwsgi."),
    ],
)
def test_one_thing_is_wrong(text: str, complaint: str) -> None:
    (line,) = wrong(text)
    assert line.startswith(complaint)


@pytest.mark.parametrize("stats", ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/s", "unix:@s"])
def test_where_a_stats_server_can_be(stats: str) -> None:
    assert wrong(f"app:3031 stats={stats}") == []


@pytest.mark.parametrize(
    "text", ["app:1 puwsgi keepalive=4", "app:1 puwsgi keepalive=4 max_conns=8"]
)
def test_the_connections_that_are_kept_bound_puwsgi(text: str) -> None:
    """Without max_conns, `Backend.cap` is keepalive; with it, no more can be kept than that."""
    assert wrong(text) == []


@pytest.mark.parametrize("address", [Address(host="h"), Address(port=1), Address("h", 65536)])
def test_a_backend_can_be_connected_to(address: Address) -> None:
    assert list(complaints(BackendSettings(address))) == [
        "a backend needs a host and a port from 1 to 65535"
    ]


def test_a_time_that_is_no_number() -> None:
    backend = BackendSettings(Address(path="/a"), slow_start_s=float("nan"))
    assert list(complaints(backend)) == ["slow_start=nans: must be 0s or more"]


def test_a_line_of_a_file_is_judged_at_once() -> None:
    assert parse_line("unix:/a weight=5") == BackendSettings(Address(path="/a"), weight=5)
    with pytest.raises(ValueError, match=r"^weight=0: must be from 1 to 65535; puwsgi: such "):
        parse_line("unix:/a weight=0 puwsgi")
    with pytest.raises(ValueError, match=r"^wieght: did you mean weight\?$"):
        parse_line("unix:/a wieght=5")
