"""The command, from its words to what it writes and its exit code."""

from pathlib import Path

import pytest

from proxy import errors
from proxy.client.curl import main
from proxy.testing import (
    FakeBackend,
    bad_head,
    close_before_reply,
    full_backlog,
    missing,
    refuse,
    respond,
    silence,
    truncate_after,
)
from tests.test_cli import run

Captured = pytest.CaptureFixture[bytes]


def test_the_body_goes_to_standard_output(capfdbinary: Captured) -> None:
    with FakeBackend(respond(body=b"\xffhello")) as backend:
        assert main([str(backend.address), "/a"]) == 0
    assert capfdbinary.readouterr() == (b"\xffhello", b"")


def test_with_its_head(capfdbinary: Captured) -> None:
    with FakeBackend(respond(b"HTTP/1.1 404 Gone", b"hello")) as backend:
        assert main([str(backend.address), "-i"]) == 0
        out = capfdbinary.readouterr().out
        assert out.startswith(b"HTTP/1.1 404 Gone\r\nContent-Type: ")
        assert out.endswith(b"\r\n\r\nhello")
        assert main([str(backend.address), "-I"]) == 0
        assert capfdbinary.readouterr().out.endswith(b"\r\n\r\n")
    assert backend.requests[1].value("REQUEST_METHOD") == b"HEAD"


def test_verbose_shows_both_sides(capfdbinary: Captured) -> None:
    with FakeBackend(respond(body=b"hello")) as backend:
        assert main([str(backend.address), "/p?q", "-v", "--param", "A=b", "-d", "x=1"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"hello"
    lines = err.decode().splitlines()
    assert lines[0].startswith(f"* {backend.address}: uwsgi packet of ")
    sent = [line.removeprefix("> ") for line in lines if line.startswith("> ")]
    assert sent == [f"{n.decode()}={v.decode()}" for n, v in backend.requests[0].variables]
    assert {"A=b", "QUERY_STRING=q", "CONTENT_LENGTH=3"} <= set(sent)
    assert "< HTTP/1.1 200 OK" in lines
    assert lines[-1].startswith("* connected after ")


def test_into_a_file(tmp_path: Path, capfdbinary: Captured) -> None:
    with FakeBackend(respond(body=b"x" * 500_000)) as backend:
        assert main([str(backend.address), "-o", str(tmp_path / "out")]) == 0
        assert main([str(backend.address), "-o", str(tmp_path / "no" / "out")]) == 23
        assert main([str(backend.address), "-o", "/dev/full"]) == 23
    assert (tmp_path / "out").read_bytes() == b"x" * 500_000
    assert capfdbinary.readouterr().err.count(b"(23)") == 2


def test_a_file_is_not_touched_before_there_is_a_reply(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"old")
    with FakeBackend(close_before_reply()) as backend:
        assert main([str(backend.address), "-s", "-o", str(file)]) == 52
    assert file.read_bytes() == b"old"


def test_headers_may_be_left_out_or_empty() -> None:
    with FakeBackend(respond(body=b"x")) as backend:
        words = ["-d", "a=b", "-H", "Accept:", "-H", "content-type: ", "-H", "X-A;"]
        assert main([str(backend.address), *words]) == 0
    sent = backend.requests[0]
    assert (sent.value("HTTP_X_A"), sent.value("CONTENT_TYPE")) == (b"", b"")
    assert not {b"HTTP_ACCEPT", b"HTTP_CONTENT_TYPE"} & {name for name, _ in sent.variables}


def test_bytes_that_are_no_utf_8_go_out_as_they_are() -> None:
    with FakeBackend(respond(body=b"x")) as backend:
        assert main([str(backend.address), "/a\udcff", "-u", "a\udcff:b"]) == 0
    sent = backend.requests[0]
    assert (sent.value("PATH_INFO"), sent.value("REQUEST_URI")) == (b"/a\xff", b"/a%FF")
    assert sent.value("HTTP_AUTHORIZATION") == b"Basic Yf86Yg=="


def test_fail(capfdbinary: Captured) -> None:
    with FakeBackend(respond(b"HTTP/1.1 500 Oh", b"page")) as backend:
        assert main([str(backend.address), "-f"]) == 22
        assert main([str(backend.address), "-sf"]) == 22
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err == b"uwsgi-frontend curl: (22) the application answered 500\n"


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        (close_before_reply(), 52, errors.EOF_BEFORE_HEADERS),
        (bad_head(b"non sense\r\n\r\n"), 8, errors.BAD_REPLY_HEAD),
        (truncate_after(5), 18, errors.EOF_MID_BODY),
        (silence(), 28, errors.READ_TIMEOUT),
    ],
)
def test_failures(script: object, code: int, reason: errors.Reason, capfdbinary: Captured) -> None:
    with FakeBackend(script) as backend:  # type: ignore[arg-type]
        assert main([str(backend.address), "-m", "0.3" if code == 28 else "20"]) == code
        err = capfdbinary.readouterr().err.decode()
        assert err.startswith(f"uwsgi-frontend curl: ({code}) {reason.word}: {backend.address}: ")
        assert err.endswith(f"; next: {reason.next_step}\n")
        assert main([str(backend.address), "-s", "-m", "0.3" if code == 28 else "20"]) == code
        assert capfdbinary.readouterr().err == b""


@pytest.mark.parametrize(
    ("place", "word"),
    [(missing, "socket_missing"), (refuse, "connect_refused"), (full_backlog, "backlog_full")],
)
def test_no_connection(place: object, word: str, capfdbinary: Captured) -> None:
    with place() as address:  # type: ignore[operator]
        assert main([str(address), "-v"]) == 7
    err = capfdbinary.readouterr().err.decode()
    assert "> PATH_INFO=/\n" in err
    assert f"(7) {word}: {address}: " in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["/run/app.sock"], 2),
        (["unix:/s", "--nonsense"], 2),
        (["unix:/s", "no-slash"], 2),
        (["unix:/s", "-d", "@/nonexistent"], 26),
        (["unix:/s", "-b", "x" * 70_000], 55),
    ],
)
def test_one_line_about_mistakes(words: list[str], code: int, capfdbinary: Captured) -> None:
    assert main(words) == code
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.startswith(b"uwsgi-frontend curl: (%d) " % code)
    assert err.count(b"\n") == 1


def test_as_a_command() -> None:
    with FakeBackend(respond(body=b"hello")) as backend:
        done = run("curl", str(backend.address), "-s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello", "")
    with missing() as address:
        assert run("ping", str(address)).returncode == 1
