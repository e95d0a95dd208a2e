"""Records of exchanges that have not happened, for whoever reads records."""

from proxy.record import AttemptRecord, Record


def a_record(remote_addr: bytes = b"", started: float = 0.0, **facts: object) -> Record:
    """Return the record of an exchange of which these facts are known."""
    record = Record(remote_addr, started)
    for name, fact in facts.items():
        setattr(record, name, fact)
    return record


def an_attempt(backend: str, started: float = 0.0, **facts: object) -> AttemptRecord:
    """Return the record of an attempt of which these facts are known."""
    attempt = AttemptRecord(backend, started)
    for name, fact in facts.items():
        setattr(attempt, name, fact)
    return attempt
