"""Is a worker free? uWSGI's own ping: modifier1 100, answered in under a millisecond.

    64 00 00 00  ──►
                 ◄──  64 <size, 16 bit LE> 01  [ the text of uwsgi.set_warning_message() ]

It needs a free worker and says nothing of the application: it passes with one that failed to
import. So silence on a connection that was made is BUSY, while a refusal, a reset or an end of file
is BAD. Servers that do not know it answer with an HTTP page (gunicorn's sync and gthread workers)
or with an end of file (its asgi worker, a uWSGI without the ping plugin): those are asked in HTTP
through uwsgi instead, from then on, until something goes wrong. An end of file from a backend that
has answered pings is bad.
"""

from protocol.uwsgi import HEADER_BYTES, PING, decode_header, encode_packet, encode_vars
from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import CheckSpec
from proxy.upstream.backend import Backend
from proxy.upstream.checks.http import HttpCheck
from proxy.upstream.checks.probe import is_timeout, judge_strictly
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.talk import Talk
from proxy.upstream.checks.verdict import Finding, Verdict

_PONG = 1  # modifier2 of the answer

_PACKET = encode_packet(b"", PING)
# A puwsgi socket does not see a packet without variables as complete.
_PUWSGI_PACKET = encode_packet(encode_vars([(b"PING", b"1")]), PING)

INSTEAD = CheckSpec("http", method="OPTIONS", statuses=((100, 499), (501, 501), (505, 505)))
"""Asked of a server without ping: any answer that is not a failure of its own will do."""


class PingCheck:
    """See `proxy.upstream.checks.probe.Check`."""

    label = "ping"

    def __init__(self, modifiers: tuple[int, int] = (0, 0)) -> None:
        """`modifiers` are those of the traffic's packets, for the question in HTTP."""
        self._instead = HttpCheck(INSTEAD, modifiers)

    def applies(self, backend: Backend) -> bool:
        return True

    async def ask(self, subject: Subject, talk: Talk) -> Finding:
        if subject.answers_ping is False:
            return await self._ask_in_http(subject, talk)
        await talk.connect(subject.backend.address)
        await talk.send(_PUWSGI_PACKET if subject.backend.settings.puwsgi else _PACKET)
        answer = await _read_answer(talk)
        if answer.startswith(b"HTTP/"):
            return await self._ask_in_http(subject, talk)
        if not answer:
            return await self._judge_silence(subject, talk)
        finding = read_pong(answer)
        subject.answers_ping = True if finding.verdict is Verdict.GOOD else None
        return finding

    def judge(self, failure: ProxyError | BackendBusy, subject: Subject) -> Verdict:
        if isinstance(failure, ProxyError):
            late = is_timeout(failure.reason) and failure.reason is not errors.CONNECT_TIMEOUT
            if late:
                return Verdict.BUSY
            subject.answers_ping = None  # whatever comes back there may be another server
        return judge_strictly(failure, subject)

    async def _judge_silence(self, subject: Subject, talk: Talk) -> Finding:
        """Judge a connection that was closed without a word."""
        if not subject.answers_ping:
            return await self._ask_in_http(subject, talk)
        subject.answers_ping = None
        return Finding(Verdict.BAD, errors.EOF_BEFORE_HEADERS.word, "closed instead of a pong")

    async def _ask_in_http(self, subject: Subject, talk: Talk) -> Finding:
        subject.answers_ping = None
        finding = await self._instead.ask(subject, talk)
        if finding.verdict is Verdict.GOOD:
            subject.answers_ping = False
        detail = f"no ping here, asked in HTTP instead: {finding.detail}"
        return finding._replace(detail=detail)


def read_pong(answer: bytes) -> Finding:
    """Judge what a ping was answered with; never empty."""
    if len(answer) < HEADER_BYTES:
        return Finding(Verdict.BAD, "bad_pong", f"{answer!r}")
    header = decode_header(answer)
    if header.modifier1 != PING or header.modifier2 != _PONG:
        return Finding(Verdict.BAD, "bad_pong", f"{answer[:40]!r}")
    text = answer[HEADER_BYTES : HEADER_BYTES + header.size]
    if len(text) < header.size:
        return Finding(Verdict.BAD, "bad_pong", f"cut off after {len(answer)} bytes")
    return Finding(Verdict.GOOD, warning=text.decode("utf-8", "replace"))


async def _read_answer(talk: Talk) -> bytes:
    """Return a whole pong, the beginning of anything else, or what there was at the end."""
    answer = b""
    while not _is_enough(answer):
        data = await talk.receive()
        if not data:
            break
        answer += data
    return answer


def _is_enough(answer: bytes) -> bool:
    if len(answer) < HEADER_BYTES:
        return False
    header = decode_header(answer)
    if header.modifier1 == PING:
        return len(answer) >= HEADER_BYTES + header.size
    return len(answer) > HEADER_BYTES or not b"HTTP/".startswith(answer)
