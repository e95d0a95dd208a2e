"""Files, descriptors and syslog as they really are: full, moved away, gone."""

import errno
import io
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry import destination
from proxy.telemetry.destination import Descriptor, File, Syslog, open_destination
from proxy.telemetry.syslog import parse_syslog


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    file = File(str(path))
    assert file.write([b"a", b"b"]) == 2
    assert file.write([]) == 0
    assert path.read_text() == "before\na\nb\n"
    assert path.stat().st_mode & 0o077 == 0o044 & path.stat().st_mode
    file.close()
    assert file.write([b"c"]) == 0
    assert file.trouble == "Bad file descriptor"


def test_a_file_that_was_moved_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log"
    file = File(str(path))
    file.write([b"1"])
    path.rename(tmp_path / "log.1")
    file.write([b"2"])
    file.reopen()
    file.write([b"3"])
    assert (tmp_path / "log.1").read_text() == "1\n2\n"
    assert path.read_text() == "3\n"
    path.rename(tmp_path / "log.2")
    path.mkdir()
    file.reopen()  # goes on where it was
    assert file.trouble == "cannot be reopened: Is a directory"
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"{path} cannot be reopened: Is a directory; it goes on in the old file")
    assert file.write([b"4"]) == 1
    assert (tmp_path / "log.2").read_text() == "3\n4\n"
    file.close()


def test_a_disk_that_is_full_in_the_middle_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    file = File(str(path))
    real, room = os.write, [5]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)
    assert file.write([b"abc", b"def", b"ghi"]) == 1
    assert file.trouble == "No space left on device"
    assert file.write([b"jkl"]) == 0
    room[0] = 100
    assert file.write([b"mno"]) == 1  # and not behind the half line
    assert file.write([b"pqr"]) == 1
    assert path.read_text() == "abc\nd\nmno\npqr\n"
    file.close()


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    lines = [b"x" * 1000] * 200
    received = bytearray()

    def read() -> None:
        while data := os.read(reading, 1 << 16):
            received.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    assert Descriptor(writing).write(lines) == 200
    os.close(writing)
    thread.join(20)
    os.close(reading)
    assert received.count(b"\n") == 200


def test_a_descriptor_is_not_ours_to_close() -> None:
    reading, writing = os.pipe()
    one = Descriptor(writing)
    one.reopen()
    one.close()
    assert one.write([b"a"]) == 1
    os.close(reading)
    assert one.write([b"a", b"b"]) == 0
    assert one.trouble == "Broken pipe"
    os.close(writing)


@pytest.fixture
def directory() -> Iterator[Path]:
    """One whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="uf-") as name:
        yield Path(name)


def test_syslog_over_a_unix_socket_that_comes_back(directory: Path) -> None:
    path = directory / "log"
    sink = Syslog(parse_syslog(f"syslog:server=unix:{path},tag=t,nohostname"))
    assert sink.write([b"a"]) == 0
    assert sink.trouble == f"unix:{path}: No such file or directory"
    for _ in range(2):  # the daemon is restarted
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(str(path))
            assert sink.write([b"one", b"two"]) == 2
            assert daemon.recv(1000).endswith(b" t: one")
            second = daemon.recv(1000)
            assert second.startswith(b"<190>")
            assert second.endswith(b" t: two")
        path.unlink()
        assert sink.write([b"lost"]) == 0
    sink.reopen()
    sink.close()


def test_syslog_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(20)
        spec = f"syslog:server=127.0.0.1:{daemon.getsockname()[1]},facility=user,severity=error"
        sink = open_destination(spec)
        assert sink.write([b"a line"]) == 1
        message = daemon.recv(1000)
        assert message.startswith(b"<11>")
        assert message.endswith(b" uwsgi_frontend: a line")
        assert sink.write([b"x" * 70_000, b"behind"]) == 0
        assert "Message too long" in sink.trouble
        sink.close()


def test_syslog_that_does_not_listen_costs_a_second_and_no_more(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "SYSLOG_TIMEOUT_S", 0.01)
    path = directory / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        sink = Syslog(parse_syslog(f"syslog:server=unix:{path}"))
        written = sink.write([b"x"] * 10_000)
        assert written < 10_000
        assert sink.trouble.startswith(f"unix:{path}: ")
        sink.close()


def test_where_lines_can_go(tmp_path: Path) -> None:
    assert isinstance(open_destination("-"), Descriptor)
    assert open_destination("-", io.StringIO()).fileno() == 1  # of a program that embeds us
    assert isinstance(open_destination("syslog:server=a"), Syslog)
    with pytest.raises(FileNotFoundError):
        open_destination(str(tmp_path / "missing" / "log"))
    with pytest.raises(ValueError, match="no server"):
        open_destination("syslog:tag=a")


def test_lines_of_several_writers_to_a_pipe_stay_whole() -> None:
    """Each of them writes more at once than a pipe takes in one piece."""
    reader, writer = os.pipe()
    count, length = 300, 99
    texts = [bytes([65 + number]) * length for number in range(3)]
    threads = [
        threading.Thread(target=lambda text=text: Descriptor(writer).write([text] * count))
        for text in texts
    ]
    for thread in threads:
        thread.start()
    found = b""
    while len(found) < len(texts) * count * (length + 1):
        found += os.read(reader, 100_000)
    for thread in threads:
        thread.join()
    assert set(found.split(b"\n")) == {*texts, b""}
    os.close(reader)
    os.close(writer)


def test_a_line_longer_than_a_pipe_takes_at_once_is_written_all_the_same() -> None:
    reader, writer = os.pipe()
    lines = [b"a", b"x" * 10_000, b"b", b"c"]
    assert Descriptor(writer).write(lines) == 4
    assert os.read(reader, 100_000).splitlines() == lines
    os.close(reader)
    os.close(writer)


def test_the_descriptor_that_is_written_to(tmp_path: Path) -> None:
    file = File(str(tmp_path / "log"))
    assert os.path.samestat(os.fstat(file.fileno()), os.stat(tmp_path / "log"))
    file.close()
    assert file.fileno() == -1
