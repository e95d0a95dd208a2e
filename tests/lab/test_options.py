"""What is asked for, from the options."""

import argparse
import errno
import os
import tempfile
from io import BytesIO
from pathlib import Path

import pytest

from proxy.lab import options
from proxy.lab.load.ask import Wanted


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    options.add_requests(made)
    return made


def wanted(*words: str) -> tuple[Wanted, ...]:
    return options.requests(_parser().parse_args(list(words)))


def test_what_is_asked_for(tmp_path: Path) -> None:
    assert wanted() == (Wanted("/"),)
    body = tmp_path / "body"
    body.write_text("hello")
    assert wanted(
        "--path", "/a?b=1", "--path", "post /c", "--url", "http://x/d?e", "--url", "http://x",
        "--body", f"@{body}", "--header", "Cookie: a=b",
    ) == (
        Wanted("/a?b=1", headers=(("Cookie", "a=b"),)),
        Wanted("/c", "POST", (("Cookie", "a=b"),), "hello"),
        Wanted("/d?e", headers=(("Cookie", "a=b"),)),
        Wanted("/", headers=(("Cookie", "a=b"),)),
    )  # fmt: skip


@pytest.mark.parametrize("words", [["--path", "a"], ["--path", "GET /a b"], ["--header", "x"]])
def test_mistakes(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"path|NAME"):
        wanted(*words)


def test_numbers() -> None:
    assert options.positive("3") == 3
    assert options.seconds("0.5") == 0.5
    for text in ("0", "x", "-1", "1.5"):
        with pytest.raises(argparse.ArgumentTypeError, match="a whole number, at least 1"):
            options.positive(text)
    for text in ("0.01", "x", "nan"):
        with pytest.raises(argparse.ArgumentTypeError, match="a number from"):
            options.seconds(text)


def test_room_for_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options.make_room(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--out .*file: File exists"):
        options.make_room(tmp_path / "file")

    def full(**_: object) -> BytesIO:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(ValueError, match=r"--out .*: No space left on device"):
        options.make_room(tmp_path)
