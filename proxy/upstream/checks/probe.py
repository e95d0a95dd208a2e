"""One check of one backend: under a deadline, from connect to finding, and never an exception.

This is where failures become verdicts. Facts about uWSGI behind the rules: a full listen queue
(EAGAIN) is overload and not death; a lack of descriptors is ours; what a timeout means depends on
the question (a ping needs a free worker, a request of the application's an application).
"""

from typing import Protocol

from proxy import errors
from proxy.errors import BackendBusy, Blame, ClientGone, ProxyError, Reason
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Network
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict
from proxy.waiting import Vigil

_TIMEOUTS = frozenset(
    (
        errors.CONNECT_TIMEOUT,
        errors.SEND_TIMEOUT,
        errors.READ_TIMEOUT,
        errors.READ_TIMEOUT_MID_BODY,
    )
)


class Check(Protocol):
    """One kind of question, prepared once for all backends. Keeps nothing between two probes."""

    @property
    def label(self) -> str:
        """For logs and admin pages: `http /healthz`."""

    def applies(self, backend: Backend) -> bool:
        """Whether it can be put to this backend."""

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        """Ask, and return what the answer means.

        Raises:
            BackendBusy: a full listen queue.
            ProxyError: no answer; `judge` says what that means.
        """

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        """Say what a failure to get an answer means."""


async def probe(
    check: Check, subject: Subject, network: Network, vigil: Vigil, timeout_s: float
) -> Finding:
    """Ask once, for at most `timeout_s` altogether.

    Raises:
        ClientGone: the probe was called off, by `vigil.client_gone`.
    """
    talk = Talk(network, vigil)
    vigil.arm(timeout_s)
    try:
        return await check.ask(subject, talk)
    except ClientGone:
        raise
    except BackendBusy as busy:
        return Finding(check.judge(busy, subject), errors.BACKLOG_FULL.word)
    except ProxyError as error:
        verdict = Verdict.UNKNOWN if _is_ours(error.reason) else check.judge(error, subject)
        late = f"not in {timeout_s:g} s" if is_timeout(error.reason) else ""
        return Finding(verdict, error.reason.word, error.detail or late)
    finally:
        talk.close()
        vigil.disarm()


def is_timeout(reason: Reason) -> bool:
    """Whether the backend, or the way to it, was too slow."""
    return reason in _TIMEOUTS


def judge_strictly(failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
    """Judge a failure of a question that every working backend answers in time.

    A full queue is busy. So is a timeout while our own requests occupy all of its workers: the
    check stood in line behind them, over TCP perhaps without even a connection.
    """
    if isinstance(failure, BackendBusy):
        return Verdict.BUSY
    if is_timeout(failure.reason) and subject.is_full:
        return Verdict.BUSY
    return Verdict.BAD


def _is_ours(reason: Reason) -> bool:
    return reason.blame is Blame.OURS
