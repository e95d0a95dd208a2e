"""The certificates that are shown to clients, and what else a handshake is done with.

    session ─► base context: versions, ciphers, keys of session tickets; the same for good
                   │ the name that the client asks for (SNI)
                   ▼
               one context for each certificate: replaced when its files have changed

So new files are in use from one handshake to the next, and what clients remember of a session
stays good: through a change of certificate, and in all workers, which are forked with the base.
"""

import contextlib
import os
import re
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from logging import getLogger
from typing import NamedTuple

from protocol.certificate import CertificateFacts, covers, read_certificate
from protocol.errors import CertificateError
from proxy.settings import TlsSettings

ALPN = ("http/1.1",)
"""What is spoken behind the handshake. Clients that offer more have a choice of one."""

WARN_BEFORE_S = 14 * 86400
"""How long before the end of a certificate the log says so."""

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_MAX_FILE_BYTES = 1 << 20

log = getLogger("proxy.tls")


class TlsError(Exception):
    """Something about certificates cannot be used: one line, with the option that named it."""


class Pair(NamedTuple):
    """Where a certificate and its key are; often the same file."""

    certificate: str
    key: str

    @property
    def stamp(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file does, also behind a symbolic link."""
        stamps = []
        for path in self:
            with contextlib.suppress(OSError):
                facts = os.stat(path)
                stamps.append((facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size))
        return tuple(stamps)


class Session(ssl.SSLObject):
    """One connection's encryption."""

    asked_for = ""
    """The host that the client named; empty for none."""


class Shown(NamedTuple):
    """One certificate in use."""

    pair: Pair
    stamp: tuple[tuple[int, ...], ...]
    context: ssl.SSLContext
    facts: CertificateFacts


def pairs_of(settings: TlsSettings) -> list[Pair]:
    """Return the configured files."""
    keys = settings.keys or settings.certificates
    return list(map(Pair, settings.certificates, keys))


def new_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context without a certificate.

    Raises:
        TlsError: OpenSSL does not know the ciphers.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = min(_VERSIONS[name] for name in settings.protocols)
    context.maximum_version = max(_VERSIONS[name] for name in settings.protocols)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(ALPN))
    context.sslobject_class = Session
    if settings.ciphers:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise TlsError(
                f"--tls-ciphers {settings.ciphers}: OpenSSL finds no cipher in it; try the list "
                "with: openssl ciphers -v"
            ) from None
    return context


def load(settings: TlsSettings, pair: Pair) -> Shown:
    """Read a certificate and its key.

    Raises:
        TlsError: they cannot be used.
    """
    stamp = pair.stamp  # before reading: a change meanwhile shows at the next look
    facts = _read_facts(pair.certificate)
    _check_key(pair)
    context = new_context(settings)
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=lambda: "")
    except ssl.SSLError as error:
        raise TlsError(_why_unusable(pair, error)) from None
    except OSError as error:
        raise TlsError(f"--tls-certificate {pair.certificate}: {error.strerror}") from None
    return Shown(pair, stamp, context, facts)


def _read(option: str, path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise TlsError(f"{option} {path}: {error.strerror}") from None


def _read_facts(path: str) -> CertificateFacts:
    found = _CERTIFICATE.search(_read("--tls-certificate", path))
    if found is None:
        raise TlsError(f"--tls-certificate {path}: no certificate in it; PEM is what is read")
    try:
        return read_certificate(ssl.PEM_cert_to_DER_cert(found[0]))
    except (CertificateError, ValueError):
        raise TlsError(f"--tls-certificate {path}: its first certificate is damaged") from None


def _check_key(pair: Pair) -> None:
    text = _read("--tls-certificate-key", pair.key)
    if "PRIVATE KEY-----" not in text:
        hint = (
            "give --tls-certificate-key" if pair.key == pair.certificate else "PEM is what is read"
        )
        raise TlsError(f"--tls-certificate-key {pair.key}: no private key in it; {hint}")
    if "ENCRYPTED" in text:
        raise TlsError(
            f"--tls-certificate-key {pair.key}: the key is encrypted, and there is nobody to ask "
            "for its password; write it without: openssl pkey -in OLD -out NEW"
        )


def _why_unusable(pair: Pair, error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "MISMATCH" in reason:
        return f"--tls-certificate-key {pair.key}: not the key of {pair.certificate}"
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return f"--tls-certificate {pair.certificate}: too weak for OpenSSL ({_words(reason)})"
    detail = f" ({_words(reason)})" if reason else ""
    return f"--tls-certificate {pair.certificate}, its chain or its key is damaged{detail}"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


class Certificates:
    """What listeners with TLS do handshakes with. Files are looked at by `look`."""

    def __init__(self, settings: TlsSettings, wall_clock: Callable[[], float] = time.time) -> None:
        """Read all files.

        Raises:
            TlsError: they cannot be used.
        """
        self._settings = settings
        self._wall_clock = wall_clock
        self._due = 0.0
        self.failed = 0
        """Looks so far that found files which could not be used."""
        self.loaded = 0
        """Certificates that have been replaced by new ones."""
        self._shown = [load(settings, pair) for pair in pairs_of(settings)]
        self._base = new_context(settings)
        self._base.sni_callback = self._choose
        for shown in self._shown:
            self._warn(shown)

    def session(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """Begin a handshake over two buffers of bytes."""
        return self._base.wrap_bio(incoming, outgoing, server_side=True)

    @property
    def ends(self) -> Iterator[tuple[str, float]]:
        """The file of each certificate, and when it ends, in Unix time."""
        return ((shown.pair.certificate, shown.facts.not_after) for shown in self._shown)

    def _choose(self, session: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None and isinstance(session, Session):
            session.asked_for = name
        session.context = self._for_host(name).context

    def _for_host(self, name: str | None) -> Shown:
        if name is not None and len(self._shown) > 1:
            host = name.lower()
            for wildcards in (False, True):
                for shown in self._shown:
                    for pattern in shown.facts.names:
                        if pattern.startswith("*") is wildcards and covers(pattern, host):
                            return shown
        return self._shown[0]

    def look_if_due(self, now: float) -> None:
        """Look at the files, if it is long ago."""
        interval_s = self._settings.reload_interval_s
        if interval_s and now >= self._due:
            self._due = now + interval_s
            self.look()

    def look(self) -> None:
        """Take what is new in the files. What is wrong in them changes nothing, and is logged."""
        for number, shown in enumerate(self._shown):
            stamp = shown.pair.stamp
            if stamp == shown.stamp:
                continue
            try:
                fresh = load(self._settings, shown.pair)
            except TlsError as error:
                self.failed += 1
                log.error("the certificate in use stays: %s", error)
                self._shown[number] = shown._replace(stamp=stamp)  # said once for each change
            else:
                self.loaded += 1
                self._shown[number] = fresh
                log.info("%s: a new certificate is in use", shown.pair.certificate)
                self._warn(fresh)

    def _warn(self, shown: Shown) -> None:
        """Say what is not as it should be, though it works."""
        left_s = shown.facts.not_after - self._wall_clock()
        path, key = shown.pair
        if left_s < 0:
            log.warning("%s: this certificate has expired", path)
        elif left_s < WARN_BEFORE_S:
            log.warning("%s: this certificate ends in %d days", path, left_s // 86400)
        with contextlib.suppress(OSError):
            if stat.S_IMODE(os.stat(key).st_mode) & stat.S_IROTH:
                log.warning("%s: everybody on this machine can read this key; chmod o-r it", key)
