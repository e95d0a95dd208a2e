"""Listeners, backends, and how the next one is chosen."""

import pytest

from tests.migration.trees import made, site


@pytest.mark.parametrize(
    ("listen", "taken"),
    [
        ("", ["80"]),
        ("listen 8080 default_server reuseport;", ["8080"]),
        ("listen [::]:80; listen *:81;", ["[::]:80", "*:81"]),
        ("listen [::1]; listen 127.0.0.1;", ["[::1]:80", "127.0.0.1:80"]),
        ("listen 443 ssl http2;", ["443 tls"]),
        ("listen unix:/run/web.sock;", ["unix:/run/web.sock"]),
    ],
)
def test_listeners(listen: str, taken: list[str]) -> None:
    translation = site(server=listen)
    assert translation.taken["--listen"] == taken
    assert not translation.left


def test_words_of_a_listener() -> None:
    translation = site(server="listen 80 backlog=99 rcvbuf=8k proxy_protocol;")
    assert translation.taken["--backlog"] == ["99"]
    assert translation.taken["--listen-rcvbuf"] == ["8k"]
    (left,) = translation.left
    assert "PROXY protocol" in left.why


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("uwsgi_pass unix:/run/a.sock", "unix:/run/a.sock"),
        ("uwsgi_pass unix:///run/a.sock", "unix:///run/a.sock"),
        ("uwsgi_pass uwsgi://10.0.0.1:3031", "10.0.0.1:3031"),
        ("proxy_pass http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("proxy_pass http://unix:/run/g.sock:/", "unix:/run/g.sock"),
    ],
)
def test_one_backend(name: str, address: str) -> None:
    translation = made(f"server {{ location / {{ {name}; }} }}")
    assert translation.taken["--upstream"] == [address]
    assert [left.why[:22] for left in translation.left] == ["proxy_pass speaks HTTP"] * (
        name.startswith("proxy")
    )


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("least_conn;", {"--balance": ["least-conn"]}),
        ("ip_hash;", {"--balance": ["ip-hash"]}),
        ("random two least_conn;", {"--balance": ["random-two"]}),
        ("least_time last_byte;", {"--balance": ["least-time-last-byte"]}),
        ("hash $uri;", {"--balance": ["hash"], "--hash-key": ["$uri"]}),
        ("hash $uri consistent;", {"--balance": ["consistent-hash"], "--hash-key": ["$uri"]}),
        ("sticky cookie srv expires=1h;", {"--sticky-cookie": ["srv expires=1h"]}),
        ("queue 100 timeout=70;", {"--queue-size": ["100"], "--queue-timeout": ["70"]}),
        ("zone x 64k;", {}),
    ],
)
def test_upstreams(line: str, taken: dict[str, list[str]]) -> None:
    servers = "server 10.0.0.1:1 weight=2; server unix:/b backup;"
    translation = made(
        f"http {{ upstream x {{ {line} {servers} }} server {{ location / {{ uwsgi_pass x; }} }} }}"
    )
    assert translation.taken == {
        "--listen": ["80"],
        "--upstream": ["10.0.0.1:1 weight=2", "unix:/b backup"],
        **taken,
    }
    assert not translation.left


@pytest.mark.parametrize("target", ["uwsgi_pass $app", "proxy_pass http://a:1/prefix/"])
def test_what_cannot_be_said(target: str) -> None:
    translation = made(f"server {{ location / {{ {target}; }} }}")
    assert translation.left[-1].what == target


def test_a_word_that_no_backend_has_is_told() -> None:
    translation = made("upstream x { server a:1 ntlm=1; } server { location / { uwsgi_pass x; } }")
    assert "--upstream" not in translation.taken
    assert translation.left[0].why.startswith("--upstream 'a:1 ntlm=1': ntlm: ")
