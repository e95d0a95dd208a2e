"""One try at one backend: phases, what a failure is classified as, and that it always ends."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.http1.writer import BodyFraming
from protocol.messages import ReplyHead
from protocol.reply import ReplyParser
from protocol.uwsgi import encode_packet, encode_vars
from proxy import errors
from proxy.downstream import SpoolSource
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import Address, UpstreamSettings
from proxy.spool import Spool
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.attempt import Attempt, Phase
from proxy.upstream.backend import Backend, Lease
from proxy.upstream.health import Outcome
from proxy.waiting import Vigil
from tests.wire import OK, chunked, cut

PACKET = encode_packet(encode_vars([(b"A", b"1")]))
ADDRESS = Address(path="/run/app.sock")


class Ledger:
    """Takes leases back and notes how they ended."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Outcome, int]] = []

    def give_back(self, backend: Backend, outcome: Outcome, status: int) -> None:
        backend.in_flight -= 1
        self.outcomes.append((outcome, status))


class Try:
    """An attempt in memory, and a way to run its coroutines."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.backend = Backend(ADDRESS, "app")
        self.far = MemoryBackend(ADDRESS)
        self.network = MemoryNetwork(self.clock, [self.far])
        self.vigil = Vigil(self.clock.deadlines, self.clock)
        settings = UpstreamSettings()
        self.ledger = Ledger()
        lease = Lease(self.backend, self.ledger)
        self.attempt = Attempt(lease, settings, ReplyParser(settings), self.vigil)
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run until it waits; `result` or `error` say how it ended, once it has."""

        async def keep() -> None:
            try:
                self.result = await coroutine
            finally:  # nobody waits any more
                self.attempt.channel.want(read=False, write=False)

        self.result = self.error = None
        self.vigil.wake.start(keep(), self._on_end)

    def _on_end(self, error: BaseException | None) -> None:
        self.error = error

    def ask(self) -> None:
        """Connect and send a request."""
        self.attempt.open(self.network)
        self.attempt.send_at_once(PACKET)
        assert not self.attempt.pending

    @property
    def reason(self) -> errors.Reason | None:
        return self.error.reason if isinstance(self.error, ProxyError) else None


@pytest.fixture
def one() -> Try:
    return Try()


def test_the_phases(one: Try) -> None:
    attempt = one.attempt
    phases = [attempt.phase]
    attempt.open(one.network)
    phases.append(attempt.phase)
    attempt.send_at_once(PACKET)
    phases.append(attempt.phase)
    one.run(attempt.read_head())
    one.far.channel.reply(b"HTTP/1.1 102 Processing\r\n\r\n")
    assert one.result.status == 102
    phases.append(attempt.phase)
    one.run(attempt.read_head())
    one.far.channel.reply(OK)
    phases.append(attempt.phase)
    nothing, sending, replying = Phase.NOTHING_SENT, Phase.SENDING, Phase.REPLYING
    assert phases == [nothing, nothing, sending, sending, replying]
    assert (attempt.record.status, attempt.record.bytes_received) == (200, 27 + len(OK))
    attempt.close()
    assert one.far.channel.closed


def test_times_and_sizes_are_noted(one: Try) -> None:
    one.clock.advance(1.0)
    one.ask()
    one.clock.advance(1.0)
    one.run(one.attempt.read_head())
    one.clock.advance(1.0)
    one.far.channel.reply(OK)
    one.clock.advance(1.0)
    one.attempt.close()
    record = one.attempt.record
    assert [record.started, record.connected, record.first_byte, record.ended] == [
        1000.0,
        1001.0,
        1003.0,
        1004.0,
    ]
    assert one.attempt.packet_bytes == len(PACKET)


def test_to_close_twice_is_to_close_once(one: Try) -> None:
    one.ask()
    one.clock.advance(1.0)
    one.attempt.close(Outcome.BAD)
    one.clock.advance(1.0)
    one.attempt.close()
    assert one.attempt.record.ended == 1001.0
    assert (one.backend.in_flight, one.ledger.outcomes) == (0, [(Outcome.BAD, 0)])


def test_an_attempt_that_never_got_a_connection_can_be_closed(one: Try) -> None:
    one.far.outcome = "busy"
    with pytest.raises(BackendBusy):
        one.attempt.open(one.network)
    one.attempt.close()
    assert (one.backend.in_flight, one.ledger.outcomes) == (0, [(Outcome.NEUTRAL, 0)])


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (errors.EOF_BEFORE_HEADERS, Outcome.BAD),
        (errors.READ_TIMEOUT, Outcome.BAD),
        (errors.SOCKET_MISSING, Outcome.ABSENT),
        (errors.CONNECT_REFUSED, Outcome.ABSENT),
        (errors.CLIENT_GONE, Outcome.NEUTRAL),
        (errors.SHUTDOWN_CUT, Outcome.NEUTRAL),
        (errors.SPOOL_FAILED, Outcome.NEUTRAL),
    ],
)
def test_only_what_is_the_backend_s_fault_counts_against_it(
    one: Try, reason: errors.Reason, outcome: Outcome
) -> None:
    one.attempt.fail(ProxyError(reason))
    assert one.attempt.record.reason is reason
    assert one.ledger.outcomes == [(outcome, 0)]
    one.attempt.fail(ProxyError(errors.INTERNAL_ERROR))
    assert one.attempt.record.reason is reason
    assert one.ledger.outcomes == [(outcome, 0)]


def test_what_breaks_in_the_middle_of_a_body_is_no_failure_of_the_backend(one: Try) -> None:
    one.ask()
    one.run(one.attempt.read_head())
    one.far.channel.reply(OK[:-1])
    one.attempt.fail(ProxyError(errors.EOF_MID_BODY))
    assert one.ledger.outcomes == [(Outcome.GOOD, 200)]


@pytest.mark.parametrize(("size", "outcome"), [(4100, Outcome.BAD), (4101, Outcome.NEUTRAL)])
def test_a_packet_that_the_worker_may_have_refused_says_nothing(
    one: Try, size: int, outcome: Outcome
) -> None:
    one.attempt.open(one.network)
    one.attempt.send_at_once(b"x" * size)
    one.attempt.fail(ProxyError(errors.RESET_BEFORE_HEADERS))
    assert one.ledger.outcomes == [(outcome, 0)]


def test_what_the_kernel_does_not_take_is_left_to_be_sent(one: Try) -> None:
    one.far.window = 3
    one.attempt.open(one.network)
    one.attempt.send_at_once(PACKET)
    rest = one.attempt.pending
    assert bytes(rest) == PACKET[3:]
    spool = Spool(100)
    spool.put(b"bo")
    spool.put(b"dy")
    one.run(one.attempt.send_rest(SpoolSource(spool)))
    for _ in range(len(PACKET) + 2):
        one.far.channel.take(1)
    assert (one.far.channel.body, len(one.attempt.pending)) == (b"body", 0)


def test_a_backend_that_does_not_listen_may_have_spoken(one: Try) -> None:
    one.attempt.open(one.network)
    one.far.channel.end(OK)
    one.attempt.send_at_once(PACKET)
    assert not one.attempt.pending
    one.run(one.attempt.read_head())
    one.clock.settle()
    assert one.result.status == 200


def test_what_was_pending_when_a_reply_began_still_is(one: Try) -> None:
    one.far.window = 3
    one.attempt.open(one.network)
    one.attempt.send_at_once(PACKET)
    one.run(one.attempt.send_rest(None))
    one.far.channel.reply(OK)
    assert bytes(one.attempt.pending) == PACKET[3:]


@given(st.lists(st.integers(0, 200), max_size=8))
def test_a_head_in_pieces(points: list[int]) -> None:
    one = Try()
    one.ask()
    one.run(one.attempt.read_head())
    for piece in cut(OK, points):
        one.far.channel.reply(piece)
    assert one.result.status == 200
    one.attempt.close()


BODIES: dict[str, tuple[ReplyHead, bytes, bytes]] = {
    "length": (ReplyHead(200, b"", content_length=5), b"hello", b"extra"),
    "chunks": (ReplyHead(200, b"", chunked=True), chunked(b"he", b"llo"), b"extra"),
    "end": (ReplyHead(200, b""), b"hello", b""),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_in_any_pieces(kind: str) -> None:
    head, data, extra = BODIES[kind]
    for size in (1, 2, 5, 100):
        one = Try()
        one.ask()
        one.attempt.begin_body(head)
        one.run(read_body(one))
        for start in range(0, len(data + extra), size):
            one.far.channel.reply((data + extra)[start : start + size])
        one.far.channel.end()
        assert (one.result, one.attempt.body.complete) == (b"hello", True)
        one.attempt.close()


async def read_body(one: Try) -> bytes:
    """Read a body as a relay does, with a client that takes everything."""
    one.attempt.channel.want(read=True, write=False)
    got = b""
    while not one.attempt.body.complete:
        data = one.attempt.receive_body()
        got += data or b""
        if data is None and not one.attempt.body.complete:
            await one.vigil.wake
    return got


@pytest.mark.parametrize(
    ("head", "framing", "rest", "whole"),
    [
        (ReplyHead(200, b"", content_length=2), BodyFraming.LENGTH, b"ok", b"ok"),
        (ReplyHead(200, b"", content_length=2), BodyFraming.LENGTH, b"okay", b"ok"),
        (ReplyHead(200, b"", content_length=0), BodyFraming.LENGTH, b"", b""),
        (ReplyHead(200, b"", content_length=3), BodyFraming.LENGTH, b"ok", None),
        (ReplyHead(200, b""), BodyFraming.CHUNKED, b"ok", None),
        (ReplyHead(200, b""), BodyFraming.NONE, b"ok", b""),
        (ReplyHead(101, b"", content_length=0), BodyFraming.TUNNEL, b"", None),
    ],
)
def test_a_body_that_came_with_its_head(
    one: Try, head: ReplyHead, framing: BodyFraming, rest: bytes, whole: bytes | None
) -> None:
    one.ask()
    one.run(one.attempt.read_head())
    one.far.channel.reply(b"HTTP/1.1 200 OK\r\n\r\n" + rest)
    assert one.attempt.take_whole(head, framing) == whole
    assert one.attempt.take_rest() == rest
    assert one.attempt.take_rest() == b""


def test_a_reset_tells_how_much_of_an_upload_was_sent(one: Try) -> None:
    """Nobody has read all of it: an application that raises looks like that, too."""
    spool = Spool(1024)
    spool.put(b"x" * 1000)
    one.ask()
    one.run(one.attempt.send_rest(SpoolSource(spool)))
    one.run(one.attempt.read_head())
    one.far.channel.reset()
    assert one.reason is errors.RESET_BEFORE_HEADERS
    assert "packet of 10 bytes and 1,000 of an upload (Connection reset" in str(one.error)


@pytest.mark.parametrize(
    ("act", "reason", "detail"),
    [
        (lambda c: c.end(), errors.EOF_BEFORE_HEADERS, "app: after 2.000 s, packet of 10 bytes"),
        (
            lambda c: c.reset(),
            errors.RESET_BEFORE_HEADERS,
            "app: after 2.000 s, packet of 10 bytes (Connection reset by peer)",
        ),
        (
            lambda c: c.end(b"HTTP/1.1"),
            errors.EOF_MID_HEADERS,
            "app: after 2.000 s, packet of 10 bytes, 8 bytes of head",
        ),
    ],
)
def test_the_detail_says_what_was_seen(
    one: Try, act: Callable[[Any], None], reason: errors.Reason, detail: str
) -> None:
    one.ask()
    one.run(one.attempt.read_head())
    one.clock.advance(2.0)
    act(one.far.channel)
    assert one.reason is reason
    assert isinstance(one.error, ProxyError)
    assert one.error.detail == detail
    assert not one.error.nothing_sent
