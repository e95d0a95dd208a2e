"""The steps and the ready-made scripts, seen from the other end of the connection."""

import hashlib
import json
import threading
from dataclasses import dataclass

import pytest

from proxy.testing import (
    READ,
    Close,
    Delay,
    FakeBackend,
    HalfPacket,
    Hang,
    Line,
    Pause,
    ReadBody,
    ReadPacket,
    Received,
    Reset,
    Send,
    bad_head,
    close_before_reply,
    drip,
    reset_before_reply,
    respond,
    silence,
    truncate_after,
)
from tests.testing.caller import Caller, packet, reply_of
from tests.testing.test_fake_backend import FAMILIES, Family


def test_respond_adds_what_a_status_line_lacks() -> None:
    with FakeBackend(respond(b"HTTP/1.1 404 Nope", b"gone")) as backend:
        assert reply_of(backend) == (
            b"HTTP/1.1 404 Nope\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ngone"
        )


def test_respond_sends_a_whole_head_untouched() -> None:
    head = b"Status: 201 Made\r\nX-One: 1\r\n\r\n"
    with FakeBackend(respond(head, b"body")) as backend:
        assert reply_of(backend) == head + b"body"


def test_echo_tells_all_that_came() -> None:
    body = b"\x00\xff" * 10
    pairs = [(b"B", b"1"), (b"A", b"\xe9"), (b"B", b"2"), (b"CONTENT_LENGTH", b"20")]
    with FakeBackend() as backend:
        reply = reply_of(backend, packet(*pairs, modifier1=5, modifier2=7) + body)
    told = json.loads(reply.partition(b"\r\n\r\n")[2])
    assert told == {
        "modifier1": 5,
        "modifier2": 7,
        "variables": [["B", "1"], ["A", "\xe9"], ["B", "2"], ["CONTENT_LENGTH", "20"]],
        "length": 20,
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def test_truncate_after_sends_less_than_it_announces() -> None:
    with FakeBackend(truncate_after(7)) as backend:
        head, _, body = reply_of(backend).partition(b"\r\n\r\n")
    assert b"Content-Length: 107" in head
    assert body == b"x" * 7


@pytest.mark.parametrize("family", FAMILIES)
def test_silence_lasts_until_the_caller_leaves(family: Family) -> None:
    with FakeBackend(silence(), family=family) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"A", b"1")))
            assert backend.wait_for(1)[0].ended == "complete"
            assert backend.endings == {}
        assert backend.wait_for_ending(0) == "eof"


@pytest.mark.parametrize("family", FAMILIES)
def test_reset_before_reply_is_a_reset_on_both_families(family: Family) -> None:
    with (
        FakeBackend(reset_before_reply(), family=family) as backend,
        Caller(backend.address) as caller,
    ):
        caller.send(packet((b"A", b"1" * 1000)))
        with pytest.raises(ConnectionResetError):
            caller.receive_all()
        assert backend.wait_for(1)[0].variables == []


def test_close_before_reply_is_an_empty_reply() -> None:
    with FakeBackend(close_before_reply()) as backend:
        assert reply_of(backend) == b""
        assert backend.wait_for_ending(0) == "closed"


def test_bad_head_is_sent_as_it_is() -> None:
    with FakeBackend(bad_head(b"<html>oops")) as backend:
        assert reply_of(backend) == b"<html>oops"


def test_drip_sends_everything_in_pieces() -> None:
    script = drip(b"0123456789", 4, delay_s=0.001)
    assert [step for step in script if isinstance(step, Send)] == [
        Send(b"0123"),
        Send(b"4567"),
        Send(b"89"),
    ]
    with FakeBackend(script) as backend:
        assert reply_of(backend) == b"0123456789"


def test_a_pause_ends_when_the_test_says_so() -> None:
    told = threading.Event()
    with (
        FakeBackend((*READ, Send(b"a"), Pause(told), Send(b"b"))) as backend,
        Caller(backend.address) as caller,
    ):
        caller.send(packet((b"A", b"1")))
        assert caller.receive(1) == b"a"
        told.set()
        assert caller.receive_all() == b"b"


@pytest.mark.parametrize("step", [Pause(threading.Event()), Delay(1000.0), Hang(), ReadBody(9)])
def test_each_waiting_step_ends_with_the_backend(step: Pause | Delay | Hang | ReadBody) -> None:
    with (
        FakeBackend((ReadPacket(), ReadBody(0), Send(b"x"), step)) as backend,
        Caller(backend.address) as caller,
    ):
        caller.send(packet((b"A", b"1")))
        assert caller.receive(1) == b"x"
        backend.stop()
        assert backend.endings == {0: "stopped"}


def test_steps_after_a_close_are_not_run() -> None:
    with FakeBackend((*READ, Close(), Send(b"never"))) as backend:
        assert reply_of(backend) == b""


def test_half_packet_leaves_the_rest_unread() -> None:
    with FakeBackend((HalfPacket(), Send(b"early"), Reset())) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"A", b"1" * 100)))
            assert caller.receive(5) == b"early"
        assert backend.wait_for(1)[0].variables == []


def test_a_script_may_choose_by_request() -> None:
    def script(received: Received) -> tuple[Send, ...]:
        return (Send(received.value("PATH_INFO", b"none") + b" " + received.body),)

    with FakeBackend(script) as backend:
        request = packet((b"PATH_INFO", b"/x"), (b"CONTENT_LENGTH", b"2")) + b"hi"
        assert reply_of(backend, request) == b"/x hi"
        assert reply_of(backend) == b"none "


def test_a_test_may_bring_its_own_step() -> None:
    @dataclass(frozen=True)
    class SendTwice:
        data: bytes

        def run(self, line: Line) -> None:
            line.send(self.data)
            line.send(self.data)

    with FakeBackend((*READ, SendTwice(b"ab"))) as backend:
        assert reply_of(backend) == b"abab"


def test_a_second_packet_on_the_connection_is_a_second_request() -> None:
    with FakeBackend((*READ, Send(b"1"), *READ, Send(b"2"))) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"A", b"1")))
            assert caller.receive(1) == b"1"
            caller.send(packet((b"A", b"2")))
            assert caller.receive_all() == b"2"
        assert [(one.connection, one.value("A")) for one in backend.requests] == [
            (0, b"1"),
            (0, b"2"),
        ]


def test_an_unread_body_is_not_in_the_record() -> None:
    with FakeBackend((ReadPacket(), Send(b"early"))) as backend:
        with Caller(backend.address) as caller:
            caller.send(packet((b"CONTENT_LENGTH", b"5")) + b"hello")
            assert caller.receive(5) == b"early"
        assert backend.requests[0].body == b""


def test_a_body_length_that_is_no_number_counts_as_none() -> None:
    with FakeBackend(respond(body=b"ok")) as backend:
        assert reply_of(backend, packet((b"CONTENT_LENGTH", b""))).endswith(b"ok")


def test_value_is_the_first_of_its_name() -> None:
    received = Received(0, 0, [(b"A", b"1"), (b"A", b"2")], b"", 0, "complete")
    assert received.value("A") == b"1"
    assert received.value("B") == b""


def test_a_reset_on_tcp_is_seen_while_everything_was_read() -> None:
    with (
        FakeBackend((*READ, Reset()), family="tcp") as backend,
        Caller(backend.address) as caller,
    ):
        caller.send(packet((b"A", b"1")))
        with pytest.raises(ConnectionResetError):
            caller.receive_all()
