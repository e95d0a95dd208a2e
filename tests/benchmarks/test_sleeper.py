"""The sleeping application: for as long as it is told, and not for anything else."""

import time
from io import BytesIO

import pytest

from benchmarks import sleeper


def ask(path: str) -> tuple[str, bytes]:
    said: list[str] = []
    body = sleeper.application({"PATH_INFO": path}, lambda status, headers: said.append(status))
    return said[0], b"".join(body)


def test_it_sleeps_for_the_path() -> None:
    began = time.monotonic()
    assert ask("/30") == ("200 OK", b"done\n")
    assert time.monotonic() - began >= 0.03
    assert ask("/0")[0] == "200 OK"


def test_it_reads_a_body_first() -> None:
    body = BytesIO(b"12345")
    environ = {"PATH_INFO": "/1", "CONTENT_LENGTH": "5", "wsgi.input": body}
    assert list(sleeper.application(environ, lambda status, headers: None)) == [b"done\n"]
    assert body.tell() == 5


@pytest.mark.parametrize("path", ["/", "", "/x", "/-5", "/1.5", "/5/", "/²", "/10001"])
def test_anything_else_is_not_found(path: str) -> None:
    assert ask(path) == ("404 Not Found", b"")
