"""TLS towards clients: certificates, what is offered, how long a handshake may take."""

from dataclasses import dataclass
from typing import Literal

TlsProtocol = Literal["TLSv1.2", "TLSv1.3"]


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What listeners with TLS offer. nginx's names are in parentheses."""

    certificates: tuple[str, ...] = ()
    """PEM files: the server's own certificate first, then the chain (ssl_certificate). The first
    file is for clients that name no host, or an unknown one."""
    keys: tuple[str, ...] = ()
    """PEM files of their private keys, in the same order; none: the keys are in the files of the
    certificates (ssl_certificate_key)."""
    protocols: tuple[TlsProtocol, ...] = ("TLSv1.2", "TLSv1.3")
    """Versions that are spoken (ssl_protocols)."""
    ciphers: str = ""
    """OpenSSL's list for TLS 1.2; empty: those with forward secrecy (ssl_ciphers)."""
    handshake_timeout_s: float = 60.0
    """From accept to the end of the handshake (client_header_timeout)."""
    reload_interval_s: float = 10.0
    """Between two looks at whether the files have changed; 0 for none."""
