"""Failed handshakes in the log: one line, and not too many."""

import logging

import pytest

from proxy.telemetry.handshake_log import HandshakeLog
from proxy.tls.handshakes import Failure

OLD = Failure("protocol_version", b"192.0.2.1", "unsupported protocol", begun=True)


def test_one_line_with_the_next_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    HandshakeLog(2)(OLD)
    assert caplog.messages == [
        "tls_handshake_failed protocol_version from 192.0.2.1: unsupported protocol; "
        "next: the client is too old, or --tls-protocols too narrow"
    ]


def test_many_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told = HandshakeLog(2)
    for _ in range(1002):
        told(OLD)
    told(OLD._replace(result="timeout"))
    assert len(caplog.messages) == 3
    told.close()
    assert caplog.messages[3:] == [
        "tls_handshake_failed protocol_version: 1,000 more like this in the last 10 s"
    ]


def test_a_look_at_the_port_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    HandshakeLog(0)(Failure("client_gone", b"192.0.2.1", "not a byte came", begun=False))
    assert caplog.messages == []
