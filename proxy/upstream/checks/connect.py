"""Does anybody listen? Connect, send nothing, close at once.

To uWSGI on a unix socket this costs a worker the moment of an accept() and an end of file; over TCP
it does not even see the connection (TCP_DEFER_ACCEPT). A listen queue outlives the workers behind
it, so this says less than a ping, and a ping less than a request.
"""

from proxy.errors import BackendBusy, ProxyError
from proxy.upstream.backend import Backend
from proxy.upstream.checks.probe import judge_strictly
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict


class ConnectCheck:
    """See `proxy.upstream.checks.probe.Check`."""

    label = "connect"

    def applies(self, backend: Backend) -> bool:
        return True

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        await talk.connect(subject.backend.address)
        return Finding(Verdict.GOOD)

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        return judge_strictly(failure, subject)
