"""The rows of the table about TLS towards clients."""

from typing import get_args

from proxy.config.kinds import DURATION, PATH, Kind
from proxy.config.option import MORE_THAN_0, Group, Option
from proxy.settings import TlsProtocol

_PROTOCOLS: tuple[TlsProtocol, ...] = get_args(TlsProtocol)
_REFUSED = ("sslv2", "sslv3", "tlsv1", "tlsv1.0", "tlsv1.1")


def parse_protocols(text: str) -> tuple[TlsProtocol, ...]:
    """Return the versions of a list with commas or, as nginx has it, spaces.

    Raises:
        ValueError: with one line on the first word that is wrong.
    """
    words = text.removesuffix(";").replace(",", " ").split()
    chosen = set(map(_protocol, words))
    if not chosen:
        raise ValueError(f"names no version; choose from {', '.join(_PROTOCOLS)}")
    return tuple(one for one in _PROTOCOLS if one in chosen)


def _protocol(word: str) -> TlsProtocol:
    for protocol in _PROTOCOLS:
        if word.lower() in (protocol.lower(), protocol.lower().removeprefix("tlsv")):
            return protocol
    if word.lower() in _REFUSED:
        raise ValueError(f"{word} is not safe (RFC 8996) and not offered; take TLSv1.2")
    raise ValueError(f"{word} is no version; choose from {', '.join(_PROTOCOLS)}")


CIPHERS = Kind("CIPHERS", "ECDHE+AESGCM:ECDHE+CHACHA20", str.strip)
PROTOCOLS = Kind("VERSIONS", "TLSv1.3", parse_protocols, ",".join)

# fmt: off
# One row reads: name, place in the tree, kind, help, names elsewhere, bounds.

TLS_GROUP = Group("TLS towards clients", (
    Option("--tls-certificate", "tls.certificates", PATH,
        "For listeners with the word tls: a PEM file with the certificate, then those of its "
        "chain. May be given several times: the name that a client asks for chooses (SNI), the "
        "first is for all others.",
        ("nginx ssl_certificate", "gunicorn certfile", "uWSGI https"), many=True),
    Option("--tls-certificate-key", "tls.keys", PATH,
        "A PEM file with the certificate's key, not encrypted. Left out, the key is in the file of "
        "the certificate; with several certificates, each has one, in the same order.",
        ("nginx ssl_certificate_key", "gunicorn keyfile"), many=True),
    Option("--tls-protocols", "tls.protocols", PROTOCOLS,
        "The versions of TLS that are spoken.",
        ("nginx ssl_protocols",)),
    Option("--tls-ciphers", "tls.ciphers", CIPHERS,
        "OpenSSL's list of ciphers for TLS 1.2; unset, those with forward secrecy. TLS 1.3 has its "
        "own.",
        ("nginx ssl_ciphers", "gunicorn ciphers")),
    Option("--tls-handshake-timeout", "tls.handshake_timeout_s", DURATION,
        "For a whole handshake; the time for a request's head begins behind it.",
        ("nginx client_header_timeout",), low=MORE_THAN_0),
    Option("--tls-reload-interval", "tls.reload_interval_s", DURATION,
        "How often the files are looked at: new ones are used for new connections, and if they are "
        "wrong the old ones stay. 0 for never. On SIGUSR1 they are looked at in any case.",
        (), low=0),
))
# fmt: on
