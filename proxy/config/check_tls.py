"""What is wrong with TLS towards clients: files, keys, ciphers. They are read, nothing is kept."""

from collections.abc import Iterator

from proxy.settings import Settings, TlsSettings
from proxy.tls.certificates import TlsError, load, new_context, pairs_of

_EXAMPLE = '--listen "0.0.0.0:8443 tls"'


def complaints(settings: Settings) -> Iterator[str]:
    """Yield one line for each thing that would keep a handshake from working."""
    tls = settings.tls
    listeners = [address for address in settings.server.listen if address.tls]
    if listeners and not tls.certificates:
        yield f"--listen {listeners[0]}: TLS needs --tls-certificate and --tls-certificate-key"
    if tls.certificates and not listeners:
        yield f"--tls-certificate: no listener speaks TLS; write {_EXAMPLE}"
    yield from _pairs(tls)


def _pairs(tls: TlsSettings) -> Iterator[str]:
    count, keys = len(tls.certificates), len(tls.keys)
    if keys and not count:
        yield "--tls-certificate-key: there is no --tls-certificate that it could be for"
    elif keys not in (0, count):
        yield f"--tls-certificate-key: {keys} for {count} of --tls-certificate; each has its own"
    else:
        yield from _unusable(tls)


def _unusable(tls: TlsSettings) -> Iterator[str]:
    try:
        new_context(tls)
    except TlsError as error:
        yield str(error)
        return
    for pair in pairs_of(tls):
        try:
            load(tls, pair)
        except TlsError as error:
            yield str(error)
