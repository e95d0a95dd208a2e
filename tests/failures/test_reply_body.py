"""Failures behind the head of a reply: the client must never take what it got for the whole.

Its status has gone out, so the log has that one; the connection breaks. A length that is not
reached or a last chunk that never comes shows it; where only the end of the connection ends the
body (HTTP/1.0), it is reset.
"""

import threading
from dataclasses import dataclass

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.testing import (
    READ,
    Close,
    FakeBackend,
    HalfPacket,
    Hang,
    Pause,
    Reset,
    Script,
    Send,
    Step,
    truncate_after,
)
from proxy.testing.faults import Family
from tests.failures.outcome import check_answer, check_end, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import request

FREE = b"HTTP/1.1 200 OK\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class CutOff:
    """A reply whose body begins with `hello` and ends badly."""

    reply: bytes
    end: tuple[Step, ...]
    reason: Reason
    seen: str = ""
    begin: tuple[Step, ...] = READ

    def script(self, heard: threading.Event) -> Script:
        """Let the end follow only when `heard` is set."""
        return (*self.begin, Send(self.reply), Pause(heard), *self.end)


# A unix socket can only be reset while something is unread.
UNREAD = (HalfPacket(),)
LAST_CHUNK = "the last chunk is missing"

CUT_OFF = {
    "length": CutOff(LENGTH + b"hello", (Close(),), errors.EOF_MID_BODY, "95 bytes are missing"),
    "chunked": CutOff(CHUNKED + b"5\r\nhello\r\n", (Close(),), errors.EOF_MID_BODY, LAST_CHUNK),
    "in a chunk": CutOff(CHUNKED + b"9\r\nhello", (Close(),), errors.EOF_MID_BODY, LAST_CHUNK),
    "reset": CutOff(LENGTH + b"hello", (Reset(),), errors.RESET_MID_BODY, begin=UNREAD),
    "free, reset": CutOff(FREE + b"hello", (Reset(),), errors.RESET_MID_BODY, begin=UNREAD),
    "bad chunk": CutOff(
        CHUNKED + b"5\r\nhello\r\n", (Send(b"what?\r\n"), Hang()), errors.BAD_REPLY_BODY, "chunk"
    ),
}
SILENT = {
    "length": CutOff(LENGTH + b"hello", (Hang(),), errors.READ_TIMEOUT_MID_BODY),
    "free": CutOff(FREE + b"hello", (Hang(),), errors.READ_TIMEOUT_MID_BODY),
}


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", CUT_OFF)
def test_a_reply_that_is_cut_off(
    frontend: StartFrontend, backend: StartBackend, family: Family, name: str, version: str
) -> None:
    check_cut_off(frontend, backend(family=family), CUT_OFF[name], version)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", SILENT)
def test_a_reply_that_goes_silent(
    frontend: StartFrontend, backend: StartBackend, name: str, version: str
) -> None:
    options = "--backend-read-timeout 0.5"
    check_cut_off(frontend, backend(), SILENT[name], version, options)


def check_cut_off(
    frontend: StartFrontend, worker: FakeBackend, case: CutOff, version: str, options: str = ""
) -> None:
    """Read as far as it goes; the end must not look like one."""
    heard = threading.Event()
    worker.script = case.script(heard)
    front = frontend(worker, options=options)
    with front.client() as client:
        client.send(request(version=version))
        while b"hello" not in client.buffer:
            assert client.fill()
        heard.set()
        response = client.response()
        assert response is not None
        assert response.status == 200
        if response.framing == "eof":
            assert client.ended == "reset"
        else:
            assert not response.complete
            check_end(client, "closed")
        assert response.body == b"hello"
        seen = check_failed(front, case.reason, case.seen, status=200)
    assert seen.startswith(f"{worker.address}")
    assert worker.accepted == 1
    assert worker.wait_for_ending(0)


def test_a_reply_that_is_cut_off_at_once(
    frontend: StartFrontend, backend: StartBackend, family: Family
) -> None:
    front = frontend(backend(truncate_after(10), family))
    with front.client() as client:
        client.send(request())
        response = client.response()
        assert response is not None
        assert (response.status, response.complete) == (200, False)
        check_end(client, "closed")
        check_failed(front, errors.EOF_MID_BODY, "100 bytes are missing", status=200)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_reply_of_which_only_the_head_came(
    frontend: StartFrontend, backend: StartBackend, family: Family, version: str
) -> None:
    """Nothing has been passed on: so the client can be given an answer that is whole."""
    front = frontend(backend(truncate_after(0), family))
    with front.client() as client:
        client.send(request("/", "Connection: keep-alive", version=version))
        check_answer(client, 502, "open")
        check_failed(front, errors.EOF_MID_BODY, "100 bytes are missing")


def test_a_streamed_reply_that_is_cut_off(frontend: StartFrontend, backend: StartBackend) -> None:
    front = frontend(backend(truncate_after(10)), options="--buffering off")
    with front.client() as client:
        client.send(request())
        response = client.response()
        assert response is not None
        assert (response.body, response.complete) == (b"x" * 10, False)
        check_end(client, "closed")
        check_failed(front, errors.EOF_MID_BODY, "100 bytes are missing", status=200)


def test_a_long_reply_that_is_cut_off_behind_the_client_s_back(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """What was spooled for a slow client still breaks off at its end."""
    worker = backend(truncate_after(30_000_000))
    front = frontend(worker)
    with front.client(receive_buffer=4096) as client:
        client.send(request())
        assert worker.wait_for_ending(0) == "closed"
        response = client.response()
        assert response is not None
        assert not response.complete
        check_end(client, "closed")
        check_failed(front, errors.EOF_MID_BODY, "100 bytes are missing", status=200)
