"""`uwsgi-frontend ping ADDRESS`: is a worker free? For scripts and container probes.

The exit codes are those of `uwsgi --ping`: 0 for yes, 2 for yes with a warning (what the
application has set with `uwsgi.set_warning_message`), 1 for no. A server that does not know uwsgi's
ping (gunicorn) is asked in HTTP through uwsgi instead.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from proxy import errors
from proxy.client.doubt import is_http
from proxy.client.drive import drive, resolve, run_alone
from proxy.client.request import as_address
from proxy.config.kinds import DURATION
from proxy.errors import ProxyError
from proxy.settings import Address
from proxy.upstream.backend import Backend
from proxy.upstream.checks.ping import PingCheck
from proxy.upstream.checks.probe import probe
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Finding, Verdict

TIMEOUT_S = 3.0
"""For the answer, unless the caller says otherwise; as in uWSGI."""

OK, FAILED, WARNING, BAD_USAGE = 0, 1, 2, 2

_PROGRAM = "uwsgi-frontend ping"


class Pong(NamedTuple):
    """What came of a ping."""

    finding: Finding
    seconds: float

    @property
    def code(self) -> int:
        """The exit code."""
        if self.finding.verdict is not Verdict.GOOD:
            return FAILED
        return WARNING if self.finding.warning else OK


async def ping(address: str | Address, timeout_s: float = TIMEOUT_S) -> Pong:
    """Ask whether a worker is free. Every failure is a finding.

    Raises:
        ValueError: the address is none.
    """
    begun = time.monotonic()
    named = as_address(address)
    try:
        where = await resolve(named)
        subject = Subject(Backend(where, str(named)))
        finding = await drive(
            lambda network, vigil: probe(PingCheck(), subject, network, vigil, timeout_s)
        )
        if finding.verdict is not Verdict.GOOD and await is_http(where, finding.word):
            finding = Finding(Verdict.BAD, errors.NOT_UWSGI.word)
    except ProxyError as error:  # a name that nobody knows
        finding = Finding(Verdict.BAD, error.reason.word, error.detail)
    return Pong(finding, time.monotonic() - begun)


def main(arguments: Sequence[str]) -> int:
    """Ping once and say in one line what came of it; return the exit code."""
    words = _parser().parse_args(arguments)
    try:
        address, timeout_s = as_address(words.address), DURATION.parse(words.timeout)
    except ValueError as error:
        print(f"{_PROGRAM}: error: {error}", file=sys.stderr)
        return BAD_USAGE
    pong = run_alone(ping(address, timeout_s))
    if not words.quiet or pong.code == FAILED:
        stream = sys.stderr if pong.code == FAILED else sys.stdout
        print(describe(address, pong), file=stream)
    return pong.code


def describe(address: Address, pong: Pong) -> str:
    """Return one line about a ping."""
    found = pong.finding
    if found.verdict is Verdict.GOOD:
        text = f"{address}: a worker is free, {pong.seconds * 1000:.1f} ms"
        text += f" ({found.detail})" if found.detail else ""
        return f"{text}; warning: {found.warning}" if found.warning else text
    detail = found.detail.removeprefix(f"{address}: ")
    text = f"{_PROGRAM}: {found.word}: {address}" + (f": {detail}" if detail else "")
    if found.verdict is Verdict.BUSY:
        return f"{text}; next: {errors.BACKLOG_FULL.next_step}"
    reason = errors.ALL.get(found.word)
    return f"{text}; next: {reason.next_step}" if reason else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        allow_abbrev=False,
        description="Ask a uwsgi socket whether a worker is free.",
        epilog="exit codes: 0 yes, 2 yes with a warning (or bad usage), 1 no.",
    )
    parser.add_argument("address", metavar="ADDRESS", help="unix:/path, unix:@name or HOST:PORT")
    parser.add_argument(
        "--timeout", default="3s", metavar="TIME", help="for the answer [%(default)s]"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but failures")
    return parser
