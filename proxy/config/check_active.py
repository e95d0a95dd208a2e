"""What is wrong with the active checks: requests that cannot be made, and nobody to be asked."""

import re
import warnings
from collections.abc import Iterator

from protocol.errors import ProtocolError
from proxy.config.check_spec import show_check
from proxy.config.words import quote_word
from proxy.settings import CheckSettings, CheckSpec, UpstreamSettings
from proxy.upstream.checks.runner import make_check

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2."""
_VISIBLE = re.compile(r"[!-~]+")


def complaints(upstream: UpstreamSettings) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    yield from _checks(upstream.check)
    yield from _stats(upstream)


def _checks(check: CheckSettings) -> Iterator[str]:
    if check.initial == "down" and not check.checks:
        yield "--check-initial down: without a --check, no backend would ever come up"
    for spec in dict.fromkeys(check.checks):
        for why in list(_fields(spec)) or _whole(spec):
            yield f"--check {quote_word(show_check(spec))}: {why}"
        if check.checks.count(spec) > 1:
            yield f"--check {quote_word(show_check(spec))}: given more than once"


def _fields(spec: CheckSpec) -> Iterator[str]:
    """Nothing of it can break the request that is made of it, and its expressions compile."""
    if not (spec.uri.startswith("/") and _VISIBLE.fullmatch(spec.uri)):
        yield f"{spec.uri!a} is not a path of printable ASCII that begins with /"
    if not _TOKEN.fullmatch(spec.method):
        yield f"method={spec.method!a}: not a method"
    if spec.host and not _VISIBLE.fullmatch(spec.host):
        yield f"host={spec.host!a}: not a host"
    if not spec.statuses:
        yield "status: without a status, no reply is good"
    for name, pattern in spec.headers:
        if not _TOKEN.fullmatch(name):
            yield f"header={name!a}: not a name that a header can have"
        if why := _why_no_regex(pattern):
            yield f"header={quote_word(name + ':' + pattern)}: {why}"
    if why := _why_no_regex(spec.body):
        yield f"body={quote_word(spec.body)}: {why}"


def _why_no_regex(pattern: str) -> str:
    with warnings.catch_warnings():
        # Python warns of [[:alpha:]], which is not the class here that it is elsewhere.
        warnings.simplefilter("error")
        try:
            re.compile(pattern)
        except Warning as warning:
            return f"{warning}; in regular expressions of Python, write \\[ for a bracket in a set"
        except (re.error, OverflowError, RecursionError) as error:
            return f"not a regular expression: {error}"
    return ""


def _whole(spec: CheckSpec) -> Iterator[str]:
    """The check can be made of it: its path is a URI's, and all of it fits into a packet."""
    try:
        make_check(spec)
    except (ProtocolError, ValueError) as error:
        yield str(error)


def _stats(upstream: UpstreamSettings) -> Iterator[str]:
    """There is a stats server where one is to be asked, and it is asked where there is one."""
    is_asked = any(spec.kind == "stats" for spec in upstream.check.checks)
    told = [backend for backend in upstream.backends if backend.stats]
    if is_asked and not told and not upstream.discovery.file:
        yield "--check stats: no backend says where its stats server is; add stats=ADDRESS to one"
    if told and not is_asked:
        yield f"--upstream {told[0].name}: stats= is asked by --check stats only; add that"
