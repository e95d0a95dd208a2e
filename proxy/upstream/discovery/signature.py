"""Signed announcements: whether one was made by who may speak for its key, and only once.

uWSGI signs with RSA (PKCS#1 v1.5) and does not say with which digest, so the allowed ones are
tried. The public key of a key is the file `<dir>/<key>.pem`, with `_` for what no host name has:
`ex.com:8000` is `ex.com_8000.pem`, as in uWSGI. The key is the normalised one.

SHA-1 counts only for a key whose file is called `<key>.sha1.pem`: uWSGI's manual uses it in its
examples, and nobody has broken it for this purpose yet, but whoever relies on it should know.

Replay: uWSGI compares the time of an announcement with that of the *first* one of an instance, by
default to a day, and lets an unsubscription pass whatever its time. Here every announcement has to
be within the allowed skew of this host's clock, in both directions, and newer than the last one for
the same key and address, even if that instance has been gone since. The command is not signed: a
fresh announcement can be turned into its opposite on the way, which `subscription` allows for.

Import this only where a directory of keys is configured: it needs the package `cryptography`
(`pip install 'uwsgi-frontend[signed]'`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from protocol.subscription import Announcement
from proxy.settings import Address
from proxy.upstream.discovery.admission import Refused

MIN_KEY_BITS = 2048
MAX_KEY_FILE_BYTES = 64 * 1024
MAX_CACHED_KEYS = 1024

_STRONG: Sequence[hashes.HashAlgorithm] = (hashes.SHA256(), hashes.SHA512(), hashes.SHA384())
_WEAK: Sequence[hashes.HashAlgorithm] = (hashes.SHA1(),)
_NOT_DNS = re.compile(r"[^0-9A-Za-z._-]")


@dataclass(frozen=True, slots=True)
class _CachedKey:
    """A key as it was read from a file that looked like this then."""

    stamp: tuple[int, int, int]
    key: RSAPublicKey


class KeyRing:
    """The public keys in a directory. Files are read anew when they have changed."""

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)
        self._cache: dict[Path, _CachedKey] = {}

    def check(self, key: str, signed: bytes, signature: bytes) -> None:
        """Accept a signature over `signed` by the owner of `key`.

        Raises:
            Refused: there is no (good) public key, or it is not that owner's signature.
        """
        name = _NOT_DNS.sub("_", key)
        strong = self._read(self._directory / f"{name}.pem")
        if strong is not None and _matches(strong, signed, signature, _STRONG):
            return
        weak = self._read(self._directory / f"{name}.sha1.pem")
        if weak is not None and _matches(weak, signed, signature, (*_STRONG, *_WEAK)):
            return
        if strong is None and weak is None:
            raise Refused("no_key", f"there is no {name}.pem to check the signature with")
        if strong is not None and _matches(strong, signed, signature, _WEAK):
            raise Refused("digest", f"signed with SHA-1, accepted only for {name}.sha1.pem")
        raise Refused("signature", f"not signed by the owner of {name}.pem")

    def _read(self, path: Path) -> RSAPublicKey | None:
        """Return a public key; None when there is no such file."""
        try:
            facts = path.stat()
            stamp = facts.st_mtime_ns, facts.st_size, facts.st_ino
            cached = self._cache.get(path)
            if cached is not None and cached.stamp == stamp:
                return cached.key
            if facts.st_size > MAX_KEY_FILE_BYTES:
                raise Refused("no_key", f"{path.name} is too large for a key")
            key = _load(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused("no_key", f"{path.name} cannot be read: {error.strerror}") from error
        if len(self._cache) >= MAX_CACHED_KEYS:
            self._cache.clear()
        self._cache[path] = _CachedKey(stamp, key)
        return key


def _load(path: Path) -> RSAPublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("no_key", f"{path.name} holds no public key in PEM") from error
    if not isinstance(key, RSAPublicKey):
        raise Refused("no_key", f"{path.name} holds no RSA key")
    if key.key_size < MIN_KEY_BITS:
        raise Refused("no_key", f"{path.name} has {key.key_size} bits, {MIN_KEY_BITS} are needed")
    return key


def _matches(
    key: RSAPublicKey, signed: bytes, signature: bytes, digests: Sequence[hashes.HashAlgorithm]
) -> bool:
    for digest in digests:
        try:
            key.verify(signature, signed, PKCS1v15(), digest)
        except (InvalidSignature, UnsupportedAlgorithm):
            continue
        return True
    return False


class Verifier:
    """Accepts each genuine announcement once. Remembers `max_remembered` instances."""

    def __init__(self, keys: KeyRing, skew_s: float, max_remembered: int) -> None:
        self._keys = keys
        self._skew_s = skew_s
        self._max_remembered = max_remembered
        self._last: dict[tuple[str, Address], int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def verify(
        self, key: str, address: Address, announcement: Announcement, unix_now: float
    ) -> None:
        """Accept an announcement, and never again one that is as old; `unix_now` is Unix time.

        Raises:
            Refused: it is not signed, too old, too new, has been here before, or is not genuine.
        """
        if not announcement.sign:
            raise Refused("unsigned", "it is not signed")
        ahead_s = announcement.unix - unix_now
        if abs(ahead_s) > self._skew_s:
            side = "ahead of" if ahead_s > 0 else "behind"
            raise Refused("clock", f"made {abs(ahead_s):.0f} s {side} this host's clock")
        who = key, address
        last = self._last.get(who)
        if last is not None and announcement.unix <= last:
            raise Refused("replay", "not newer than the last one")
        self._keys.check(key, announcement.signed_bytes, announcement.sign)
        if last is None:
            self._make_room(unix_now)
        self._last[who] = announcement.unix

    def _make_room(self, unix_now: float) -> None:
        """Forget instances whose last announcement is too old to be accepted once more.

        Raises:
            Refused: nothing can be forgotten without letting a replay pass.
        """
        if len(self._last) < self._max_remembered:
            return
        oldest = unix_now - self._skew_s
        self._last = {who: unix for who, unix in self._last.items() if unix >= oldest}
        if len(self._last) >= self._max_remembered:
            raise Refused("full", "too many instances have announced themselves lately")
