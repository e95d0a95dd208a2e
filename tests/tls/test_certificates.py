"""Certificates: what can be used, which is shown to whom, and what happens to new files."""

import logging
import os
import ssl
from pathlib import Path

import pytest

from protocol.certificate import read_certificate
from proxy.settings import TlsSettings
from proxy.tls.certificates import Certificates, Pair, TlsError, load, new_context, pairs_of
from tests.tls.authority import Authority
from tests.tls.talk import shake_hands

PLAIN = TlsSettings()


def settings(*pairs: Pair) -> TlsSettings:
    certificates, keys = zip(*pairs, strict=True)
    return TlsSettings(certificates, keys)


def shown_to(certificates: Certificates, name: str | None) -> str:
    """Return the first name of the certificate that a client is shown which asks for `name`."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    _, ours = shake_hands(certificates.session, client, name)
    der = ours.getpeercert(binary_form=True)
    assert der is not None
    return read_certificate(der).names[0]


def test_a_pair_that_is_good(authority: Authority) -> None:
    pair = authority.issue("site", "a.example")
    shown = load(PLAIN, pair)
    assert shown.facts.names == ("a.example",)
    assert shown.stamp == pair.stamp


def test_a_key_may_be_in_the_file_of_its_certificate(authority: Authority) -> None:
    pair = authority.issue()
    with open(pair.certificate, "a") as file:
        file.write(Path(pair.key).read_text())
    (one,) = pairs_of(TlsSettings((pair.certificate,)))
    assert one == (pair.certificate, pair.certificate)
    load(PLAIN, one)


def complaint(pair: Pair) -> str:
    with pytest.raises(TlsError) as caught:
        load(PLAIN, pair)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_used_says_why(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.issue("good"), authority.issue("other")
    text = tmp_path / "text"
    text.write_text("nothing of the kind")
    damaged = tmp_path / "damaged.pem"
    damaged.write_text(Path(good.certificate).read_text().replace("A", "B", 40))
    locked = authority.issue("locked", password="secret")
    assert complaint(Pair("/none.pem", good.key)) == (
        "--tls-certificate /none.pem: No such file or directory"
    )
    assert complaint(Pair(good.certificate, "/none.key")) == (
        "--tls-certificate-key /none.key: No such file or directory"
    )
    assert complaint(Pair(str(tmp_path), good.key)).endswith(": Is a directory")
    assert "no certificate in it; PEM is" in complaint(Pair(str(text), good.key))
    assert "no private key in it; PEM is" in complaint(Pair(good.certificate, str(text)))
    assert "no private key in it; give --tls-certificate-key" in complaint(
        Pair(good.certificate, good.certificate)
    )
    assert complaint(Pair(good.certificate, other.key)) == (
        f"--tls-certificate-key {other.key}: not the key of {good.certificate}"
    )
    assert "damaged" in complaint(Pair(str(damaged), good.key))
    assert "the key is encrypted" in complaint(locked)
    weak = authority.issue("weak", kind="rsa1024")
    assert "too weak for OpenSSL (ee key too small)" in complaint(weak)


def test_an_old_kind_of_encrypted_key(authority: Authority) -> None:
    """It must not ask for the password on the terminal."""
    pair = authority.issue()
    head = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    Path(pair.key).write_text(head)
    assert "the key is encrypted" in complaint(pair)


def test_ciphers_and_versions() -> None:
    context = new_context(TlsSettings(ciphers="ECDHE+AESGCM", protocols=("TLSv1.2",)))
    assert context.maximum_version == context.minimum_version == ssl.TLSVersion.TLSv1_2
    old = [one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"]
    assert old
    assert all(name.startswith("ECDHE") and "GCM" in name for name in old)
    with pytest.raises(TlsError, match="--tls-ciphers nonsense: OpenSSL finds no cipher in it"):
        new_context(TlsSettings(ciphers="nonsense"))


def test_the_name_that_a_client_asks_for_chooses(authority: Authority) -> None:
    certificates = Certificates(
        settings(
            authority.issue("first", "first.example"),
            authority.issue("wild", "*.wild.example", "wild.example"),
            authority.issue("exact", "exact.wild.example"),
        )
    )
    for name, first in (
        (None, "first.example"),
        ("unknown.example", "first.example"),
        ("first.example", "first.example"),
        ("a.wild.example", "*.wild.example"),
        ("WILD.example", "*.wild.example"),
        ("exact.wild.example", "exact.wild.example"),
        ("a.b.wild.example", "first.example"),
    ):
        assert shown_to(certificates, name) == first, name


def test_http_1_1_is_all_that_is_spoken(authority: Authority) -> None:
    certificates = Certificates(settings(authority.issue()))
    context = authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    theirs, ours = shake_hands(certificates.session, context, "localhost")
    assert theirs.selected_alpn_protocol() == ours.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_also_after_a_new_certificate(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    certificates = Certificates(settings(authority.issue()))
    context = authority.client_context(version)
    _, ours = shake_hands(certificates.session, context, "localhost")
    authority.issue("site", "localhost", "new.example")
    certificates.look()
    assert certificates.loaded == 1
    again, _ = shake_hands(certificates.session, context, "localhost", ours.session)
    assert again.session_reused


def test_new_files_are_taken_and_bad_ones_change_nothing(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pair = authority.issue("site", "old.example")
    certificates = Certificates(settings(pair))
    certificates.look()
    assert (certificates.loaded, certificates.failed, caplog.messages) == (0, 0, [])
    other = authority.issue("other", "new.example")
    os.replace(other.certificate, pair.certificate)  # and its key is not there yet
    certificates.look()
    certificates.look()
    assert (certificates.loaded, certificates.failed) == (0, 1)
    assert caplog.messages == [
        f"the certificate in use stays: --tls-certificate-key {pair.key}: not the key of "
        f"{pair.certificate}"
    ]
    assert shown_to(certificates, None) == "old.example"
    os.replace(other.key, pair.key)
    certificates.look()
    assert (certificates.loaded, certificates.failed) == (1, 1)
    assert shown_to(certificates, None) == "new.example"
    assert caplog.messages[1:] == [f"{pair.certificate}: a new certificate is in use"]
    os.unlink(pair.key)
    certificates.look()
    assert (certificates.loaded, certificates.failed) == (1, 2)
    assert shown_to(certificates, None) == "new.example"


def test_files_behind_a_link_that_is_moved(authority: Authority, tmp_path: Path) -> None:
    """As Kubernetes does it with secrets."""
    authority.issue("old", "old.example")
    authority.issue("new", "new.example")
    for name in ("old", "new"):
        (tmp_path / f"{name}.d").mkdir()
        for end in ("pem", "key"):
            os.replace(tmp_path / f"{name}.{end}", tmp_path / f"{name}.d" / f"tls.{end}")
    link = tmp_path / "data"
    link.symlink_to("old.d")
    certificates = Certificates(settings(Pair(str(link / "tls.pem"), str(link / "tls.key"))))
    (tmp_path / "fresh").symlink_to("new.d")
    os.replace(tmp_path / "fresh", link)
    certificates.look()
    assert shown_to(certificates, None) == "new.example"


def test_it_looks_as_often_as_it_should(authority: Authority) -> None:
    pair = authority.issue("site", "old.example")
    certificates = Certificates(TlsSettings((pair.certificate,), (pair.key,), reload_interval_s=10))
    certificates.look_if_due(1000.0)
    authority.issue("site", "new.example")
    certificates.look_if_due(1009.9)
    assert certificates.loaded == 0
    certificates.look_if_due(1010.0)
    assert certificates.loaded == 1
    never = Certificates(TlsSettings((pair.certificate,), (pair.key,), reload_interval_s=0))
    authority.issue("site", "newer.example")
    never.look_if_due(1e9)
    assert never.loaded == 0


def test_what_works_but_should_not_stay_is_said(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    late, soon = authority.issue("late", days=-1), authority.issue("soon", days=5.5)
    os.chmod(soon.key, 0o644)
    Certificates(settings(late, soon))
    assert caplog.messages == [
        f"{late.certificate}: this certificate has expired",
        f"{soon.certificate}: this certificate ends in 5 days",
        f"{soon.key}: everybody on this machine can read this key; chmod o-r it",
    ]


def test_when_certificates_end(authority: Authority) -> None:
    pair = authority.issue(days=30)
    ((path, end),) = Certificates(settings(pair), wall_clock=lambda: 0.0).ends
    assert path == pair.certificate
    assert end > 1.7e9
