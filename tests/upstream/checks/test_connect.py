"""Does anybody listen?"""

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.verdict import Finding, Verdict
from tests.upstream.checks.bench import Bench

CHECK = ConnectCheck()


def test_who_accepts_is_good_and_is_sent_nothing() -> None:
    bench = Bench()
    asked = bench.ask(CHECK)
    assert asked.finding == Finding(Verdict.GOOD)
    assert bench.channel.closed
    assert not bench.channel.sent
    assert CHECK.applies(bench.backend)
    assert CHECK.label == "connect"


def test_a_connection_may_take_its_time() -> None:
    bench = Bench()
    bench.memory.outcome = "connecting"
    asked = bench.ask(CHECK)
    bench.clock.advance(1.5)
    assert not asked.ended
    bench.channel.accept()
    assert asked.fate == (Verdict.GOOD, "ok")


@pytest.mark.parametrize(
    "reason",
    [
        errors.CONNECT_REFUSED,
        errors.SOCKET_MISSING,
        errors.PERMISSION_DENIED,
        errors.CONNECT_FAILED,
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_who_cannot_be_reached_is_bad(reason: Reason, late: bool) -> None:
    bench = Bench()
    bench.memory.outcome = "connecting" if late else reason
    asked = bench.ask(CHECK)
    if late:
        bench.channel.refuse(reason)
    assert asked.fate == (Verdict.BAD, reason.word)
    assert asked.finding.detail == "unix:/run/app.sock"


def test_a_full_listen_queue_is_busy() -> None:
    bench = Bench()
    bench.memory.outcome = "busy"
    assert bench.ask(CHECK).fate == (Verdict.BUSY, "backlog_full")


def test_no_descriptor_left_is_not_the_backend_s_fault() -> None:
    bench = Bench()
    bench.memory.outcome = errors.OUT_OF_DESCRIPTORS
    assert bench.ask(CHECK).fate == (Verdict.UNKNOWN, "out_of_descriptors")


def test_no_answer_is_bad() -> None:
    bench = Bench()
    bench.memory.outcome = "connecting"
    asked = bench.ask(CHECK).expire()
    assert asked.fate == (Verdict.BAD, "connect_timeout")
    assert asked.finding.detail == "not in 2 s"


def test_no_answer_while_our_requests_fill_it_is_busy() -> None:
    """TCP drops the connection when the listen queue is full."""
    bench = Bench()
    bench.memory.outcome = "connecting"
    bench.backend.max_conns = bench.backend.in_flight = 2
    assert bench.ask(CHECK).expire().fate == (Verdict.BUSY, "connect_timeout")
