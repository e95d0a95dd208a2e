"""What does uWSGI itself say? Its stats server as an agent (HAProxy: agent-check).

Connect and read JSON to the end. A plain stats server needs no request, and resets a connection on
which there was one, behind its JSON. One with --stats-http waits for a request, and uWSGI's master
does nothing else meanwhile, for its socket timeout of 4 s. So the first time there is a request,
and later only if it was wanted.

Like any agent it may be away without anybody being the worse for it: only what it says counts,
never that it says nothing. What it says about its workers is worth more than its good word:
capacity for the waiting line, facts for the metrics.
"""

from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import MIB, Address
from proxy.upstream.backend import Backend
from proxy.upstream.checks.stats import StatsError, StatsFacts, parse_stats
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict

_REQUEST = b"GET / HTTP/1.0\r\n\r\n"

MAX_BYTES = 4 * MIB
"""Of what a stats server may say; a worker is some 0.5 KB, a core 0.4 KB and its request's
variables."""

PATIENCE_S = 10.0
"""How long all workers may be without an application before the backend is bad: that is also what a
reload looks like, and the requests in the listen queue only wait for its end."""


class StatsCheck:
    """See `proxy.upstream.checks.probe.Check`."""

    label = "stats"

    def applies(self, backend: Backend) -> bool:
        return backend.settings.stats is not None

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        configured = subject.backend.settings.stats
        assert configured is not None, "see applies()"
        address = find_literal(configured)
        if address is None:
            detail = f"{configured} is a name, not an address"
            return Finding(Verdict.UNKNOWN, "bad_address", detail)
        await talk.connect(address)
        if subject.stats_in_http is not False:
            await talk.send(_REQUEST)
        data = await _read_all(talk)
        subject.stats_in_http = data.startswith(b"HTTP/")
        if len(data) > MAX_BYTES:
            return Finding(Verdict.UNKNOWN, "bad_stats", f"{address}: over {MAX_BYTES} bytes")
        try:
            facts = parse_stats(data)
        except StatsError as error:
            return Finding(Verdict.UNKNOWN, "bad_stats", f"{address}: {error}")
        subject.facts = facts
        return judge_facts(facts, subject, talk.now())

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        subject.stats_in_http = None  # it may have been waiting for a request
        return Verdict.UNKNOWN


def judge_facts(facts: StatsFacts, subject: Subject, now: float) -> Finding:
    """Judge what the stats server says, and remember since when nobody serves."""
    detail = f"{facts.accepting} of {facts.workers} workers serve, {facts.busy} cores busy"
    detail += f" of {facts.capacity}, {facts.listen_queue} in the listen queue"
    if not facts.is_dead:
        subject.unserved_since = None
        return Finding(Verdict.GOOD, detail=detail)
    if subject.unserved_since is None:
        subject.unserved_since = now
    long = now - subject.unserved_since >= PATIENCE_S
    return Finding(Verdict.BAD if long else Verdict.BUSY, "no_worker", detail)


async def _read_all(talk: Talk) -> bytes:
    """Return all there is, or somewhat more than the limit.

    Raises:
        ProxyError: it is late, or a reset came before anything else.
    """
    pieces: list[bytes] = []
    size = 0
    while size <= MAX_BYTES:
        try:
            data = await talk.receive()
        except ProxyError as error:
            if error.reason is errors.RESET_BEFORE_HEADERS and pieces:
                break
            raise
        if not data:
            break
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)


def find_literal(address: Address) -> Address | None:
    """Return where to connect without asking anybody for a name, which could stop the event loop.

    None for names other than `localhost`: whoever makes the settings has to resolve those.
    """
    if address.host == "localhost":
        return Address(host="127.0.0.1", port=address.port)
    return address if address.is_literal else None
