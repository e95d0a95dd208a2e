"""The example application, called in this process and judged by wsgiref."""

import hashlib
import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from proxy.worker import example
from proxy.worker.example import application, server_name


def get(
    path: str, method: str = "GET", body: bytes = b"", query: str = "", **more: str
) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path}
    environ |= {"QUERY_STRING": query, "CONTENT_LENGTH": str(len(body)), **more}
    environ["wsgi.input"] = io.BytesIO(body)
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.append((status, dict(headers)))
        return lambda data: None

    result = validator(application)(environ, start_response)
    try:
        content = b"".join(result)
    finally:
        result.close()  # type: ignore[attr-defined]
    status, headers = started[0]
    return status, headers, content


def test_the_page_shows_the_request() -> None:
    status, headers, page = get("/", HTTP_X_COLOUR="blue", REQUEST_URI="/?a=b")
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.decode()
    assert "GET /?a=b HTTP/1.0" in text
    assert "HTTP_X_COLOUR</th><td>blue<" in text
    assert "wsgi.input" not in text
    for path, _ in example._TRIES:
        assert f'href="{path}"' in text
    assert "http://" not in text
    assert "https://" not in text


def test_what_comes_from_the_request_is_escaped() -> None:
    attack = "<script>alert('1')</script>\"&"
    more = {"HTTP_X": attack, f"HTTP_{attack}": "1", "REQUEST_URI": attack}
    for path in ("/", f"/{attack}"):
        environ: Any = more
        page = get(path, **environ)[2]
        assert b"<script" not in page
        assert b"&lt;script&gt;" in page


def test_bytes_are_shown_as_the_utf_8_that_they_are() -> None:
    page = get("/", HTTP_X="grün 🙂".encode().decode("latin-1"), HTTP_Y="\xff")[2].decode()
    assert "grün 🙂" in page
    assert "\ufffd" in page


def test_json() -> None:
    status, headers, body = get("/json", HTTP_X_A="1")
    assert status == "200 OK"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["HTTP_X_A"] == "1"
    assert not any("." in name for name in json.loads(body))


def test_upload() -> None:
    assert b"<form method" in get("/upload")[2]
    data = bytes(range(256)) * 9000
    for method in ("POST", "PUT"):
        got = json.loads(get("/upload", method, data)[2])
        assert got == {
            "bytes": len(data),
            "content_length": str(len(data)),
            "sha256": hashlib.sha256(data).hexdigest(),
        }


def test_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "_STREAM_INTERVAL_S", 0.0)
    status, headers, body = get("/stream")
    assert status == "200 OK"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Content-Type"] == "text/event-stream"
    assert body.count(b"data: event ") == 10


@pytest.mark.parametrize(
    ("query", "size"),
    [("mb=0", 0), ("mb=1", 1048576), ("mb=0.3", 314572), ("", 10485760), ("mb=x", 10485760)],
)
def test_large(query: str, size: int) -> None:
    status, headers, body = get("/large", query=query)
    assert status == "200 OK"
    assert headers["Content-Length"] == str(size)
    assert len(body) == size


@pytest.mark.parametrize("query", ["s=0", "s=-5", "s=0.0"])
def test_slow(query: str) -> None:
    assert get("/slow", query=query)[2] == b"slept 0 s\n"


@pytest.mark.parametrize("query", ["s=nan", "s=inf", "s=", "s=1e400"])
def test_numbers_that_are_none(query: str) -> None:
    assert example._number({"QUERY_STRING": query}, "s", 1.0, 30.0) == 1.0


def test_redirect() -> None:
    status, headers, _ = get("/redirect")
    assert status == "302 Found"
    assert headers["Location"] == "/"


def test_error() -> None:
    with pytest.raises(RuntimeError, match="asked to fail"):
        get("/error")


def test_not_found() -> None:
    assert get("/none")[0] == "404 Not Found"


def test_server_name_is_unknown_outside_uwsgi() -> None:
    assert server_name() == ""
