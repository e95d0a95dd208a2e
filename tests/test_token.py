"""Tokens: what can be one, and how they are read."""

from pathlib import Path

import pytest

from proxy.token import MAX_FILE_BYTES, MIN_CHARS, TokenError, check_token, read_token


def test_a_good_one() -> None:
    assert check_token("x" * MIN_CHARS) == "x" * MIN_CHARS


@pytest.mark.parametrize("token", ["", "x" * (MIN_CHARS - 1), "é" * 20, "a b" * 9, "a\tb" * 9])
def test_what_cannot_be_one(token: str) -> None:
    with pytest.raises(TokenError) as refused:
        check_token(token)
    assert token == "" or token not in str(refused.value)


def test_the_first_line_of_a_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b" 0123456789abcdef \r\nsecond line\n")
    assert read_token(str(file)) == "0123456789abcdef"
    file.write_bytes(b"y" * (MAX_FILE_BYTES + 100))
    assert len(read_token(str(file))) == MAX_FILE_BYTES


def test_files_that_hold_none(tmp_path: Path) -> None:
    for content in (b"", b"\n0123456789abcdef", b"\xff" * 20):
        file = tmp_path / "token"
        file.write_bytes(content)
        with pytest.raises(TokenError):
            read_token(str(file))
    with pytest.raises(TokenError, match="cannot be read: Is a directory"):
        read_token(str(tmp_path))
