"""One active check as text.

    connect
    ping
    stats
    http /healthz status=200-299,404 header="X-Ready: ^yes" body=ok

`connect`, `ping` and `stats` have no words of their own. `header` may stand several times.
"""

import re
from itertools import pairwise

from proxy.config.kinds import NAME, Kind
from proxy.config.words import (
    Parameter,
    explain_unknown,
    quote_word,
    read_words,
    show_words,
    split_words,
)
from proxy.settings import CheckKind, CheckSpec

KINDS: dict[CheckKind, str] = {
    "connect": "A connection can be made.",
    "ping": "uWSGI answers its ping; that it is busy is no failure.",
    "stats": "The uWSGI stats server of the backend (`stats=`) answers; it also tells capacity.",
    "http": "A request through uwsgi has the answer that is asked for.",
}
"""The first word, and what is good."""

Ranges = tuple[tuple[int, int], ...]


def parse_statuses(text: str) -> Ranges:
    """Return the ranges of `200-399,404`, both ends included.

    Raises:
        ValueError: with one line on the first part that is wrong.
    """
    return tuple(_status_range(part.strip()) for part in text.split(","))


def _status_range(part: str) -> tuple[int, int]:
    if match := re.fullmatch(r"([1-9])xx", part, re.IGNORECASE):
        raise ValueError(f"write {match[1]}00-{match[1]}99 for {part}")
    match = re.fullmatch(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?", part)
    if match is None:
        raise ValueError(f"{part!r} is no status; write it like 200-399,404")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError(f"{part} is empty; write {high}-{low}")
    return low, high


def show_statuses(ranges: Ranges) -> str:
    """Return ranges with commas."""
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in ranges)


def parse_header(text: str) -> tuple[str, str]:
    """Return the name and the regular expression of `NAME:REGEX`.

    Raises:
        ValueError: with one line that says what is missing.
    """
    name, colon, pattern = text.partition(":")
    if not colon or not name.strip():
        raise ValueError("no name and colon in front; write it like header=X-Ready:^yes")
    return name.strip(), pattern.strip()


def show_header(header: tuple[str, str]) -> str:
    """Return `NAME:REGEX`."""
    return ":".join(header)


STATUSES = Kind("RANGES", "200-399,404", parse_statuses, show_statuses)
HEADER = Kind("NAME:REGEX", "X-Ready:^yes", parse_header, show_header)
REGEX = Kind("REGEX", "ok", str)

# fmt: off
PARAMETERS = (
    Parameter("method", "method", NAME,
        "Of the request."),
    Parameter("host", "host", NAME,
        "HTTP_HOST of the request."),
    Parameter("status", "statuses", STATUSES,
        "What the status must be."),
    Parameter("header", "headers", HEADER,
        "Name and regular expression of a header that the reply must have.", many=True),
    Parameter("body", "body", REGEX,
        "Regular expression that must be found in the first 256 KB of the body."),
)
"""What may stand behind `http` and its path."""
# fmt: on

_URL = re.compile(r"https?://([^/]+)(/\S*)?")

_ELSEWHERE = {
    "expect": "status",
    "code": "status",
    "match": "body",
    "uri": "the path stands behind http: http /healthz",
    "path": "the path stands behind http: http /healthz",
}
"""Words that people try, and what to write instead."""


def parse_check(text: str) -> CheckSpec:
    """Return the check that a text describes.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    word, *rest = split_words(text) or [""]
    kind = _kind(word)
    if kind != "http":
        if rest:
            raise ValueError(
                f"{kind} is the whole check; leave {rest[0]} away{_ask_apart(rest[0])}"
            )
        return CheckSpec(kind)
    uri = rest.pop(0) if rest and rest[0].startswith("/") else ""
    for before, word in pairwise((uri, *rest)):
        if why := _why_loose(before, word):
            raise ValueError(f"{word}: {why}")
    return CheckSpec("http", uri or "/", **read_words(rest, PARAMETERS, _ELSEWHERE))


def _ask_apart(word: str) -> str:
    return ", or give it a --check of its own" if word in KINDS else ""


def _why_loose(before: str, word: str) -> str:
    """Say where a word without an equals sign belongs; `before` is the one in front of it."""
    name, _, value = before.partition("=")
    if match := _URL.fullmatch(word):
        return f"the path alone, and the host as a word: http {match[2] or '/'} host={match[1]}"
    if "=" in word:
        return ""
    if name in ("header", "body"):
        return f'a value with spaces stands in quotes: {name}="{value} {word}"'
    if word.isdecimal():
        return f"did you mean status={word}?"
    if word.startswith("/"):
        return f"the path comes first: http {word}"
    if word.isalpha() and word.isupper():
        return f"did you mean method={word}?"
    is_name = any(word == parameter.name for parameter in PARAMETERS)
    return "" if before or is_name else f"a path begins with /; write http /{word}"


def _kind(word: str) -> CheckKind:
    for kind in KINDS:
        if word.lower() == kind:
            return kind
    if word.startswith("/"):
        raise ValueError(f"begins with a path; did you mean http {word}?")
    if "," in word:
        raise ValueError(f"{word}: each check has a --check of its own, in a variable its own line")
    if word.startswith("stats="):
        raise ValueError(
            f"{word} belongs behind the address of a backend; the check is stats alone"
        )
    if word.isalpha() and word.isupper():
        raise ValueError(f"{word}: a check through HTTP begins with http; write http /path")
    hint = explain_unknown(word, list(KINDS), {"tcp": "connect", "httpchk": "http"})
    raise ValueError(f"{word or 'empty'}: {hint}")


def show_check(check: CheckSpec) -> str:
    """Return the text for a check, without what is default."""
    if check.kind != "http":
        return check.kind
    uri = [] if check.uri == "/" else [quote_word(check.uri)]
    return " ".join(["http", *uri, *show_words(check, PARAMETERS)])


CHECK = Kind("CHECK", "http /healthz status=200", parse_check, show_check)
