"""The reasons to try another backend as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.conditions import (
    CONDITION_LIST,
    CONDITIONS,
    parse_conditions,
    show_conditions,
)
from proxy.settings import Condition


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("error", ("error",)),
        ("error,timeout,http_503", ("error", "timeout", "http_503")),
        ("error timeout http_429;", ("error", "timeout", "http_429")),  # as nginx writes it
        (" Error , ,TIMEOUT", ("error", "timeout")),
        ("error,error", ("error",)),
        ("off", ()),
        ("OFF", ()),
        ("", ()),
    ],
)
def test_a_text_gives_conditions(text: str, conditions: tuple[Condition, ...]) -> None:
    assert parse_conditions(text) == conditions


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("error,http_502", "http_502: a uwsgi backend does not give it; the 502 of a proxy are "),
        ("http_504", "http_504: a uwsgi backend does not give it; the 504 of a proxy are timeout"),
        ("updating", "updating: it is about nginx's cache, and there is none here"),
        ("conn-failure", "conn-failure: did you mean error?"),
        ("erorr", "erorr: did you mean error?"),
        ("idempotent", "idempotent: did you mean non_idempotent?"),
        ("xyzzy", "xyzzy: choose from error, timeout, "),
        ("error,off", "off stands alone"),
    ],
)
def test_a_text_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_conditions(text)
    assert str(caught.value).startswith(why)


def test_no_conditions_are_shown_as_off() -> None:
    assert show_conditions(()) == "off"
    assert CONDITION_LIST.show(CONDITION_LIST.parse(CONDITION_LIST.example)) == "error,timeout"


@given(st.lists(st.sampled_from(CONDITIONS), unique=True).map(tuple))
def test_what_is_shown_is_read_back(conditions: tuple[Condition, ...]) -> None:
    assert parse_conditions(show_conditions(conditions)) == conditions
