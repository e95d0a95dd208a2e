"""The listing of --print-config."""

import pytest

from proxy.config.argv import read_argv
from proxy.config.env import read_env
from proxy.config.options import GROUPS, OPTIONS
from proxy.config.show import listing, printable
from proxy.config.sources import load


def shown(environ: dict[str, str], *argv: str) -> list[str]:
    text = listing(load([read_env(environ), read_argv(argv).source]), "1.2.3")
    assert text.endswith("\n")
    return text.splitlines()


def test_every_setting_is_listed_under_its_heading() -> None:
    lines = shown({})
    assert lines[0].startswith("# uwsgi-frontend 1.2.3: ")
    assert [line for line in lines[1:] if line.startswith("#")] == [f"# {g.title}" for g in GROUPS]
    names = [line.partition(" =")[0] for line in lines if line and not line.startswith("#")]
    assert names == [option.name for option in OPTIONS]


def test_defaults_stand_alone() -> None:
    lines = shown({})
    assert "listen = 127.0.0.1:8080" in lines
    assert "admin = off" in lines
    assert "upstream =" in lines
    assert "keepalive-timeout = 75s" in lines
    assert "client-max-body-size = 1m" in lines


def test_what_is_no_default_says_where_it_comes_from() -> None:
    lines = shown(
        {"UWSGI_FRONTEND_LISTEN": ":80,:81", "UWSGI_FRONTEND_BACKLOG": "511"},
        "--upstream=unix:@a",
        "--param=A=ä b",
    )
    origins = [line.split("  # ") for line in lines if "  # " in line]
    assert [(text.rstrip(), origin) for text, origin in origins] == [
        ("listen = 0.0.0.0:80", "UWSGI_FRONTEND_LISTEN"),
        ("listen = 0.0.0.0:81", "UWSGI_FRONTEND_LISTEN"),
        ("backlog = 511", "UWSGI_FRONTEND_BACKLOG"),
        ("upstream = unix:@a", "command line"),
        ("param = A=ä b", "command line"),
    ]
    assert len({line.index("  # ") for line in lines if "  # " in line}) == 1


def test_backends_and_checks_are_shown_as_they_are_written() -> None:
    lines = shown(
        {},
        "--upstream=server  app:3031 weight=5 max_fails=1 backup=on;",
        "--check=http / header='X: a b'",
        "--next-upstream=error http_503",
        "--sticky-cookie=s path=/ secure",
    )
    texts = [line.partition("  # ")[0].rstrip() for line in lines if "  # " in line]
    assert texts == [
        "upstream = app:3031 weight=5 backup",
        "sticky-cookie = s secure",
        "next-upstream = error,http_503",
        'check = http header="X:a b"',
    ]


def test_a_long_value_is_whole() -> None:
    assert f"param = A={'x' * 200}  # command line" in shown({}, f"--param=A={'x' * 200}")


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert r"param = A=\x1b[31m\n  # command line" in shown({}, "--param=A=\x1b[31m\n")


@pytest.mark.parametrize(
    ("text", "safe"),
    [("a ä'", "a ä'"), ("\n\0\x1b", r"\n\x00\x1b"), ("\u2028\udcff", r"\u2028\udcff")],
)
def test_printable_text_stays_and_other_text_is_escaped(text: str, safe: str) -> None:
    assert printable(text) == safe


def test_the_listing_is_stable() -> None:
    assert shown({}, "--loop=asyncio") == shown({}, "--loop=asyncio")


def test_a_secret_is_not_shown() -> None:
    lines = shown({"UWSGI_FRONTEND_ADMIN_TOKEN": "0123456789abcdef"})
    assert "0123456789abcdef" not in "\n".join(lines)
    (line,) = [line for line in lines if line.startswith("admin-token =")]
    assert line.split("#")[0].strip() == "admin-token = ********"
    assert "admin-token =" in shown({})
