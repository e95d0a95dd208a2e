"""The fake backend: what it records, how it stops, and that nothing of it is left."""

import os
import socket
import threading
from pathlib import Path
from typing import Literal

import pytest

from proxy.client.request import uwsgi_request_sync
from proxy.errors import ProxyError
from proxy.settings import Address
from proxy.testing import (
    READ,
    FakeBackend,
    Line,
    Pause,
    Received,
    Send,
    close_before_reply,
    delay,
    in_turn,
    oversize_head,
    respond,
    silence,
    slow_read,
)
from tests.testing.caller import Caller, packet, reply_of

Family = Literal["unix", "tcp"]
FAMILIES: list[Family] = ["unix", "tcp"]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_is_recorded_whole(family: Family) -> None:
    with FakeBackend(respond(), family=family) as backend:
        sent = [(b"CONTENT_LENGTH", b"3"), (b"B", b"2"), (b"B", b""), (b"A", b"\xff\x00")]
        assert reply_of(backend, packet(*sent, modifier1=1, modifier2=2) + b"abc")
        assert backend.requests == [Received(1, 2, sent, b"abc", 0, "complete")]
        assert backend.wait_for_ending(0) == "closed"


def test_pieces_make_one_request() -> None:
    with FakeBackend(respond(body=b"ok")) as backend, Caller(backend.address) as caller:
        for byte in packet((b"CONTENT_LENGTH", b"2"), (b"A", b"1")) + b"hi":
            caller.send(bytes((byte,)))
        assert caller.receive_all().endswith(b"ok")
        assert backend.requests[0].body == b"hi"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_eof_in_the_body_is_told_from_a_whole_body(family: Family) -> None:
    with FakeBackend(respond(), family=family) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"CONTENT_LENGTH", b"5")) + b"hi")
        (received,) = backend.wait_for(1)
        assert (received.body, received.ended) == (b"hi", "eof")
        assert backend.wait_for_ending(0) == "eof"


def test_an_eof_in_the_packet_leaves_no_variables() -> None:
    with FakeBackend(respond()) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"A", b"12345"))[:-1])
        (received,) = backend.wait_for(1)
        assert (received.variables, received.ended) == ([], "eof")


def test_a_reset_in_the_body_is_told_from_an_eof() -> None:
    with FakeBackend(respond(), family="tcp") as backend:
        caller = Caller(backend.address)
        caller.send(packet((b"CONTENT_LENGTH", b"5")))
        caller.reset()
        (received,) = backend.wait_for(1)
        assert received.ended == "reset"
        assert backend.wait_for_ending(0) == "reset"


def test_a_connection_without_a_byte_is_counted_but_no_request() -> None:
    with FakeBackend(respond()) as backend:
        with Caller(backend.address):
            pass
        assert backend.wait_for_ending(0) == "eof"
        assert backend.requests == []
        assert backend.accepted == 1


def test_connections_are_served_side_by_side_and_numbered() -> None:
    with FakeBackend(silence()) as backend:
        with Caller(backend.address) as first, Caller(backend.address) as second:
            second.send(packet((b"N", b"2")))
            backend.wait_for(1)
            first.send(packet((b"N", b"1")))
            backend.wait_for(2)
        assert [one.value("N") for one in backend.requests] == [b"2", b"1"]
        assert [one.connection for one in backend.requests] == [1, 0]
        assert backend.accepted == 2


def test_waiting_for_what_never_comes_says_what_did() -> None:
    with FakeBackend(respond()) as backend:
        with pytest.raises(TimeoutError, match=r"no sign of 1 requests .* 0 connections"):
            backend.wait_for(1, timeout_s=0.01)
        with pytest.raises(TimeoutError, match="the end of 0"):
            backend.wait_for_ending(0, timeout_s=0.01)


def test_a_given_path_is_used_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with FakeBackend(respond(), path=path) as backend:
        assert backend.address == Address(path=str(path))
        assert reply_of(backend)
    assert not path.exists()


def test_a_path_of_its_own_leaves_no_directory() -> None:
    with FakeBackend(respond()) as backend:
        directory = Path(backend.address.path).parent
        assert directory.exists()
    assert not directory.exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_left_after_stop(family: Family) -> None:
    threads, files = threading.active_count(), open_files()
    backend = FakeBackend((*READ, Send(b"x"), Pause(threading.Event())), family=family)
    backend.start()
    with Caller(backend.address) as caller, Caller(backend.address), Caller(backend.address):
        caller.send(packet((b"A", b"1")))
        assert caller.receive(1) == b"x"
        backend.wait_for_connections(3)
        backend.stop()
        backend.stop()
        assert backend.endings == {0: "stopped", 1: "stopped", 2: "stopped"}
    assert threading.active_count() == threads
    assert open_files() == files


def test_a_backend_that_was_never_started_can_be_stopped() -> None:
    files = open_files()
    backend = FakeBackend()
    backend.stop()
    assert open_files() == files


def test_a_step_that_does_not_return_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.testing.fake_backend.STOP_TIMEOUT_S", 0.05)
    released = threading.Event()

    class Deaf:
        def run(self, line: Line) -> None:
            line.send(b"x")
            released.wait(30)

    backend = FakeBackend((*READ, Deaf()))
    backend.start()
    with Caller(backend.address) as caller:
        caller.send(packet((b"A", b"1")))
        assert caller.receive(1) == b"x"
        with pytest.raises(RuntimeError, match="fake-backend connection 0"):
            backend.stop()
        released.set()
        backend.wait_for_ending(0)


def test_a_peer_that_speaks_something_else_leaves_a_request_without_variables() -> None:
    with FakeBackend(respond(body=b"ok")) as backend:
        # As a packet, "GET " has modifier1 71 and a block of 21573 bytes that make no sense.
        assert reply_of(backend, b"GET " + b"\xff" * 21573).endswith(b"ok")
        assert backend.requests == [Received(71, 32, [], b"", 0, "complete")]


def test_the_listen_queue_has_the_length_that_was_asked_for() -> None:
    backend = FakeBackend(respond(), backlog=1)
    try:
        with (
            Caller(backend.address),
            Caller(backend.address),
            socket.socket(socket.AF_UNIX) as third,
        ):
            third.setblocking(False)
            with pytest.raises(BlockingIOError):
                third.connect(backend.address.path)
    finally:
        backend.stop()


def test_a_full_listen_queue_and_what_comes_after_it() -> None:
    """Busy while it lasts; nobody's request is lost, and none of the visitors is seen."""
    with FakeBackend(respond(body=b"ok")) as backend:
        for _ in range(3):
            with backend.full(), socket.socket(socket.AF_UNIX) as sock:
                sock.setblocking(False)
                with pytest.raises(BlockingIOError):
                    sock.connect(backend.address.path)
            assert uwsgi_request_sync(backend.address).body == b"ok"
        assert backend.accepted == 3
    with FakeBackend(family="tcp") as backend, pytest.raises(ValueError, match="only the listen"):
        backend.full().__enter__()


def test_each_connection_in_turn() -> None:
    plays = in_turn(
        close_before_reply(), lambda got: respond(body=b"2")[len(READ) :], respond(body=b"3")
    )
    with FakeBackend(plays) as backend:
        with pytest.raises(ProxyError, match="eof_before_headers"):
            uwsgi_request_sync(backend.address)
        assert [uwsgi_request_sync(backend.address).body for _ in range(3)] == [b"2", b"3", b"3"]
    with pytest.raises(ValueError, match="at least one"):
        in_turn()


def test_slowness_and_size() -> None:
    with FakeBackend(slow_read(3, 0.01)) as backend:
        assert uwsgi_request_sync(backend.address, "POST", body=b"x" * 100_000).status == 200
        (received,) = backend.requests
        assert (received.ended, len(received.body)) == ("complete", 100_000)
        backend.script = delay(0.05, b"late")
        reply = uwsgi_request_sync(backend.address)
        assert (reply.body, reply.timings.head_s > 0.04) == (b"late", True)
        backend.script = oversize_head(9000)
        assert len(uwsgi_request_sync(backend.address).header("x-large") or "") == 9000
