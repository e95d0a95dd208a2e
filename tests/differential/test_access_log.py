"""The same requests through nginx and through us: the same bytes in the access log."""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing import FakeBackend, respond
from tests.differential.nginx import Nginx, listener
from tests.servers import Target, proxy_process, raw_request, wait_until

pytestmark = pytest.mark.nginx

VARIABLES = (
    *("remote_addr", "remote_user", "request", "request_method", "request_uri", "uri"),
    *("document_uri", "args", "query_string", "is_args", "server_protocol", "status"),
    *("body_bytes_sent", "host", "scheme", "pipe", "connection_requests", "content_type"),
    *("content_length", "request_length", "http_x_a", "cookie_a", "cookie_B", "arg_x", "arg_Y"),
    *("sent_http_x_r", "sent_http_content_type", "upstream_status", "upstream_http_x_r"),
)
TEXT = "".join(f"<{name}=${name}>" for name in VARIABLES)
JSON = "escape=json {" + ",".join(f'"{name}":"${name}"' for name in VARIABLES) + "}"

NOT_OF_REFUSED = frozenset(
    b"request_method request_uri uri document_uri server_protocol host request_length".split()
)
"""What nginx knows of a request that it refuses, as far as it has read it, and we do not."""

HOST = b"Host: a.example\r\n"
REQUESTS = (
    b"GET / HTTP/1.1\r\n" + HOST,
    b"GET //a/../b%20c?x=1&y=%22&z HTTP/1.1\r\n" + HOST,
    b"HEAD /h HTTP/1.1\r\nHost: B.Example:8080\r\n",
    b"GET /0 HTTP/1.0\r\n",
    b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Type: t/t\r\nContent-Length: 3\r\n",
    b'GET /q"\\ HTTP/1.1\r\n' + HOST + b'User-Agent: a"b\\c\t\xe9\x7f\r\nReferer: http://r/"\r\n',
    "GET /é?é HTTP/1.1\r\nHost: a.example\r\nUser-Agent: é😀\r\n".encode(),
    b"GET /u HTTP/1.1\r\n" + HOST + b"Authorization: Basic YSJiOnNlY3JldA==\r\nReferer:\r\n",
    b"GET /u HTTP/1.1\r\n" + HOST + b"Authorization: Basic !!!\r\n",
    b"GET /c HTTP/1.1\r\n" + HOST + b"Cookie: a=1; b=two\r\nX-A: one\r\n",
    b"nonsense\r\n",
    b"GET /v HTTP/9.9\r\n" + HOST,
    b"GET /n HTTP/1.1\r\n",
)
"""Heads without their last CRLF."""


@contextlib.contextmanager
def both(tmp_path: Path) -> Iterator[tuple[Address, FakeBackend]]:
    """Yield where nginx listens, with three logs, and the backend behind it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\nX-R: r\r\n\r\n"
    with FakeBackend(respond(head, b"hello")) as backend:
        sock, address = listener("tcp", tmp_path, "n")
        with sock:
            formats = f"log_format text '{TEXT}'; log_format j escape=json '{JSON[12:]}';"
            logs = "".join(
                f" access_log {tmp_path}/nginx-{name} {name};" for name in ("combined", "text", "j")
            )
            block = f"{formats} server {{ listen {address};{logs}"
            block += f" location / {{ uwsgi_pass {backend.address}; }} }}"
            nginx = Nginx(tmp_path, block, [sock])
            try:
                yield address, backend
            finally:
                nginx.stop()


def play(address: Target) -> None:
    for head in REQUESTS:
        body = b"abc" if b"Content-Length: 3" in head else b""
        raw_request(address, head + b"Connection: close\r\n\r\n" + body)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def test_the_same_lines(tmp_path: Path) -> None:
    with both(tmp_path) as (address, backend):
        play((address.host, address.port))
        wait_until(lambda: len(lines_of(tmp_path / "nginx-j")) == len(REQUESTS), "nginx's lines")
        ours = {
            name: _ours(tmp_path / f"ours-{number}", backend, text)
            for number, (name, text) in enumerate(
                {"combined": "combined", "text": TEXT, "j": JSON}.items()
            )
        }
    combined = [_without_time(line) for line in lines_of(tmp_path / "nginx-combined")]
    # Pages of errors are as long as the name of the server in them.
    compare(list(map(_without_time, ours["combined"])), combined)
    compare(ours["text"], lines_of(tmp_path / "nginx-text"))
    for our, theirs in zip(ours["j"], lines_of(tmp_path / "nginx-j"), strict=True):
        # Its lines may have bytes that are no UTF-8, which are no JSON.
        escaped = re.sub(rb"[\x80-\xff]", lambda byte: b"\\\\x%02x" % byte[0][0], theirs)
        valid = theirs if _is_utf_8(theirs) else escaped
        told, read = json.loads(our), json.loads(valid)
        refused = told["status"][0] == "4" or told["status"] == "505"
        hidden = {"body_bytes_sent", *map(bytes.decode, NOT_OF_REFUSED)} if refused else set()
        assert {k: told[k] for k in told if k not in hidden} == {
            k: read[k] for k in read if k not in hidden
        }


def compare(ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
    wrong = []
    for our, their in zip(_masked(ours), _masked(theirs), strict=True):
        parts = zip(our.split(b"><"), their.split(b"><"), strict=True)
        different = [one for one in parts if one[0] != one[1]]
        if b"<status=4" in our or b"<status=505" in our:
            different = [one for one in different if one[0].split(b"=")[0] not in NOT_OF_REFUSED]
        wrong += different
    assert not wrong, "\n".join(map(str, wrong))


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ours(path: Path, backend: FakeBackend, text: str) -> list[bytes]:
    options = ("--upstream", str(backend.address), "--access-log", str(path))
    with proxy_process(*options, "--access-log-format", text) as proxy:
        play(proxy.address)
        assert proxy.stop() == 0
    return lines_of(path)


def _without_time(line: bytes) -> bytes:
    stamp = rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    masked, count = re.subn(stamp, b"[T]", line)
    assert count == 1
    return masked


def _masked(lines: Sequence[bytes]) -> list[bytes]:
    """Hide the length of our own answers, which name another server than nginx's do."""
    lines = [re.sub(rb'" (4\d\d|505) \d+ "', rb'" \1 N "', line) for line in lines]
    return [
        re.sub(rb"(?<=<status=)((?:4\d\d|505)><body_bytes_sent=)\d+", rb"\1N", x) for x in lines
    ]
