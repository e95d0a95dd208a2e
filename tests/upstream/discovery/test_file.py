"""A file of backends: what is in it, what is refused, and how it is followed."""

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.settings import Address, BackendSettings
from proxy.testing.fake_clock import FakeClock
from proxy.upstream.discovery.file import (
    MAX_BYTES,
    MAX_COMPLAINTS,
    BackendsFileError,
    FileWatch,
    parse_backends,
    read_backends,
)

INTERVAL_S = 1.0
SETTLED_S = 2 * INTERVAL_S + 0.1
"""After this a change has been seen, and has stood still."""


def parse(text: str) -> BackendSettings:
    """Read `name`, `name weight` and `name service=s`; refuse the rest."""
    name, *rest = text.split(" ")
    if not name.isalnum() or len(rest) > 1:
        raise ValueError(f"{name!r} is no name")
    address = Address(path=f"/{name}")
    if rest and rest[0].startswith("service="):
        return BackendSettings(address, service=rest[0].removeprefix("service="))
    return BackendSettings(address, weight=int(rest[0]) if rest else 1)


def names(backends: tuple[BackendSettings, ...]) -> str:
    return " ".join(backend.address.path[1:] for backend in backends)


def complaints(text: str) -> tuple[str, ...]:
    with pytest.raises(BackendsFileError) as caught:
        parse_backends("f", text, parse)
    assert str(caught.value) == "\n".join(caught.value.complaints)
    return caught.value.complaints


def test_one_backend_per_line() -> None:
    text = "# all of them\n\n  b 3  \n\ta\t# the old one\r\nc#1\n".replace("c#1", "c")
    backends = parse_backends("f", text, parse)
    assert names(backends) == "b a c"
    assert [backend.weight for backend in backends] == [3, 1, 1]


def test_a_comment_begins_after_a_space() -> None:
    assert complaints("a#1") == ("f:1: 'a#1' is no name",)


def test_all_bad_lines_are_told() -> None:
    assert complaints("a\n?\nb\n!") == ("f:2: '?' is no name", "f:4: '!' is no name")
    many = complaints("?\n" * (MAX_COMPLAINTS + 5))
    assert len(many) == MAX_COMPLAINTS + 1
    assert many[-1] == "f: and 5 more"
    assert len(complaints("?\n" * MAX_COMPLAINTS)) == MAX_COMPLAINTS


def test_a_backend_twice() -> None:
    assert complaints("a\nb\na 5") == ("f:3: the same backend as on line 1",)
    assert names(parse_backends("f", "a service=x\na service=y", parse)) == "a a"


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_no_backend_is_an_accident(text: str) -> None:
    assert complaints(text) == ("f: has no backend; if that is meant, write the word none",)


def test_no_backend_may_be_meant() -> None:
    assert parse_backends("f", "# closed\nnone # today\n", parse) == ()
    assert complaints("none\na") == ("f: has backends and says 'none'",)
    assert complaints("?\nnone") == ("f:1: '?' is no name",)


@settings(deadline=None)
@given(st.text(alphabet="ab? #\n\r\t\v\x85\u2028none5", max_size=60))
def test_any_text_is_a_list_or_has_complaints(text: str) -> None:
    try:
        backends = parse_backends("f", text, parse)
    except BackendsFileError:
        return
    assert backends or "none" in text
    assert len({backend.address for backend in backends}) == len(backends)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def refusal(name: str) -> str:
        with pytest.raises(BackendsFileError) as caught:
            read_backends(str(tmp_path / name), parse)
        return str(caught.value).removeprefix(f"{tmp_path / name}: ")

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"a\n\xff\n")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    assert refusal("missing") == "No such file or directory"
    assert refusal(".") == "not a file"
    assert refusal("pipe") == "not a file"
    assert refusal("binary") == "not UTF-8: invalid start byte"
    assert refusal("large") == f"more than {MAX_BYTES} bytes"


def test_a_file_may_be_large_and_have_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xef\xbb\xbfa\n#".ljust(MAX_BYTES, b"#"))
    assert names(read_backends(str(path), parse)) == "a"


# Following.


class Followed:
    """A file, its watch, and what the watch has told."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "backends"
        self.clock = FakeClock()
        self.used: list[str] = []
        self.watch = self.another_watch()

    def another_watch(self) -> FileWatch:
        return FileWatch(
            str(self.path),
            parse,
            lambda backends: self.used.append(names(backends)),
            INTERVAL_S,
            self.clock.call_later,
        )

    def start(self, text: str) -> None:
        self.write(text)
        self.watch.start()

    def write(self, text: str) -> None:
        self.path.write_text(text.replace(" ", "\n"))

    def settle(self) -> None:
        self.clock.advance(SETTLED_S)

    def news(self) -> list[str]:
        """Return what has been told since the last time."""
        news, self.used = self.used, []
        return news


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    followed = Followed(tmp_path)
    yield followed
    followed.watch.stop()


def test_the_first_list_is_there_at_once(followed: Followed) -> None:
    followed.start("a b")
    assert followed.news() == ["a b"]
    followed.clock.advance(10)
    assert followed.news() == []


@pytest.mark.parametrize("text", [None, "", "a ?"])
def test_at_the_start_there_has_to_be_a_good_list(followed: Followed, text: str | None) -> None:
    if text is not None:
        followed.write(text)
    with pytest.raises(BackendsFileError, match="backends"):
        followed.watch.start()
    followed.write("a")
    followed.clock.advance(10)
    assert followed.news() == []


def test_a_change_is_followed(followed: Followed) -> None:
    followed.start("a b")
    followed.news()
    for text in ("a b c", "c", "none"):
        followed.write(text)
        followed.settle()
        assert followed.news() == [text.replace("none", "")]


def test_a_replaced_file_is_followed(followed: Followed) -> None:
    """Of the same size and time: only the inode is another one."""
    followed.start("a b")
    followed.settle()
    followed.news()
    stat = followed.path.stat()
    new = followed.path.with_name("new")
    new.write_text("a\nc")
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.rename(followed.path)
    followed.settle()
    assert followed.news() == ["a c"]


def test_a_link_that_leads_elsewhere_is_followed(tmp_path: Path, followed: Followed) -> None:
    """As Kubernetes updates a ConfigMap: backends -> ..data/backends, ..data -> a directory."""
    for version, text in (("1", "a"), ("2", "b")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "backends").write_text(text)
    (tmp_path / "..data").symlink_to("1")
    followed.path.symlink_to("..data/backends")
    followed.watch.start()
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    followed.settle()
    assert followed.news() == ["a", "b"]


def test_a_file_that_is_being_written_is_left_alone(followed: Followed) -> None:
    followed.start("a b")
    followed.news()
    for text in ("a", "a b", "a b c", "a b c d"):
        followed.write(text)
        followed.clock.advance(INTERVAL_S)
        assert followed.news() == []
    followed.clock.advance(INTERVAL_S)
    assert followed.news() == ["a b c d"]


def test_a_change_of_neither_size_nor_time_is_followed(followed: Followed) -> None:
    """As a copy that keeps the time of its original: the time of the inode tells."""
    followed.start("a b")
    followed.settle()
    stat = followed.path.stat()
    followed.write("a c")
    os.utime(followed.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    followed.settle()
    assert followed.news() == ["a b", "a c"]


def test_a_change_within_the_start_is_not_overlooked(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written twice within one tick of the file system's clock: both look the same."""
    monkeypatch.setattr("proxy.upstream.discovery.file.sign", lambda path: (1, 2, 3))
    followed.start("a b")
    followed.write("a c")
    followed.settle()
    assert followed.news() == ["a b", "a c"]


def test_the_same_list_again_is_no_news(followed: Followed) -> None:
    followed.start("a b")
    followed.news()
    followed.path.write_text("# only a comment\na\nb\n")
    followed.settle()
    assert followed.news() == []
    followed.write("c")
    followed.settle()
    assert followed.news() == ["c"]
    followed.write("c #")
    followed.settle()
    assert followed.news() == []


def test_a_bad_file_changes_nothing(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    followed.start("a b")
    followed.news()
    for bad in ("a ?", "", "#gone"):
        followed.write(bad)
        followed.settle()
        followed.clock.advance(10)
        assert followed.news() == []
    assert len(caplog.messages) == 3
    place = f"{followed.path}:2"
    assert caplog.messages[0] == f"{place}: '?' is no name; the backends of the last good file stay"
    followed.write("a b")
    followed.settle()
    assert followed.news() == []
    assert caplog.messages[3:] == [f"{followed.path} is followed: 2 backends"]
    followed.write("c")
    followed.settle()
    assert followed.news() == ["c"]


def test_a_file_that_could_not_be_read_is_read_later(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There was no descriptor left: that ends without a change of the file."""
    followed.start("a b")
    followed.settle()
    followed.news()
    followed.write("c")

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", refuse)
        followed.settle()
        followed.clock.advance(10)
    assert followed.news() == []
    assert len(caplog.messages) == 1
    assert "Too many open files" in caplog.messages[0]
    followed.settle()
    assert followed.news() == ["c"]


def test_a_file_that_has_gone_is_waited_for(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    followed.start("a b")
    followed.news()
    away = followed.path.with_name("away")
    for _ in range(2):
        followed.path.rename(away)
        followed.clock.advance(10)
        assert followed.news() == []
        away.rename(followed.path)
        followed.settle()
        assert followed.news() == []
    gone, back = "its backends stay", "is followed: 2 backends"
    assert len(caplog.messages) == 4
    assert all(word in text for word, text in zip([gone, back] * 2, caplog.messages, strict=True))
    followed.path.unlink()
    followed.clock.advance(10)
    followed.write("c")
    followed.settle()
    assert followed.news() == ["c"]


def test_a_link_that_is_broken_for_a_while(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    """When it leads to the same file again, nothing of that file has changed."""
    caplog.set_level(logging.INFO)
    target = followed.path.with_name("target")
    target.write_text("a")
    followed.path.symlink_to(target)
    followed.watch.start()
    for number in (2, 4):
        followed.path.unlink()
        followed.settle()
        followed.path.symlink_to(target)
        followed.settle()
        assert len(caplog.messages) == number
    assert followed.news() == ["a"]


def test_after_stop_nothing_is_told(followed: Followed) -> None:
    followed.start("a b")
    followed.watch.stop()
    followed.news()
    followed.write("c")
    followed.clock.advance(10)
    assert followed.news() == []
    followed.watch.start()
    assert followed.news() == ["c"]
    followed.write("d")
    followed.settle()
    assert followed.news() == ["d"]


def test_a_second_life_has_one_rhythm(followed: Followed) -> None:
    """A chain of timers left from the first would see the change stand still too early."""
    followed.start("a")
    followed.clock.advance(INTERVAL_S / 2)
    followed.watch.stop()
    followed.watch.start()
    followed.clock.advance(3 * INTERVAL_S)
    followed.news()
    followed.write("b")
    followed.clock.advance(INTERVAL_S)
    assert followed.news() == []
    followed.clock.advance(INTERVAL_S)
    assert followed.news() == ["b"]
