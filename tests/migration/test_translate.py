"""What is taken over, and what is said about the rest: of lines, and of three whole files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.check import check
from proxy.config.options import OPTIONS
from proxy.config.sources import Source, load
from proxy.migration.directives import NOT_NEEDED, SAME, WHY_NOT
from proxy.migration.translate import Translation, translate
from proxy.migration.tree import Directive, read
from tests.migration.trees import FILES, made, site, tree

NAMES = sorted({*SAME, *NOT_NEEDED, *WHY_NOT, "hash", "random", "sticky", "queue", "server_name"})
NAMES += ["uwsgi_param", "large_client_header_buffers", "uwsgi_temp_path", "xyz"]
WORDS = ["on", "off", "1", "2k", "30s", "$uri", "timeout=1", "cookie", "http_500", "", "'"]

BY_FLAG = {option.flag: option for option in OPTIONS}


def of_file(name: str) -> Translation:
    translation = translate(read(FILES / f"{name}.conf"))
    assert translation is not None
    return translation


def told(translation: Translation) -> dict[str, str]:
    return {left.where.rpartition(":")[2]: left.why for left in translation.left}


@pytest.mark.parametrize(
    ("line", "flag", "value"),
    [
        ("client_max_body_size 20M;", "--client-max-body-size", "20M"),
        ("uwsgi_read_timeout 5m;", "--backend-read-timeout", "5m"),
        ("uwsgi_buffering off;", "--buffering", "off"),
        ("keepalive_timeout 65 60;", "--keepalive-timeout", "65"),
        ("uwsgi_next_upstream error timeout;", "--next-upstream", "error,timeout"),
        ("large_client_header_buffers 2 16k;", "--max-header-line-size", "16k"),
        ("server_name a.example b.example;", "--server-name", "a.example"),
        ("access_log off;", "--access-log", "off"),
        ("uwsgi_param APP_ENV production;", "--param", "APP_ENV=production"),
        ("uwsgi_temp_path /var/tmp/x;", "--spool-dir", "/var/tmp/x"),
        ("root /srv/www;", "--document-root", "/srv/www"),
    ],
)
def test_a_line_becomes_an_option(line: str, flag: str, value: str) -> None:
    translation = site(line)
    assert translation.taken[flag] == [value]
    assert not translation.left


@pytest.mark.parametrize(
    "line",
    [
        *("server_name _;", "gzip off;", "sendfile on;", "uwsgi_param HTTPS $https if_not_empty;"),
        *("uwsgi_param UWSGI_SCHEME $scheme;", "ssl_session_cache shared:SSL:1m;"),
    ],
)
def test_a_line_that_needs_nothing(line: str) -> None:
    translation = site(line)
    assert list(translation.taken) == ["--listen", "--upstream"]
    assert not translation.left


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("gzip on;", "no compression"),
        ("add_header X-A 1;", "responses go out as the application makes them"),
        ("set_real_ip_from 10.0.0.0/8;", "no proxy in front is trusted"),
        ("auth_basic on;", "no access rules"),
        ("uwsgi_param A $remote_user;", "fixed text"),
        ("uwsgi_param UWSGI_FILE /x;", "make uWSGI load code"),
        ("client_max_body_size 1h;", "--client-max-body-size 1h: not a size"),
        ("lua_code_cache on;", "there is nothing like it here"),
        ("try_files $uri =404;", "no files are served here"),
    ],
)
def test_a_line_that_is_left_out_has_a_reason(line: str, why: str) -> None:
    (left,) = site(line).left
    assert left.what == line.removesuffix(";")
    assert why in left.why


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), max_size=3))),
    st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), max_size=3))),
)
def test_whatever_stands_there_is_taken_or_told(
    outer: list[tuple[str, list[str]]], inner: list[tuple[str, list[str]]]
) -> None:
    """Each name of a table, with words that fit and words that do not."""
    lines = [[Directive(name, ("1", "2", *args)) for name, args in each] for each in (outer, inner)]
    target = Directive("uwsgi_pass", ("app",))
    location = Directive("location", ("/",), block=(*lines[1], target))
    group = Directive("upstream", ("app",), block=(Directive("server", ("a:1",)), *lines[0]))
    server = Directive("server", block=(*lines[0], location))
    translation = translate([group, server])
    assert translation is not None
    assert all(left.why for left in translation.left)


def test_nothing_is_passed_on() -> None:
    assert translate(tree("server { listen 80; return 404; }")) is None


def test_another_place_is_told() -> None:
    main = "location / { uwsgi_pass unix:/a; }"
    same = made(f"server {{ {main} location /b {{ uwsgi_pass unix:/a; send_timeout 1; }} }}")
    assert same.left[0].what == "location /b { send_timeout 1 }"
    assert "the same for all paths" in same.left[0].why
    other = made(f"server {{ {main} location /b {{ uwsgi_pass unix:/b; }} }}")
    assert "a front end of their own" in other.left[0].why
    closed = made(f"server {{ {main} location /b {{ deny all; uwsgi_pass unix:/a; }} }}")
    assert "no access rules" in closed.left[0].why


def test_the_end_of_a_tutorial_for_flask() -> None:
    translation = of_file("flask")
    assert translation.taken == {
        "--listen": ["80"],
        "--upstream": ["unix:/home/sammy/shop/shop.sock"],
        "--server-name": ["example.com"],
    }
    assert list(told(translation)) == ["6"]


def test_a_guide_to_django_in_production() -> None:
    translation = of_file("django")
    assert translation.taken["--listen"] == ["443 tls", "[::]:443 tls"]
    assert translation.taken["--backend-read-timeout"] == ["300s"]
    assert translation.taken["--client-max-body-size"] == ["25M"]
    why = told(translation)
    assert "SECURE_SSL_REDIRECT" in why["2"]
    assert "ProxyFix" in why["44"]
    assert "no files are served" in why["28"]
    assert "no access rules" in why["37"]
    assert "--protocol uwsgi" in why["50"]


def test_two_upstreams() -> None:
    translation = of_file("two-upstreams")
    assert translation.taken["--upstream"] == [
        "10.0.0.1:3031 weight=3 max_fails=2 fail_timeout=30s",
        "10.0.0.2:3031",
        "unix:/run/spare.sock backup",
    ]
    assert translation.taken["--balance"] == ["least-conn"]
    assert translation.taken["--next-upstream-tries"] == ["2"]
    assert {"19", "37", "44", "51", "56"} <= set(told(translation))


@pytest.mark.parametrize("name", ["flask", "two-upstreams"])
def test_what_is_taken_are_settings_to_start_with(name: str) -> None:
    source = Source()
    for flag, texts in of_file(name).taken.items():
        source.take(BY_FLAG[flag], texts, f"{flag} ", "nginx")
    loaded = load([source])
    assert not loaded.complaints
    assert not check(loaded.settings)
