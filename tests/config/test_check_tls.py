"""Complaints about TLS."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.check_tls import complaints
from proxy.settings import Address, ServerSettings, Settings, TlsSettings
from tests.tls.authority import Authority

SECURE = Address(host="127.0.0.1", port=8443, tls=True)
PLAIN = Address(host="127.0.0.1", port=8080)


def wrong(*listen: Address, **tls: Any) -> list[str]:
    return list(complaints(Settings(ServerSettings(listen=listen), TlsSettings(**tls))))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_nothing_is_wrong(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    assert wrong(PLAIN) == []
    assert wrong(PLAIN, SECURE, certificates=one[:1], keys=one[1:]) == []
    both = {"certificates": (one[0], two[0]), "keys": (one[1], two[1])}
    assert wrong(SECURE, **both) == []


def test_a_listener_without_a_certificate() -> None:
    assert wrong(SECURE) == [
        "--listen 127.0.0.1:8443 tls: TLS needs --tls-certificate and --tls-certificate-key"
    ]


def test_a_certificate_without_a_listener(authority: Authority) -> None:
    pair = authority.issue()
    assert wrong(PLAIN, certificates=pair[:1], keys=pair[1:]) == [
        '--tls-certificate: no listener speaks TLS; write --listen "0.0.0.0:8443 tls"'
    ]


def test_keys_that_do_not_add_up(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    assert wrong(PLAIN, keys=(one.key,)) == [
        "--tls-certificate-key: there is no --tls-certificate that it could be for"
    ]
    assert wrong(SECURE, certificates=(one[0], two[0]), keys=(one.key,)) == [
        "--tls-certificate-key: 1 for 2 of --tls-certificate; each has its own"
    ]


def test_every_pair_that_cannot_be_used_is_told(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    crossed = {"certificates": (one[0], two[0]), "keys": (two[1], one[1])}
    assert wrong(SECURE, **crossed) == [
        f"--tls-certificate-key {two.key}: not the key of {one.certificate}",
        f"--tls-certificate-key {one.key}: not the key of {two.certificate}",
    ]


def test_ciphers_that_are_none(authority: Authority) -> None:
    pair = authority.issue()
    (complaint,) = wrong(SECURE, certificates=pair[:1], keys=pair[1:], ciphers="none of these")
    assert complaint.startswith("--tls-ciphers none of these: OpenSSL finds no cipher")
