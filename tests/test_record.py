"""The facts of an exchange: what they are before anything has happened."""

from proxy.record import AttemptRecord, Record


def test_a_new_record() -> None:
    record = Record(b"192.0.2.1", 5.0)
    assert (record.status, record.sent_bytes, record.head_bytes, record.reason) == (0, 0, 0, None)
    assert record.attempts == []
    record.ended = 7.5
    assert record.seconds == 2.5


def test_records_do_not_share_their_attempts() -> None:
    first, second = Record(b"", 0.0), Record(b"", 0.0)
    first.attempts.append(AttemptRecord("a", 0.0))
    assert second.attempts == []
    assert first != second


def test_a_new_attempt() -> None:
    attempt = AttemptRecord("a", 5.0)
    assert (attempt.connected, attempt.first_byte, attempt.ended) == (None, None, None)
    assert (attempt.status, attempt.bytes_received, attempt.reason) == (None, 0, None)
