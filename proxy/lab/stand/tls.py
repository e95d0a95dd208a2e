"""TLS for a comparison: one certificate for everybody, made here, and a uWSGI that can use it.

Everybody gets the same key (ECDSA P-256) and the same protocol (TLS 1.3, no ALPN, so HTTP/1.1).
Clients resume no session: each new connection is a whole handshake. The certificate is made by the
package `cryptography` (extra `lab`): an `openssl` program is not everywhere, and has changed its
options often enough.
"""

import datetime
import importlib.util
import ipaddress
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

from proxy.lab.processes import BenchError
from proxy.lab.stand.ports import HOST
from proxy.lab.stand.setup import Setup, Tls
from proxy.worker.command import Uwsgi, launch, output, version_in

KEY = "ECDSA P-256"
_DAYS = 2
_PLUGIN = "python3"
"""Of Debian's uWSGI."""


def make(place: Path) -> Tls:
    """Make a key and a certificate that is its own authority, for loopback.

    Raises:
        BenchError: the package for it is not installed.
    """
    if importlib.util.find_spec("cryptography") is None:
        raise BenchError("TLS needs the package cryptography: pip install 'uwsgi-frontend[lab]'")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False
        )
        .sign(key, hashes.SHA256())
    )
    made = Tls(place / "cert.pem", place / "key.pem")
    pem = serialization.Encoding.PEM
    made.certificate.write_bytes(built.public_bytes(pem))
    made.key.touch(0o600)
    made.key.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return made


def plain(setup: Setup) -> Setup:
    """Return the setup for rows beside which those with TLS are set: the same uWSGI, no TLS.

    Not every uWSGI has TLS (PyPI's pyuwsgi has none), and another uWSGI may have another Python.
    These rows ask for nothing but the lab's own paths, so they do without the user's application.
    """
    usual = setup.installed.uwsgi
    found = find_uwsgi(usual) or usual
    installed = replace(setup.installed, uwsgi=found)
    return replace(setup, installed=installed, app="", foreign=found != usual)


def secured(setup: Setup) -> Setup:
    """Return the same with TLS.

    Raises:
        BenchError: no certificate can be made.
    """
    place = setup.within("tls").place
    known = Tls(place / "cert.pem", place / "key.pem")
    return replace(plain(setup), tls=known if known.key.exists() else make(place))


def uwsgi_options(setup: Setup, option: str, address: str) -> list[str]:
    """Return the options of a uWSGI that speaks TLS itself.

    Args:
        option: `--https-socket` of its workers, or `--https` of its router.

    Raises:
        BenchError: this one cannot.
    """
    assert setup.tls is not None
    uwsgi = setup.installed.uwsgi
    if uwsgi is not None and not has_tls(uwsgi):
        raise BenchError(
            f"{uwsgi} has no {option}: it is built without TLS, as PyPI's pyuwsgi is; Debian's is "
            "built with it (apt-get install uwsgi-core uwsgi-plugin-python3)"
        )
    return [option, f"{address},{setup.tls.certificate},{setup.tls.key}"]


@cache
def find_uwsgi(usual: Uwsgi | None) -> Uwsgi | None:
    """Return a uWSGI with TLS: the usual one if it has it, else one on PATH; None without any."""
    if usual is not None and has_tls(usual):
        return usual
    program = shutil.which("uwsgi")
    for plugins in ((), (_PLUGIN,)) if program else ():
        assert program is not None
        other = Uwsgi(version_in(output([program, "--version"])), program, plugins)
        if has_tls(other) and "--wsgi-file" in _help(other):
            return other
    return None


def has_tls(uwsgi: Uwsgi) -> bool:
    """Ask a uWSGI whether it was built with TLS."""
    return "--https-socket" in _help(uwsgi)


@cache
def _help(uwsgi: Uwsgi) -> str:
    """Return what it says of its options."""
    if not uwsgi.program:
        return output(launch("pyuwsgi", "--help"))
    plugins = ["--plugins", ",".join((*uwsgi.plugins, "http"))] if uwsgi.plugins else []
    return output([uwsgi.program, *plugins, "--help"])
