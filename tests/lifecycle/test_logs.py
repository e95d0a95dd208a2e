"""Where the lines go, and that nothing about that can stop the service."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.testing import missing, respond
from proxy.testing.steps import Close, Received, Send, Step
from tests.differential.client import Client
from tests.integration.fixtures import StartBackend
from tests.integration.messages import request
from tests.lifecycle.command import address_of, ask, check_refused, client_of, listens
from tests.servers import DEADLINE_S, REPOSITORY, proxy_process, wait_until

LINE = re.compile(
    r"127\.0\.0\.1 - alice \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    r' "GET /a\?b HTTP/1\.1" 200 5 "http://from/" "agent"'
    r' \d+\.\d{3} 0\.000 "(\S+)" \d+\.\d{3} \d+\.\d{3} \d+\.\d{3} -'
)
FIELDS = ("Referer: http://from/", "User-Agent: agent", "Authorization: Basic YWxpY2U6c2VjcmV0")


def test_the_access_log_s_format(backend: StartBackend) -> None:
    worker = backend(respond(body=b"hello"))
    with proxy_process("--upstream", str(worker.address)) as proxy, client_of(proxy) as client:
        client.send(request("/a?b", *FIELDS))
        assert client.response() is not None
        (line,) = proxy.access_lines.wait_for("GET")  # at once, not only at the end
    match = LINE.fullmatch(line)
    assert match is not None, line
    assert match[1] == str(worker.address)


def test_a_file_is_appended_to(backend: StartBackend, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("before\n")
    worker = backend(respond())
    with proxy_process("--upstream", str(worker.address), "--access-log", str(log)) as proxy:
        ask(proxy.url, "/one")
        ask(proxy.url, "/two")
        assert proxy.stop() == 0
    assert proxy.access == []
    before, one, two = log.read_text().splitlines()
    assert before == "before"
    assert '"GET /one HTTP/1.1"' in one
    assert '"GET /two HTTP/1.1"' in two


def test_no_access_log(backend: StartBackend) -> None:
    worker = backend(respond())
    with proxy_process("--upstream", str(worker.address), "--access-log", "off") as proxy:
        ask(proxy.url)
        assert proxy.stop() == 0
    assert proxy.access == []


def test_a_client_cannot_forge_a_line(backend: StartBackend) -> None:
    worker = backend(respond())
    with proxy_process("--upstream", str(worker.address)) as proxy:
        with client_of(proxy) as client:
            client.send(request('/"x', 'User-Agent: a"b\\c\x1b[31m\x85'))
            assert client.response() is not None
        assert proxy.stop() == 0
    (line,) = proxy.access
    assert '"GET /\\x22x HTTP/1.1" ' in line
    assert '"a\\x22b\\x5Cc\\x1B[31m\\xC2\\x85"' in line


def test_less_is_said_when_asked(backend: StartBackend) -> None:
    with missing() as address:
        options = ("--upstream", str(address), "--log-level", "error", "--try-duration", "0")
        with proxy_process(*options) as proxy:
            assert ask(proxy.url).status == 502
            assert proxy.stop() == 0
    assert [line for line in proxy.log if not line.startswith("listening on ")] == []


@pytest.mark.parametrize("log", ["/dev/full", "-"])
def test_a_log_that_cannot_be_written_stops_nothing(backend: StartBackend, log: str) -> None:
    """A full disk; a reader of our standard output that has gone."""
    worker = backend(respond(body=b"ok"))
    options = ("--upstream", str(worker.address), "--listen", "127.0.0.1:0", "--access-log", log)
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        try:
            url = process.stderr.readline().removeprefix("listening on ").strip()
            for _ in range(3):
                assert ask(url).body == b"ok"
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert "Exception" not in rest


@pytest.mark.parametrize("closed", ["0", "1", "2"])
def test_standard_streams_may_be_closed(backend: StartBackend, tmp_path: Path, closed: str) -> None:
    """As some service managers start their services."""
    worker, log, path = backend(respond(body=b"ok")), tmp_path / "log", tmp_path / "s"
    command = [sys.executable, "-m", "proxy", "--upstream", str(worker.address)]
    command += ["--listen", f"unix:{path}", "--access-log", str(log)]
    shell = 'exec "$@" ' + {"0": "<&-", "1": ">&-", "2": "2>&-"}[closed]
    with subprocess.Popen(["sh", "-c", shell, "sh", *command], cwd=REPOSITORY) as process:
        try:
            wait_until(lambda: listens(f"unix:{path}"), "somebody listens")
            assert ask(f"unix:{path}").body == b"ok"
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
    assert len(log.read_text().splitlines()) == 1


def test_logs_are_opened_again_on_sigusr1(backend: StartBackend, tmp_path: Path) -> None:
    access, errors = tmp_path / "access.log", tmp_path / "error.log"

    def script(received: Received) -> Sequence[Step]:
        good = received.value("PATH_INFO") == b"/1"
        return [Send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") if good else Close()]

    worker = backend(script)
    options = ("--upstream", str(worker.address), "--try-duration", "0", "--next-upstream-tries=1")
    logs = ("--access-log", str(access), "--error-log", str(errors))
    with proxy_process(*options, *logs, "--access-log-format", "$status $uri") as proxy:
        ask(proxy.url, "/1")
        wait_until(lambda: access.read_text() == "200 /1\n", "the first line")
        access.rename(tmp_path / "access.1")
        errors.rename(tmp_path / "error.1")
        proxy.process.send_signal(signal.SIGUSR1)
        wait_until(access.exists, "a new access log")
        wait_until(errors.exists, "a new error log")
        ask(proxy.url, "/2")
        assert proxy.stop() == 0
    assert (tmp_path / "access.1").read_text() == "200 /1\n"
    assert access.read_text() == "502 /2\n"
    assert "SIGUSR1: opening the log files again" in (tmp_path / "error.1").read_text()
    assert 'eof_before_headers 502 "GET /2 HTTP/1.1"' in errors.read_text()
    assert [line for line in proxy.log if not line.startswith("listening on ")] == []


def test_json_for_another_program(backend: StartBackend) -> None:
    worker = backend(respond(body=b"hello"))
    options = ("--upstream", str(worker.address), "--access-log-format", "json")
    with proxy_process(*options) as proxy, client_of(proxy) as client:
        client.send(request("/a?b", *FIELDS))
        assert client.response() is not None
        (line,) = proxy.access_lines.wait_for("GET")
    told = json.loads(line)
    assert (told["uri"], told["status"], told["body_bytes_sent"]) == ("/a?b", 200, 5)
    assert told["upstream"][0]["addr"] == str(worker.address)


def test_a_flood_of_failures_is_a_few_lines_and_a_number() -> None:
    with missing() as address:
        options = ("--upstream", str(address), "--try-duration", "0", "--error-log-burst", "2")
        with proxy_process(*options) as proxy:
            for _ in range(5):
                assert ask(proxy.url).status == 502
            assert proxy.stop() == 0
    assert len([line for line in proxy.log if "; next: " in line]) == 2
    assert sum(f"{address}: 3 more like this in the last 10 s" in line for line in proxy.log) == 1


def test_a_standard_error_that_nobody_reads_holds_up_nothing(short_dir: Path) -> None:
    """More is said than a pipe has room for, and the one at its other end has stopped."""
    reading, writing = os.pipe()
    url = f"unix:{short_dir / 's'}"  # with a port, only what nobody reads would say which
    with missing() as address:
        options = ["--upstream", str(address), "--try-duration", "0", "--error-log-burst", "0"]
        options += ["--access-log", "off", "--listen", url]
        with subprocess.Popen(
            [sys.executable, "-m", "proxy", *options], cwd=REPOSITORY, stderr=writing
        ) as process:
            os.close(writing)
            try:
                wait_until(lambda: listens(url), "somebody listens")
                with Client(address_of(url)) as client:
                    for _ in range(400):  # of about 400 bytes each; a pipe has 64 KB
                        client.send(request("/" + "x" * 200))
                        response = client.response()
                        assert response is not None
                        assert response.status == 502
                process.send_signal(signal.SIGTERM)
                assert process.wait(DEADLINE_S) == 0
            finally:
                process.kill()
    os.close(reading)


def test_a_log_that_cannot_be_opened_is_one_line() -> None:
    check_refused(
        ("--upstream", "unix:/x", "--error-log", "/nowhere/log"),
        2,
        "--error-log /nowhere/log: directory /nowhere does not exist",
    )
