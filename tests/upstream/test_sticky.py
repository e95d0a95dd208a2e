"""The sticky cookie, in both directions."""

from dataclasses import replace
from hashlib import md5
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import HeaderBlock
from proxy.settings import Address, BackendSettings, StickySettings
from proxy.upstream.backend import Backend
from proxy.upstream.sticky import (
    MAX_EXPIRES_S,
    StickyCookie,
    check_route,
    find,
    read_cookie,
    value_of,
)
from tests.upstream.balance.members import member, unhurried

TCP = Address(host="127.0.0.1", port=21010)
MEMBERS = (
    member("a", BackendSettings(TCP)),
    member("b", BackendSettings(Address(path="/run/b.sock"))),
    member("c", BackendSettings(Address(host="::1", port=3031), route="c3")),
)


def headers(*lines: bytes, name: bytes = b"Cookie") -> HeaderBlock:
    return HeaderBlock([(b"Host", b"a"), *((name, line) for line in lines)])


def cookie(**changes: object) -> StickyCookie:
    settings = StickySettings("srv", http_only=False, same_site="", path="")
    return StickyCookie(replace(settings, **changes))  # type: ignore[arg-type]


# -- which backend a value names ------------------------------------------------------------------


def test_a_value_is_nginx_s() -> None:
    """md5("127.0.0.1:21010"), md5("unix:/run/b.sock") and a route, as nginx 1.31 sets them."""
    assert [value_of(one) for one in MEMBERS] == [
        "f589161615ba0bd8a69b503511eee0c9",
        md5(b"unix:/run/b.sock").hexdigest(),
        "c3",
    ]


def test_the_resolved_address_counts() -> None:
    """A name with several addresses has several backends, and each of them a value of its own."""
    one = member("x", BackendSettings(Address(host="app", port=21010)))
    one.address = TCP
    assert value_of(one) == value_of(MEMBERS[0])


@pytest.mark.parametrize("one", MEMBERS, ids=lambda one: one.name)
def test_a_backend_is_found_by_its_value(one: Backend) -> None:
    assert find(MEMBERS, value_of(one)) is one


@pytest.mark.parametrize("value", ["", "c", "c3 ", "C3", "0" * 32, "127.0.0.1:21010", "\xff"])
def test_any_other_value_names_nobody(value: str) -> None:
    assert find(MEMBERS, value) is None
    assert find((), value) is None


# -- what a client sends --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"srv=x"], "x"),
        ([b"a=1; srv=x; b=2"], "x"),
        ([b"a=1;srv=x;b=2"], "x"),
        ([b"srv=x; srv=y"], "x"),
        ([b"a=1", b"srv=x"], "x"),
        ([b"SRV=x"], "x"),
        ([b"srv = x"], "x"),
        ([b"srv=a=b"], "a=b"),
        ([b'srv="x"'], '"x"'),
        ([b"srv=\xff"], "\xff"),
        ([b"xsrv=x; srvx=y; a=srv"], ""),
        ([b"a=b; c=srv=x"], ""),
        ([b"srv"], ""),
        ([b"srv; srv=x"], "x"),
        ([b"srv="], ""),
        ([b""], ""),
        ([b";;; =; ="], ""),
        ([], ""),
    ],
)
def test_the_first_cookie_of_the_name_counts(lines: list[bytes], value: str) -> None:
    assert cookie().read(headers(*lines)) == value


def test_a_cookie_is_in_a_cookie_line() -> None:
    assert cookie().read(headers(b"srv=x", name=b"COOKIE")) == "x"
    assert cookie().read(headers(b"srv=x", name=b"Cookie2")) == ""


@unhurried
@given(st.lists(st.binary(max_size=30), max_size=3))
def test_nothing_in_a_cookie_line_is_an_accident(lines: list[bytes]) -> None:
    assert b";" not in read_cookie(headers(*lines), b"s")


@unhurried
@given(
    st.lists(
        st.tuples(st.text("abcs", min_size=1, max_size=3), st.text("xyz=", min_size=0, max_size=4)),
        min_size=1,
    )
)
def test_it_is_read_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    line = "; ".join(f"{name}={value}" for name, value in pairs).encode()
    for name in {name for name, _ in pairs}:
        first = next(value for known, value in pairs if known == name)
        assert read_cookie(headers(line), name.encode()) == first.encode()


# -- what a client gets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, b"srv=c3"),
        ({"path": "/app"}, b"srv=c3; Path=/app"),
        ({"domain": ".a.example"}, b"srv=c3; Domain=.a.example"),
        ({"http_only": True}, b"srv=c3; HttpOnly"),
        ({"secure": True}, b"srv=c3; Secure"),
        ({"same_site": "none"}, b"srv=c3; SameSite=None"),
        (
            {"expires_s": 3600.0},
            b"srv=c3; Expires=Thu, 01 Jan 1970 01:00:05 GMT; Max-Age=3600",
        ),
        (
            {"expires_s": MAX_EXPIRES_S},
            b"srv=c3; Expires=Sun, 30 Dec 1979 00:00:05 GMT; Max-Age=315360000",
        ),
    ],
)
def test_attributes(changes: dict[str, object], text: bytes) -> None:
    assert cookie(**changes).render(MEMBERS[2], 5.9) == text


def test_the_defaults() -> None:
    text = StickyCookie(StickySettings("srv")).render(MEMBERS[2], 0.0)
    assert text == b"srv=c3; Path=/; HttpOnly; SameSite=Lax"


def test_all_at_once_can_be_read() -> None:
    settings = StickySettings("srv", "/", "a.example", 60.0, True, True, "strict")
    (morsel,) = SimpleCookie(StickyCookie(settings).render(MEMBERS[0], 0.0).decode()).values()
    assert (morsel.key, morsel.value) == ("srv", value_of(MEMBERS[0]))
    attributes = {name: value for name, value in morsel.items() if value}
    assert attributes == {
        "path": "/",
        "domain": "a.example",
        "max-age": "60",
        "expires": "Thu, 01 Jan 1970 00:01:00 GMT",
        "secure": True,
        "httponly": True,
        "samesite": "Strict",
    }


def test_what_is_set_leads_back() -> None:
    sticky = cookie()
    for one in MEMBERS:
        sent = sticky.render(one, 0.0)
        assert find(MEMBERS, sticky.read(headers(sent))) is one


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a\r\nX: y", "a\n", "ä", '"a"', "a,b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        cookie(name=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "app"}, "path 'app' must begin with '/'"),
        ({"path": "/a;b"}, "path"),
        ({"path": "/\r\nX: y"}, "path"),
        ({"path": "/a\n"}, "path"),
        ({"domain": "a b"}, "domain 'a b' is no host name"),
        ({"domain": "a..b"}, "domain"),
        ({"domain": "a\n"}, "domain"),
        ({"domain": "a;b"}, "domain"),
        ({"expires_s": -1.0}, "expires"),
        ({"expires_s": 1e12}, "expires"),
        ({"expires_s": float("nan")}, "expires"),
    ],
)
def test_attributes_that_are_none(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cookie(**changes)


ODD_ROUTES = ["a b", "a;b", 'a"', "a,b", "a\\b", "a\r\nX: y", "a\n", "ä", "\x7f"]


@pytest.mark.parametrize("route", ODD_ROUTES)
def test_routes_that_are_none(route: str) -> None:
    with pytest.raises(ValueError, match="route"):
        check_route(route)


@pytest.mark.parametrize("route", ODD_ROUTES)
def test_an_odd_route_does_no_harm(route: str) -> None:
    """Should one come in past `check_route`, the address stands in for it."""
    one = member("x", BackendSettings(TCP, route=route))
    assert value_of(one) == value_of(MEMBERS[0])


@unhurried
@given(st.text())
def test_no_route_can_leave_its_place(route: str) -> None:
    one = member("x", BackendSettings(TCP, route=route))
    text = cookie(path="/").render(one, 0.0)
    assert text.count(b";") == 1
    assert text.isascii()
    assert text.decode().isprintable()


@pytest.mark.parametrize("route", ["", "a", "node-1.eu", "a:b/c=", "!~"])
def test_routes(route: str) -> None:
    check_route(route)
