"""Keys to sign announcements with, made once for all tests."""

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from protocol.subscription import Sign


@cache
def private_key(name: str, bits: int) -> RSAPrivateKey:
    """Return a key; other names have other keys."""
    return generate_private_key(65537, bits)


def public_pem(name: str = "ours", bits: int = 2048) -> bytes:
    """Return the text of its public half."""
    key = private_key(name, bits).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(name: str = "ours") -> bytes:
    """Return the text of the key itself, as uWSGI reads it."""
    key = private_key(name, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signer(name: str = "ours", digest: hashes.HashAlgorithm | None = None) -> Sign:
    """Return what makes signatures, as uWSGI does."""

    def sign(data: bytes) -> bytes:
        return private_key(name, 2048).sign(data, PKCS1v15(), digest or hashes.SHA256())

    return sign


def key_directory(path: Path, *names: str, owner: str = "ours") -> Path:
    """Fill a directory with public keys: `ex.com` becomes `ex.com.pem`."""
    path.mkdir(exist_ok=True)
    for name in names:
        (path / f"{name}.pem").write_bytes(public_pem(owner))
    return path
