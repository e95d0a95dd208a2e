"""TLS is off, and safe, until somebody asks for more."""

from proxy.settings import TlsSettings


def test_defaults() -> None:
    tls = TlsSettings()
    assert tls.certificates == tls.keys == ()
    assert tls.protocols == ("TLSv1.2", "TLSv1.3")
    assert (tls.handshake_timeout_s, tls.reload_interval_s) == (60.0, 10.0)
