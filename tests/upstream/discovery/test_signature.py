"""Signatures: who may speak for a key, with which digest, and never the same thing twice."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.subscription import Announcement, Command, Sign, SubscriptionError, decode, encode
from proxy.settings import Address
from proxy.upstream.discovery.admission import Refused
from proxy.upstream.discovery.signature import MAX_CACHED_KEYS, KeyRing, Verifier
from tests.upstream.discovery.signing import key_directory, private_pem, public_pem, signer

NOW = 1_800_000_000.0
HERE = Address("127.0.0.1", 3031)
SAID = Announcement(Command.SUBSCRIBE, "ex.com", "127.0.0.1:3031", cores=2, unix=int(NOW))


def announced(unix: float = NOW, sign: Sign | None = None) -> Announcement:
    return decode(encode(replace(SAID, unix=int(unix)), sign or signer()))


def checks(ring: KeyRing, sign: Sign, key: str = "ex.com") -> str:
    """Return why a signature is refused; empty when it is not."""
    try:
        ring.check(key, b"signed", sign(b"signed"))
    except Refused as error:
        return error.reason
    return ""


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(key_directory(tmp_path / "keys", "ex.com"))


@pytest.fixture
def verifier(ring: KeyRing) -> Verifier:
    return Verifier(ring, skew_s=60.0, max_remembered=10)


# -- keys and digests ---------------------------------------------------------------------------


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_strong_digests(ring: KeyRing, digest: hashes.HashAlgorithm) -> None:
    assert checks(ring, signer(digest=digest)) == ""


def test_sha1_only_where_its_name_is_in_the_file(ring: KeyRing, tmp_path: Path) -> None:
    sha1 = signer(digest=hashes.SHA1())
    assert checks(ring, sha1) == "digest"
    key_directory(tmp_path / "keys", "ex.com.sha1")
    assert checks(ring, sha1) == ""
    os.unlink(tmp_path / "keys" / "ex.com.pem")
    assert checks(ring, sha1) == ""
    assert checks(ring, signer()) == ""
    assert checks(ring, signer("theirs", hashes.SHA1())) == "signature"


def test_of_somebody_else(ring: KeyRing, tmp_path: Path) -> None:
    assert checks(ring, signer("theirs")) == "signature"
    key_directory(tmp_path / "keys", "other.com", owner="theirs")
    assert checks(ring, signer("theirs")) == "signature"
    assert checks(ring, signer("theirs"), "other.com") == ""


@pytest.mark.parametrize("garbage", [b"", b"x", b"x" * 256, b"\0" * 256, b"\xff" * 256, b"x" * 999])
def test_of_nobody(ring: KeyRing, garbage: bytes) -> None:
    assert checks(ring, lambda data: garbage) == "signature"


def test_of_something_else(ring: KeyRing) -> None:
    with pytest.raises(Refused):
        ring.check("ex.com", b"signee", signer()(b"signed"))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ex.com:8000", "ex.com_8000"),
        ("[::1]:80", "___1__80"),
        ("my_app-1", "my_app-1"),
        ("..", ".."),
        ("a/../b", "a_.._b"),
    ],
)
def test_file_names(tmp_path: Path, key: str, name: str) -> None:
    ring = KeyRing(key_directory(tmp_path / "keys", name))
    assert checks(ring, signer(), key) == ""


def test_no_key(ring: KeyRing) -> None:
    assert checks(ring, signer(), "other.com") == "no_key"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no key",
        public_pem()[:-40],
        public_pem(bits=1024),
        private_pem(),
        b"\n" * 70_000 + public_pem(),
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["empty", "text", "cut", "short", "private", "huge", "other kind"],
)
def test_files_that_hold_no_good_key(ring: KeyRing, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "keys" / "ex.com.pem").write_bytes(text)
    assert checks(ring, signer()) == "no_key"


def test_a_file_that_cannot_be_read(ring: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ex.com.pem"
    path.unlink()
    path.mkdir()
    assert checks(ring, signer()) == "no_key"


def test_a_key_that_changes(ring: KeyRing, tmp_path: Path) -> None:
    assert checks(ring, signer()) == ""
    path = tmp_path / "keys" / "ex.com.pem"
    new = path.with_suffix(".new")
    new.write_bytes(public_pem("theirs"))
    new.replace(path)
    assert checks(ring, signer()) == "signature"
    assert checks(ring, signer("theirs")) == ""
    path.unlink()
    assert checks(ring, signer("theirs")) == "no_key"


def test_the_cache_is_bounded(ring: KeyRing, tmp_path: Path) -> None:
    names = [f"host{number}" for number in range(MAX_CACHED_KEYS + 1)]
    key_directory(tmp_path / "keys", *names)
    sign = signer()
    for name in names:
        assert checks(ring, sign, name) == ""
    assert len(ring._cache) == 1


# -- once ---------------------------------------------------------------------------------------


def refused(verifier: Verifier, said: Announcement, now: float = NOW) -> str:
    with pytest.raises(Refused) as caught:
        verifier.verify("ex.com", HERE, said, now)
    return caught.value.reason


def test_each_announcement_once(verifier: Verifier) -> None:
    said = announced()
    verifier.verify("ex.com", HERE, said, NOW)
    assert refused(verifier, said) == "replay"
    assert refused(verifier, announced(NOW - 1)) == "replay"
    verifier.verify("ex.com", HERE, announced(NOW + 1), NOW)
    assert refused(verifier, said) == "replay"


def test_the_command_is_not_signed_but_counts_as_the_same(verifier: Verifier) -> None:
    """In uWSGI's own router the flipped packet removes the node."""
    said = announced()
    verifier.verify("ex.com", HERE, said, NOW)
    assert refused(verifier, replace(said, command=Command.UNSUBSCRIBE)) == "replay"


def test_unsigned(verifier: Verifier) -> None:
    assert refused(verifier, SAID) == "unsigned"
    assert len(verifier) == 0


@pytest.mark.parametrize("ahead_s", [-3600, -61, 61, 3600])
def test_too_old_or_too_new(verifier: Verifier, ahead_s: int) -> None:
    assert refused(verifier, announced(NOW + ahead_s)) == "clock"


@pytest.mark.parametrize("ahead_s", [-60, 0, 60])
def test_within_the_skew(verifier: Verifier, ahead_s: int) -> None:
    verifier.verify("ex.com", HERE, announced(NOW + ahead_s), NOW)


def test_a_forgery_leaves_no_trace(verifier: Verifier) -> None:
    forged = announced(NOW + 50, signer("theirs"))
    assert refused(verifier, forged) == "signature"
    verifier.verify("ex.com", HERE, announced(), NOW)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_signed_byte_can_change(ring: KeyRing, data: st.DataObject) -> None:
    verifier = Verifier(ring, 60.0, 10)
    wire = bytearray(encode(SAID, signer()))
    index = data.draw(st.integers(4, len(wire) - 1))
    wire[index] ^= data.draw(st.integers(1, 255))
    try:
        said = decode(bytes(wire))
    except SubscriptionError:
        return
    with pytest.raises(Refused):
        verifier.verify("ex.com", HERE, said, NOW)


def test_instances_are_told_apart(verifier: Verifier) -> None:
    verifier.verify("ex.com", HERE, announced(), NOW)
    verifier.verify("ex.com", Address("127.0.0.1", 3032), announced(), NOW)
    assert len(verifier) == 2


def test_memory_is_bounded_and_lets_no_replay_pass(verifier: Verifier) -> None:
    def announce(port: int, unix: float, now: float) -> None:
        verifier.verify("ex.com", Address("127.0.0.1", port), announced(unix), now)

    for port in range(10):
        announce(port, NOW + port, NOW)
    with pytest.raises(Refused, match="too many") as caught:
        announce(10, NOW, NOW)
    assert caught.value.reason == "full"
    announce(0, NOW + 20, NOW + 20)  # those that are known go on
    announce(10, NOW + 65, NOW + 65)  # those of 1, 2, 3, 4 have become too old to be replayed
    assert len(verifier) == 7
    for port in range(1, 10):
        with pytest.raises(Refused) as caught:
            announce(port, NOW + port, NOW + 65)
        assert caught.value.reason == ("clock" if port < 5 else "replay")
