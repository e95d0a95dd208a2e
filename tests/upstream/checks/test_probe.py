"""One probe: its deadline, its end, and what failures become."""

import pytest

from proxy import errors
from proxy.errors import BackendBusy, ClientGone, ProxyError, Reason
from proxy.upstream.backend import Backend
from proxy.upstream.checks.probe import is_timeout, judge_strictly
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict
from tests.upstream.checks.bench import ADDRESS, Bench, make_backend


class Script:
    """A check that does as it is told: fail for a reason, or read for ever."""

    label = "script"

    def __init__(self, failure: ProxyError | BackendBusy | None = None) -> None:
        self.failure = failure

    def applies(self, backend: Backend) -> bool:
        return True

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        await talk.connect(ADDRESS)
        if self.failure is not None:
            raise self.failure
        while await talk.receive():
            pass
        return Finding(Verdict.GOOD)

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        return Verdict.BAD


def test_the_deadline_is_for_all_of_it() -> None:
    bench = Bench()
    bench.memory.outcome = "connecting"
    asked = bench.ask(Script())
    bench.clock.advance(1.0)
    bench.channel.accept()
    for _ in range(9):
        bench.clock.advance(0.1)
        bench.channel.reply(b"x")
    assert not asked.ended
    bench.clock.advance(0.4)
    assert asked.finding == Finding(Verdict.BAD, "read_timeout", "not in 2 s")


@pytest.mark.parametrize(
    ("failure", "finding"),
    [
        (BackendBusy(), Finding(Verdict.BAD, "backlog_full")),
        (
            ProxyError(errors.CONNECT_REFUSED, "there"),
            Finding(Verdict.BAD, "connect_refused", "there"),
        ),
        (ProxyError(errors.READ_TIMEOUT), Finding(Verdict.BAD, "read_timeout", "not in 2 s")),
        (
            ProxyError(errors.OUT_OF_DESCRIPTORS, "EMFILE"),
            Finding(Verdict.UNKNOWN, "out_of_descriptors", "EMFILE"),
        ),
    ],
)
def test_the_check_judges_failures_except_our_own(
    failure: ProxyError | BackendBusy, finding: Finding
) -> None:
    assert Bench().ask(Script(failure)).finding == finding


def test_a_probe_that_is_called_off_leaves_nothing_behind() -> None:
    bench = Bench()
    asked = bench.ask(Script())
    asked.vigil.client_gone = True
    asked.vigil.wake()
    assert isinstance(asked.error, ClientGone)
    assert bench.channel.closed
    assert not len(bench.clock.deadlines)


def test_a_bug_gets_out_and_leaves_nothing_behind() -> None:
    class Broken(Script):
        async def ask(self, subject: Subject, talk: Talk) -> Finding:
            await talk.connect(ADDRESS)
            raise RuntimeError("a bug")

    bench = Bench()
    asked = bench.ask(Broken())
    assert isinstance(asked.error, RuntimeError)
    assert bench.channel.closed
    assert not len(bench.clock.deadlines)


TIMEOUTS = (
    errors.CONNECT_TIMEOUT,
    errors.SEND_TIMEOUT,
    errors.READ_TIMEOUT,
    errors.READ_TIMEOUT_MID_BODY,
)


@pytest.mark.parametrize("reason", errors.ALL.values(), ids=lambda reason: str(reason.word))
@pytest.mark.parametrize("full", [False, True])
def test_only_lateness_of_a_full_backend_is_excused(reason: Reason, full: bool) -> None:
    subject = Subject(make_backend())
    subject.backend.max_conns, subject.backend.in_flight = 2, 2 if full else 1
    late = reason in TIMEOUTS
    assert is_timeout(reason) is late
    expected = Verdict.BUSY if full and late else Verdict.BAD
    assert judge_strictly(ProxyError(reason), subject) is expected
    assert judge_strictly(BackendBusy(), subject) is Verdict.BUSY
