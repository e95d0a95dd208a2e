"""The sticky cookie as text."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.sticky import PARAMETERS, STICKY, parse_sticky, show_sticky
from proxy.settings import StickySettings


@pytest.mark.parametrize(
    ("text", "sticky"),
    [
        ("", StickySettings()),
        ("off", StickySettings()),
        ("srv_id", StickySettings("srv_id")),
        ("srv_id path=/app;", StickySettings("srv_id", path="/app")),
        ("s domain=.example.com expires=1h", StickySettings("s", domain=".example.com",
            expires_s=3600.0)),
        ("s secure httponly", StickySettings("s", secure=True)),
        ("s httponly=off", StickySettings("s", http_only=False)),
        ("s samesite=Strict", StickySettings("s", same_site="strict")),
        ("s samesite=off", StickySettings("s", same_site="")),
    ],
)  # fmt: skip
def test_a_text_gives_a_cookie(text: str, sticky: StickySettings) -> None:
    assert parse_sticky(text) == sticky
    assert parse_sticky(show_sticky(sticky)) == sticky


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path=/", "the name of the cookie comes first; write srv_id path=/"),
        ("s pat=/", "pat: did you mean path?"),
        ("s expires=max", "expires=max: no longer than a year, "),
        ("s expires=soon", "expires=soon: not a time"),
        ("cookie s pat=/", "pat: did you mean path?"),
        ("s samesite=lux", "samesite=lux: not one of the choices; did you mean lax?"),
        ("s SameSite=lax", "SameSite: did you mean samesite?"),
        ("s max-age=1h", "max-age: did you mean expires?"),
    ],
)
def test_a_text_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_sticky(text)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sticky cookie s secure;", "s"),
        ("cookie s secure", "s"),
        ("cookie secure", "cookie"),
        ("sticky secure", "sticky"),
        ("sticky cookie secure", "cookie"),
    ],
)
def test_the_directive_of_nginx_may_stay(text: str, name: str) -> None:
    assert parse_sticky(text) == StickySettings(name, secure=True)


def test_no_cookie_is_shown_as_off() -> None:
    assert show_sticky(StickySettings()) == "off"
    assert STICKY.show(STICKY.parse(STICKY.example)) == STICKY.example


def test_every_field_has_a_word() -> None:
    names = {field.name for field in fields(StickySettings)}
    assert {parameter.field for parameter in PARAMETERS} == names - {"name"}


@given(
    st.builds(
        StickySettings,
        name=st.text("abc_-", min_size=1).filter(lambda name: name != "off"),
        path=st.text("/ab \"'"),
        domain=st.text("a. "),
        expires_s=st.integers(0, 10**6).map(float),
        secure=st.booleans(),
        http_only=st.booleans(),
        same_site=st.sampled_from(["", "lax", "strict", "none"]),
    )
)
def test_what_is_shown_is_read_back(sticky: StickySettings) -> None:
    assert parse_sticky(show_sticky(sticky)) == sticky
