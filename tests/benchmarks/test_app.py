"""The application under test answers what the workloads expect, with a true Content-Length."""

import io
from collections.abc import Iterable

import pytest

from benchmarks.app import HELLO, MB, PAGE_64K, application


def call(path: str, body: bytes = b"") -> tuple[str, dict[str, str], Iterable[bytes]]:
    seen: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        seen.append((status, dict(headers)))

    reply = application({"PATH_INFO": path, "wsgi.input": io.BytesIO(body)}, start_response)
    return *seen[0], reply


@pytest.mark.parametrize(
    ("path", "length"),
    [("/hello", 14), ("/hello/any/page", 14), ("/64k", 65536), ("/100m", 100 * MB)],
)
def test_length_is_true(path: str, length: int) -> None:
    status, headers, body = call(path)
    assert status == "200 OK"
    assert headers["Content-Length"] == str(length)
    assert sum(map(len, body)) == length


def test_a_gigabyte_is_announced_and_not_built() -> None:
    _, headers, body = call("/1g")
    assert headers["Content-Length"] == str(1024 * MB)
    assert sum(map(len, body)) == 1024 * MB


def test_upload_says_how_much_it_read() -> None:
    assert b"".join(call("/upload", b"x" * 200_000)[2]) == b"200000\n"


def test_anything_else_is_not_found() -> None:
    assert call("/other")[0] == "404 Not Found"


def test_pages_have_the_size_in_their_name() -> None:
    assert (len(HELLO), len(PAGE_64K)) == (14, 64 * 1024)
