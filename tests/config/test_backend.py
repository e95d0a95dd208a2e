"""A backend as text."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.backend import BACKEND, PARAMETERS, parse_backend, parse_service, show_backend
from proxy.settings import Address, BackendSettings

UNIX = Address(path="/run/a.sock")
TCP = Address(host="app", port=3031)


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ("unix:/run/a.sock", BackendSettings(UNIX)),
        ("  app:3031  ", BackendSettings(TCP)),
        ("app:3031 weight=5", BackendSettings(TCP, weight=5)),
        ("server unix:/run/a.sock weight=5;", BackendSettings(UNIX, weight=5)),
        ("server app:3031 ;", BackendSettings(TCP)),
        ("server:3031", BackendSettings(Address(host="server", port=3031))),
        ("app:3031 backup down", BackendSettings(TCP, backup=True, down=True)),
        ("app:3031 backup=off", BackendSettings(TCP)),
        ("app:3031 stats=[::1]:1", BackendSettings(TCP, stats=Address(host="::1", port=1))),
        ("app resolve service=uwsgi", BackendSettings(Address("app"), resolve=True,
            service="_uwsgi._tcp")),
        ("app:3031 service=a.b", BackendSettings(TCP, service="a.b")),
        ('"unix:/run/my app.sock" route="a"', BackendSettings(Address(path="/run/my app.sock"),
            route="a")),
        (r"unix:/run/a\b", BackendSettings(Address(path=r"/run/a\b"))),
    ],
)  # fmt: skip
def test_a_text_gives_a_backend(text: str, backend: BackendSettings) -> None:
    assert parse_backend(text) == backend


def test_every_word_at_once() -> None:
    text = (
        "unix:/run/a.sock weight=5 max_conns=2 max_fails=3 fail_timeout=15s slow_start=30s backup "
        "down route=a keepalive=2 puwsgi stats=127.0.0.1:1717 resolve service=_uwsgi._tcp"
    )
    assert parse_backend(text) == BackendSettings(
        address=UNIX,
        weight=5,
        max_conns=2,
        max_fails=3,
        fail_timeout_s=15.0,
        slow_start_s=30.0,
        backup=True,
        down=True,
        route="a",
        keepalive=2,
        puwsgi=True,
        stats=Address(host="127.0.0.1", port=1717),
        resolve=True,
        service="_uwsgi._tcp",
    )
    assert show_backend(parse_backend(text)) == text


def test_every_field_has_a_word() -> None:
    names = {field.name for field in fields(BackendSettings)}
    assert {parameter.field for parameter in PARAMETERS} == names - {"address"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty; write unix:/run/app.sock or 127.0.0.1:3031"),
        (";", "empty; write unix:/run/app.sock or 127.0.0.1:3031"),
        ("server", "no port; write it like server:3031"),
        ("app.sock weight=5", "not an address; did you mean unix:app.sock?"),
        ("weight=5", "not an address; write it like unix:/run/app.sock or 127.0.0.1:3031"),
        ("app weight=5", "no port; write it like app:3031"),
        ("app:1 wieght=5", "wieght: did you mean weight?"),
        ("app:1 max-conns=5", "max-conns: did you mean max_conns?"),
        ("app:1 weight", "weight has no value; write it like weight=1"),
        ("app:1 weight 5", "weight has no value; write it like weight=5"),
        ("app:1 weight backup", "weight has no value; write it like weight=1"),
        ("app:1 weight = 5", "weight has no value; write it like weight=1"),
        ("app:1 weight=-1", "weight=-1: cannot be negative"),
        ("app:1 weight=1 weight=2", "weight is given twice"),
        ("app:1 fail_timeout=soon", "fail_timeout=soon: not a time"),
        ("app:1 stats=1717", "stats=1717: a port without a host; write 127.0.0.1:1717"),
        ("app:1 stats=http://h:1717", "stats=http://h:1717: a URL, not an address; write h:1717"),
        # several in one
        ("app:1 app:2", "app:2: a second backend; give it an --upstream of its own"),
        ("app:1,app:2", "app:2: a second backend; "),
        ("unix:/a;unix:/b", "unix:/b: a second backend; "),
        ("unix:/a, unix:/b", "unix:/b: a second backend; "),
        ("unix:/a weight=5;unix:/b", "unix:/b: a second backend; "),
        ("server unix:/a weight=5; server unix:/b;", "server: a second backend; "),
        ("unix:/a; weight=5", "ends with ; before its words; write unix:/a weight=5"),
        ("'unix:/a weight=5'", "the quotes are a part of the value, so that it is one word; "),
        ('["unix:/a"', "brackets are for IPv6; write the addresses without them"),
        ("server web1 app:1 check", "web1 is no address; give the backend no name, and begin "),
        ('app:1 route="a', "a quote is not closed"),
        # HAProxy, nginx, uWSGI
        ("app:1 maxconn=5", "maxconn: did you mean max_conns?"),
        ("app:1 slowstart=5", "slowstart: did you mean slow_start?"),
        ("app:1 disabled", "disabled: did you mean down?"),
        ("app:1 cookie=a", "cookie: did you mean route?"),
        ("app:1 check", "check: active checks are for all backends; see --check"),
        ("app:1 drain", "drain: a backend is drained while running; write down to leave it out"),
        ("app:1 cores=4", "cores: did you mean max_conns?"),
    ],
)
def test_a_text_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_backend(text)
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/a b", "/a,b", "/a;b", "/a,"])
def test_a_path_may_have_what_separates_elsewhere(path: str) -> None:
    assert parse_backend(f"'unix:{path}'") == BackendSettings(Address(path=path))


@pytest.mark.parametrize(
    ("text", "name"),
    [("uwsgi", "_uwsgi._tcp"), ("_uwsgi._tcp", "_uwsgi._tcp"), ("a.b", "a.b"), ("", "")],
)
def test_a_service_is_named_as_nginx_has_it(text: str, name: str) -> None:
    assert parse_service(text) == name


def test_what_is_default_is_not_shown() -> None:
    assert show_backend(BackendSettings(UNIX)) == "unix:/run/a.sock"
    assert show_backend(BackendSettings(Address("h"), service="_u._tcp")) == "h service=_u._tcp"
    assert show_backend(BackendSettings(Address(path="/a b"))) == '"unix:/a b"'
    assert BACKEND.show(BACKEND.parse(BACKEND.example)) == BACKEND.example


addresses = st.one_of(
    st.builds(Address, path=st.text("abc \"'\\=@", min_size=1).map("/run/{}x".format)),
    st.builds(Address, st.sampled_from(["app", "127.0.0.1", "::1"]), st.integers(1, 65535)),
)
counts = st.integers(0, 10**6)
times = st.integers(0, 10**6).map(lambda ms: ms / 1000)
backends = st.fixed_dictionaries(
    {"address": addresses},
    optional={
        "weight": counts,
        "max_conns": counts,
        "max_fails": counts,
        "fail_timeout_s": times,
        "slow_start_s": times,
        "backup": st.booleans(),
        "down": st.booleans(),
        "route": st.text("ab \"'\\="),
        "keepalive": counts,
        "puwsgi": st.booleans(),
        "stats": addresses,
        "resolve": st.booleans(),
        "service": st.sampled_from(["", "_uwsgi._tcp"]),
    },
)


@given(backends)
def test_what_is_shown_is_read_back(values: dict[str, Any]) -> None:
    backend = BackendSettings(**values)
    assert parse_backend(show_backend(backend)) == backend
