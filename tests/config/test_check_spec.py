"""An active check as text."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.check_spec import (
    CHECK,
    KINDS,
    PARAMETERS,
    parse_check,
    parse_header,
    parse_statuses,
    show_check,
    show_header,
    show_statuses,
)
from proxy.settings import CheckSpec


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("connect", CheckSpec("connect")),
        (" PING ", CheckSpec("ping")),
        ("stats", CheckSpec("stats")),
        ("http", CheckSpec("http")),
        ("http /healthz?a=1", CheckSpec("http", "/healthz?a=1")),
        ("http method=HEAD host=a", CheckSpec("http", method="HEAD", host="a")),
        ("http status=200-299,404", CheckSpec("http", statuses=((200, 299), (404, 404)))),
        ('http header="X-Ready: ^yes"', CheckSpec("http", headers=(("X-Ready", "^yes"),))),
        ("http header=A:b header=C:d:e", CheckSpec("http", headers=(("A", "b"), ("C", "d:e")))),
        (r"http / body='^\d+ \"ok\"$'", CheckSpec("http", body=r"^\d+ \"ok\"$")),
    ],
)
def test_a_text_gives_a_check(text: str, check: CheckSpec) -> None:
    assert parse_check(text) == check
    assert parse_check(show_check(check)) == check


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty: unknown; there are connect, ping, stats, http"),
        ("htpp /", "htpp: did you mean http?"),
        ("tcp", "tcp: did you mean connect?"),
        ("/healthz", "begins with a path; did you mean http /healthz?"),
        ("ping /", "ping is the whole check; leave / away"),
        (
            "ping connect",
            "ping is the whole check; leave connect away, or give it a --check of its",
        ),
        ("ping,http", "ping,http: each check has a --check of its own, in a variable its own line"),
        ("GET /x", "GET: a check through HTTP begins with http; write http /path"),
        (
            "stats=h:1",
            "stats=h:1 belongs behind the address of a backend; the check is stats alone",
        ),
        ("http / /x", "/x: the path comes first: http /x"),
        ("http GET /x", "GET: did you mean method=GET?"),
        ("http healthz", "healthz: a path begins with /; write http /healthz"),
        ("http / healthz", "healthz: unknown; there are method, host, status, header, body"),
        ("http / 200", "200: did you mean status=200?"),
        ("http status 200", "200: did you mean status=200?"),
        ("http http://a:80/x y", "http://a:80/x: the path alone, and the host as a word: http /x "),
        ("http / body=is ready", 'ready: a value with spaces stands in quotes: body="is ready"'),
        ("http / staus=200", "staus: did you mean status?"),
        ("http uri=/x", "uri: the path stands behind http: http /healthz"),
        ("http status=ok", "status=ok: 'ok' is no status; write it like 200-399,404"),
        ("http status=2xx", "status=2xx: write 200-299 for 2xx"),
        ("http status=99", "status=99: '99' is no status"),
        ("http status=404-200", "status=404-200: 404-200 is empty; write 200-404"),
        ("http header=X-Ready", "header=X-Ready: no name and colon in front; write it like "),
        ("http header=:x", "header=:x: no name and colon in front; write it like "),
        ("http body=a body=b", "body is given twice"),
        ("http body='a", "a quote is not closed"),
    ],
)
def test_a_text_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_check(text)
    assert str(caught.value).startswith(why)


def test_what_is_default_is_not_shown() -> None:
    assert [show_check(CheckSpec(kind)) for kind in KINDS] == list(KINDS)
    assert show_check(CheckSpec("http", body="a b")) == 'http body="a b"'
    assert CHECK.show(CHECK.parse(CHECK.example)) == CHECK.example


def test_every_field_has_a_word() -> None:
    names = {field.name for field in fields(CheckSpec)}
    assert {parameter.field for parameter in PARAMETERS} == names - {"kind", "uri"}


def test_parts_are_shown_as_they_are_read() -> None:
    assert show_statuses(parse_statuses(" 200 , 300-399 ")) == "200,300-399"
    assert show_header(parse_header(" X-A : b:c ")) == "X-A:b:c"


patterns = st.text().map(str.strip)
statuses = st.tuples(st.integers(100, 999), st.integers(100, 999)).map(
    lambda pair: (min(pair), max(pair))
)


@given(
    st.builds(
        CheckSpec,
        st.just("http"),
        uri=st.text("ab/? \"'=").map("/{}".format),
        method=st.sampled_from(["GET", "HEAD"]),
        host=st.text("ab.:"),
        statuses=st.lists(statuses, min_size=1).map(tuple),
        headers=st.lists(st.tuples(st.text("Xy-", min_size=1), patterns)).map(tuple),
        body=st.text(),
    )
)
def test_what_is_shown_is_read_back(check: CheckSpec) -> None:
    assert parse_check(show_check(check)) == check
