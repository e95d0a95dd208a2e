"""Bytes at rest: in order, within bounds, and gone when closed."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import ProxyError
from proxy.spool import READ_BYTES, Spool


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def open_file_size(directory: str) -> int:
    """Return the size of the one open file in a directory; it has no name there."""
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith(directory):
                return os.stat(f"/proc/self/fd/{fd}").st_size
    raise AssertionError("no open file")


def drain(spool: Spool) -> bytes:
    pieces = []
    while spool:
        pieces.append(spool.take())
        assert pieces[-1]
    return b"".join(pieces)


def test_an_empty_one() -> None:
    spool = Spool(10)
    assert (len(spool), bool(spool), spool.has_room) == (0, False, True)
    assert spool.take() == b""
    spool.close()


def test_pieces_come_out_as_they_went_in() -> None:
    spool = Spool(100)
    spool.put(b"one")
    spool.put(b"two")
    assert (len(spool), spool.in_memory, spool.in_file) == (6, 6, 0)
    assert (spool.take(), spool.take(), spool.take()) == (b"one", b"two", b"")
    assert len(spool) == 0


def test_a_piece_can_be_taken_in_parts() -> None:
    spool = Spool(100)
    spool.put(b"abcdef")
    assert (spool.take(4), len(spool)) == (b"abcd", 2)
    assert (spool.take(4), len(spool)) == (b"ef", 0)


def test_what_does_not_fit_into_memory_goes_to_the_file(directory: str) -> None:
    spool = Spool(4, 100, directory)
    for piece in (b"abcd", b"efgh", b"ij"):
        spool.put(piece)
    assert (spool.in_memory, spool.in_file, len(spool)) == (4, 6, 10)
    assert spool.take() == b"abcd"
    spool.put(b"kl")  # behind the others, although there is room in memory again
    assert (spool.in_memory, spool.in_file) == (0, 8)
    assert spool.take(3) == b"efg"
    assert spool.take() == b"hijkl"
    spool.put(b"mnop")
    assert (spool.in_memory, spool.in_file) == (4, 0)
    assert drain(spool) == b"mnop"
    spool.close()


def test_the_file_is_read_in_pieces(directory: str) -> None:
    spool = Spool(0, 1 << 20, directory)
    data = os.urandom(READ_BYTES + 1)
    spool.put(data)
    first, second = spool.take(), spool.take()
    assert (len(first), len(second), first + second) == (READ_BYTES, 1, data)
    spool.close()


def test_the_file_has_no_name(directory: str) -> None:
    spool = Spool(0, 100, directory)
    spool.put(b"secret")
    assert os.listdir(directory) == []
    spool.close()


def test_room_without_a_file() -> None:
    spool = Spool(4)
    spool.put(b"abc")
    assert spool.has_room
    spool.put(b"defgh")  # one put may go over
    assert not spool.has_room
    assert spool.in_memory == 8
    spool.take()
    assert not spool.has_room
    spool.take()
    assert spool.has_room
    spool.close()


def test_room_in_the_file_counts_what_was_written_until_all_was_read(directory: str) -> None:
    """Otherwise a client that is always a little behind would make the file grow for ever."""
    spool = Spool(2, 10, directory)
    spool.put(b"ab")
    assert spool.has_room
    spool.put(b"c" * 9)
    assert spool.has_room
    spool.put(b"d")
    assert not spool.has_room
    spool.take()
    assert spool.take(9) == b"c" * 9
    assert not spool.has_room
    assert spool.take() == b"d"
    assert spool.has_room
    spool.put(b"e" * 10)
    assert not spool.has_room
    spool.close()


def test_the_file_begins_at_its_front_when_all_was_read(directory: str) -> None:
    spool = Spool(0, 100, directory)
    for _ in range(20):
        spool.put(b"y" * 90)
        assert open_file_size(directory) == 90
        assert len(spool.take()) == 90
    spool.close()


def test_close_forgets_everything_and_may_come_twice(directory: str) -> None:
    spool = Spool(2, 100, directory)
    spool.put(b"ab")
    spool.put(b"cd")
    spool.close()
    spool.close()
    assert (len(spool), spool.take()) == (0, b"")


@pytest.mark.parametrize("place", ["missing", "file"])
def test_a_file_that_cannot_be_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    spool = Spool(0, 100, str(tmp_path / place))
    with pytest.raises(ProxyError) as caught:
        spool.put(b"x")
    assert caught.value.reason is errors.SPOOL_FAILED
    assert str(tmp_path / place) in caught.value.detail
    assert not caught.value.nothing_sent
    spool.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(0, 100)
    full = partial(open, "/dev/full", "r+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full())
    with pytest.raises(ProxyError) as caught:
        spool.put(b"x")
    assert caught.value.reason is errors.SPOOL_FAILED
    assert "No space left" in caught.value.detail
    spool.close()


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, directory: str) -> None:
    spool = Spool(0, 100)
    write_only = partial(open, Path(directory, "f"), "wb", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: write_only())
    spool.put(b"x")
    with pytest.raises(ProxyError) as caught:
        spool.take()
    assert caught.value.reason is errors.SPOOL_FAILED
    spool.close()


@given(
    memory=st.integers(0, 20),
    file_bytes=st.integers(0, 60),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 30)),
            st.tuples(st.just("take"), st.integers(1, 40)),
        ),
        max_size=60,
    ),
)
def test_it_is_a_queue_within_bounds(
    memory: int, file_bytes: int, steps: list[tuple[str, int]]
) -> None:
    spool = Spool(memory, file_bytes)
    expected, sent = b"", 0
    try:
        for step, size in steps:
            if step == "take":
                data = spool.take(size)
                assert len(data) <= size
                assert expected.startswith(data)
                expected = expected[len(data) :]
                assert bool(data) or not expected
            elif spool.has_room:
                data = bytes((sent + n) % 251 for n in range(size))
                sent += size
                spool.put(data)
                expected += data
            assert len(spool) == len(expected) == spool.in_memory + spool.in_file
            assert spool.in_memory <= memory + (0 if file_bytes else 30)
            assert spool.in_file <= file_bytes + 30 if file_bytes else not spool.in_file
        assert drain(spool) == expected
    finally:
        spool.close()
