"""The stream behind TLS, over a transport in memory, with OpenSSL as the client."""

import ssl
from collections.abc import Callable

import pytest

from proxy.settings import TlsSettings
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory import MemoryClient
from proxy.tls.certificates import Certificates
from proxy.tls.stream import RECORD_BYTES, State, TlsStream
from proxy.waiting import Vigil
from tests.tls.authority import Authority
from tests.tls.talk import Client, Talk

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
BIG = bytes(range(256)) * 4096  # a megabyte


class Line:
    """A stream, its client, and a coroutine that counts how often it was woken."""

    def __init__(self, authority: Authority, version: ssl.TLSVersion | None = None) -> None:
        pair = authority.issue()
        certificates = Certificates(TlsSettings((pair.certificate,), (pair.key,)))
        self.clock = FakeClock()
        self.vigil = Vigil(self.clock.deadlines, self.clock)
        self.connected: list[object] = []
        self.wakes = 0
        self.wire = MemoryClient(
            self.clock,
            lambda: TlsStream(
                self.vigil, self.connected.append, certificates.session, self.clock.call_soon
            ),
        )
        stream = self.connected[0]
        assert isinstance(stream, TlsStream)
        self.stream = stream
        self.client = Client(authority.client_context(version))
        self.talk = Talk(self.wire, self.client)
        self.vigil.wake.start(self._count(), lambda error: None)

    async def _count(self) -> None:
        while True:
            await self.vigil.wake
            self.wakes += 1


NewLine = Callable[..., Line]


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def line(request: pytest.FixtureRequest, authority: Authority) -> Line:
    """One whose handshake is over."""
    line = Line(authority, request.param)
    line.talk.shake()
    return line


def test_a_handshake_wakes_once(authority: Authority) -> None:
    line = Line(authority)
    assert (line.stream.state, line.stream.begun) == (State.SHAKING, False)
    line.talk.shake()
    assert (line.stream.state, line.wakes) == (State.SECURE, 1)
    assert line.client.done
    assert not line.stream.has_data


def test_a_handshake_byte_by_byte_with_a_request_behind_it(authority: Authority) -> None:
    line = Line(authority)
    line.client.shake()
    for byte in line.client.sent():
        line.wire.send(bytes((byte,)))
    line.client.take(line.wire.received())
    line.client.shake()
    finished = line.client.sent() + line.client.encrypt(b"hello")
    for byte in finished[:-1]:
        line.wire.send(bytes((byte,)))
    assert (line.stream.state, line.stream.has_data) == (State.SECURE, False)
    line.wire.send(finished[-1:])
    assert line.stream.take() == b"hello"


def test_the_end_of_a_handshake_and_a_request_in_one(authority: Authority) -> None:
    line = Line(authority)
    line.client.shake()
    line.wire.send(line.client.sent())
    line.client.take(line.wire.received())
    line.client.shake()
    line.wire.send(line.client.sent() + line.client.encrypt(b"hello"))
    assert (line.stream.state, line.stream.take()) == (State.SECURE, b"hello")
    line.stream.write(b"hi")
    assert line.talk.received() == b"hi"


def test_bytes_go_both_ways(line: Line) -> None:
    line.talk.send(b"one")
    line.talk.send(b"two")
    assert line.stream.take() == b"onetwo"
    line.stream.write(b"a")
    line.stream.write(b"")
    line.stream.write_all([b"b", b"c"])
    assert line.talk.received() == b"abc"
    assert b"abc" not in line.wire.everything


def test_a_megabyte_each_way(line: Line) -> None:
    line.talk.send(BIG)
    found = b""
    while line.stream.has_data:
        found += line.stream.take()
        line.clock.settle()
    assert found == BIG
    line.stream.write(BIG)
    assert line.talk.received() == BIG


def test_a_client_that_sends_too_much_is_not_read_any_more(line: Line) -> None:
    line.wire.send(line.client.encrypt(BIG))
    assert line.stream.unread_bytes < len(BIG) / 2
    assert line.wire.unread_bytes > 0


def test_a_client_that_takes_nothing_makes_the_stream_unwritable(line: Line) -> None:
    line.wire.take(0)
    line.stream.write(BIG)
    assert not line.stream.writable
    assert line.stream.unsent_bytes > len(BIG)
    line.wire.take()
    assert line.stream.writable
    assert line.talk.received() == BIG


def test_what_is_written_is_no_more_records_than_needed(line: Line) -> None:
    """A head and a small body together: a record costs a client some time, and us."""
    before = len(line.wire.everything)
    line.stream.write_all([b"x"] * 1000)
    assert len(line.wire.everything) - before < 1000 + 64
    before = len(line.wire.everything)
    line.stream.write(b"x" * RECORD_BYTES * 4)
    assert len(line.wire.everything) - before < RECORD_BYTES * 4 + 4 * 64


def test_a_client_that_says_its_end_has_left(line: Line) -> None:
    line.wire.send(line.client.encrypt(b"last words") + line.client.end())
    assert line.stream.take() == b"last words"
    assert line.vigil.client_gone
    line.stream.write(b"still here")
    line.stream.close()
    assert line.wire.closed


def test_a_client_that_just_ends_has_left_as_well(line: Line) -> None:
    line.wire.end()
    assert line.vigil.client_gone
    assert not line.wire.closed


def test_close_says_so_behind_what_is_written(line: Line) -> None:
    line.stream.write(b"bye")
    line.stream.close()
    line.stream.write(b"void")
    line.stream.close()
    assert line.talk.received() == b"bye"
    assert line.client.ended
    assert line.wire.closed
    assert line.wire.at_end


@pytest.mark.parametrize("end", ["reset", "abort"])
def test_what_is_cut_never_looks_ended(line: Line, end: str) -> None:
    line.stream.write(b"half of")
    getattr(line.stream, end)()
    line.clock.settle()
    assert line.wire.closed
    assert line.wire.was_reset is (end == "reset")
    line.talk.received()
    assert not line.client.ended


def test_to_finish_writing_leaves_the_other_half_open(line: Line) -> None:
    line.stream.write(b"too large")
    line.stream.finish_writing()
    assert line.talk.received() == b"too large"
    assert line.client.ended
    assert not line.wire.closed
    wakes = line.wakes
    line.wire.send(line.client.encrypt(b"more of a body"))
    assert line.wakes > wakes
    assert not line.stream.has_data  # read away
    assert not line.vigil.client_gone
    line.stream.finish_writing()
    line.stream.close()
    line.clock.settle()
    assert line.wire.closed


def test_bytes_that_were_changed_on_the_way_end_it(line: Line) -> None:
    record = bytearray(line.client.encrypt(b"hello"))
    record[-1] ^= 1
    line.wire.send(bytes(record))
    line.clock.settle()
    assert line.vigil.client_gone
    assert (line.stream.state, line.stream.has_data) == (State.BROKEN, False)
    line.stream.write(b"void")
    line.stream.close()
    assert line.wire.closed


def test_no_new_handshake_within_one(authority: Authority) -> None:
    """Renegotiation costs the server more than the client: it is refused."""
    line = Line(authority, ssl.TLSVersion.TLSv1_2)
    line.talk.shake()
    assert line.stream.session.context.options & ssl.OP_NO_RENEGOTIATION


def test_a_client_without_tls_is_passed_on_as_it_is(authority: Authority) -> None:
    line = Line(authority)
    line.wire.send(b"GET / HTTP/1.1\r\n")
    assert (line.stream.state, line.wakes) == (State.PLAIN, 1)
    line.wire.send(b"\r\n")
    assert line.stream.take() == b"GET / HTTP/1.1\r\n\r\n"
    line.stream.write(b"no ")
    line.stream.write_all([b"to", b" this"])
    assert line.wire.received() == b"no to this"
    line.stream.close()
    assert line.wire.closed


def test_what_is_no_handshake_is_told_to_the_client(authority: Authority) -> None:
    line = Line(authority)
    line.wire.send(b"\x16\x03\x01\x00\x05hello")
    assert (line.stream.state, line.wakes) == (State.BROKEN, 1)
    assert line.stream.error is not None
    assert line.wire.received()[:1] == b"\x15"  # an alert
    line.wire.send(b"more")
    assert not line.stream.has_data


def test_the_buffers_stay_small(line: Line) -> None:
    """OpenSSL's memory buffers never give back what they once had."""
    sizes: list[int] = []
    write = line.stream.session.write
    line.stream.session.write = lambda data: sizes.append(len(data)) or write(data)  # type: ignore
    line.stream.write(BIG)
    assert max(sizes) <= RECORD_BYTES
