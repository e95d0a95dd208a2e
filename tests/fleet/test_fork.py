"""A child that begins anew: its descriptors, its signals, its end."""

import os
import signal
import socket
import time

import pytest

from proxy.fleet.fork import IGNORED, close_all_but, describe_end, fork


def end_of(pid: int) -> str:
    """Wait for a child and say how it ended."""
    return describe_end(os.waitpid(pid, 0)[1])


def test_it_has_what_it_is_given_and_no_more(capfd: pytest.CaptureFixture[str]) -> None:
    kept, other = socket.socketpair()
    reader, writer = os.pipe()

    def main() -> int:
        other_is_closed = False
        try:
            os.fstat(other.fileno())
        except OSError:
            other_is_closed = True
        os.write(writer, b"closed" if other_is_closed else b"open")
        kept.send(b"!")
        return 7

    pid = fork(main, (kept.fileno(), writer))
    os.close(writer)
    assert end_of(pid) == "ended with exit code 7"
    assert os.read(reader, 100) == b"closed"
    assert other.recv(10) == b"!"
    os.close(reader)
    kept.close()
    other.close()
    assert capfd.readouterr().err == ""


def test_an_error_ends_it_and_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise RuntimeError("of the child")

    assert end_of(fork(main, ())) == "ended with exit code 1"
    assert "RuntimeError: of the child" in capfd.readouterr().err


def test_it_does_not_hear_its_parent_s_signals() -> None:
    """What a terminal sends to all is for the parent; what is sent to the child ends it."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number))
        for number in (signal.SIGTERM, *IGNORED)
    }
    reader, writer = os.pipe()

    def main() -> int:
        for number in IGNORED:
            os.kill(os.getpid(), number)
        os.write(writer, b"alive")
        time.sleep(60)
        return 0

    try:
        pid = fork(main, (writer,))
        assert os.read(reader, 10) == b"alive"
        os.kill(pid, signal.SIGTERM)
        assert end_of(pid) == "was killed by SIGTERM"
        assert not heard
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def test_where_open_descriptors_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> int:
        def refuse(path: str) -> list[str]:
            raise OSError

        monkeypatch.setattr(os, "listdir", refuse)
        close_all_but((reader,))
        os.fstat(reader)
        try:
            os.fstat(writer)
        except OSError:
            return 0
        return 1

    reader, writer = os.pipe()
    assert end_of(fork(main, (reader, writer))) == "ended with exit code 0"
    os.close(reader)
    os.close(writer)


def test_signals_without_a_name() -> None:
    assert describe_end(signal.SIGRTMIN + 1) == f"was killed by signal {signal.SIGRTMIN + 1}"
    assert describe_end(signal.SIGSEGV) == "was killed by SIGSEGV"
