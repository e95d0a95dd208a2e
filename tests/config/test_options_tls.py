"""The options of TLS: what is written gives what listeners are told."""

from typing import Any

import pytest

from proxy.config.argv import read_argv
from proxy.config.options_tls import TLS_GROUP, parse_protocols
from proxy.config.show import listing
from proxy.config.sources import load
from proxy.settings import Address

ROWS: list[tuple[str, str, str, Any]] = [
    ("--tls-certificate", "/a.pem", "tls.certificates", ("/a.pem",)),
    ("--tls-certificate-key", "/a.key", "tls.keys", ("/a.key",)),
    ("--tls-protocols", "TLSv1.3", "tls.protocols", ("TLSv1.3",)),
    ("--tls-ciphers", "HIGH:!aNULL", "tls.ciphers", "HIGH:!aNULL"),
    ("--tls-handshake-timeout", "5s", "tls.handshake_timeout_s", 5.0),
    ("--tls-reload-interval", "1m", "tls.reload_interval_s", 60.0),
]


@pytest.mark.parametrize(("flag", "text", "path", "value"), ROWS)
def test_an_option_gives_its_value(flag: str, text: str, path: str, value: Any) -> None:
    source = read_argv([flag, text]).source
    assert source.complaints == []
    assert source.given[path].value == value


def test_every_option_of_the_group_is_tried() -> None:
    assert {row[0] for row in ROWS} == {option.flag for option in TLS_GROUP.options}


def test_plain_and_secure_side_by_side() -> None:
    loaded = load([read_argv(["--listen", ":80", "--listen", ":443 ssl"]).source])
    assert loaded.settings.server.listen == (
        Address(host="0.0.0.0", port=80),
        Address(host="0.0.0.0", port=443, tls=True),
    )
    assert "listen = 0.0.0.0:443 tls" in listing(loaded, "1")


@pytest.mark.parametrize(
    ("text", "protocols"),
    [
        ("TLSv1.2 TLSv1.3;", ("TLSv1.2", "TLSv1.3")),
        ("tlsv1.3,tlsv1.2", ("TLSv1.2", "TLSv1.3")),
        ("1.3", ("TLSv1.3",)),
    ],
)
def test_versions_in_nginx_s_way(text: str, protocols: tuple[str, ...]) -> None:
    assert parse_protocols(text) == protocols


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TLSv1.1 TLSv1.2", r"TLSv1.1 is not safe \(RFC 8996\) and not offered; take TLSv1.2"),
        ("TLSv1.4", "TLSv1.4 is no version; choose from TLSv1.2, TLSv1.3"),
        (" ", "names no version; choose from TLSv1.2, TLSv1.3"),
    ],
)
def test_versions_that_are_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_protocols(text)
