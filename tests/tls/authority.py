"""Certificates made for a test, by `cryptography`: an authority, and what it signs."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from proxy.tls.certificates import Pair

_signed_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
LOCAL = ("localhost", "127.0.0.1")


class Authority:
    """Signs what it is asked to. `ca_file` is what a client has to trust."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca_file = str(directory / "ca.pem")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority for tests")
        # From Python 3.13 on, clients want to be told which key signed what.
        self._key_identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = (
            _builder(self._name, self._name, 1)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(self._key_identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        Path(self.ca_file).write_bytes(_pem(certificate))

    def issue(
        self,
        file: str = "site",
        *names: str,
        days: float = 90,
        kind: str = "ec",
        password: str = "",
    ) -> Pair:
        """Write `file`.pem and `file`.key for these names, localhost by default."""
        names = names or LOCAL
        key = _new_key(kind)
        certificate = (
            _builder(_name(names[0]), self._name, days)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(_signed_by(self._key_identifier), False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(str(self.directory / f"{file}.pem"), str(self.directory / f"{file}.key"))
        Path(pair.certificate).write_bytes(_pem(certificate))
        hidden: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            hidden = serialization.BestAvailableEncryption(password.encode())
        form = serialization.PrivateFormat.PKCS8
        Path(pair.key).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, hidden))
        Path(pair.key).chmod(0o600)
        return pair

    def client_context(self, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Return what a client of this authority has, up to a version."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if newest is not None:
            context.maximum_version = newest
        return context


def _new_key(kind: str) -> CertificateIssuerPrivateKeyTypes:
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))


def _builder(subject: x509.Name, issuer: x509.Name, days: float) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
