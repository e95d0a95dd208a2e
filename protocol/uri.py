"""The request target and the host: what nginx calls `$document_uri`, `$args` and `$host`.

Owns the grammar of the three: percent-decoding, slash merging, dot segments, fragments, the
absolute form, and the one spelling that a host gets before an application sees it. Refuses what
nginx refuses, and on purpose one thing more: control characters that percent-decoding produces.
Knows nothing of methods (CONNECT has its own target) nor of which host wins over which.

Source: nginx rules 1.28 to 1.36 for the path, 1.39 to 1.43 for the host. nginx walks the target
with one state machine, byte by byte. Here one regular expression recognises the targets that such a
walk would leave alone, which is nearly all of them; the rest is split and joined, in linear time,
to the same result (a test compares it with a walk). Repetitions are possessive: none can backtrack.
"""

import re
from string import hexdigits
from typing import NamedTuple

from protocol.errors import RequestError

MAX_PORT = 65535


class Target(NamedTuple):
    """A request target, taken apart."""

    uri: bytes
    """REQUEST_URI: as sent, with its fragment, without an absolute form's scheme and authority."""

    path: bytes
    """PATH_INFO: begins with `/`; decoded once, slashes merged, dot segments gone."""

    query: bytes
    """QUERY_STRING: the raw bytes between the first `?` and the first `#`, never decoded."""

    authority: bytes | None
    """The absolute form's host and port, spelt like HTTP_HOST; None for a target like `/a`."""


# What a walk would copy unchanged: segments that are neither empty nor begin with a dot, no escape,
# no fragment. A '%' or a '//' in the query does not matter. 0x80-0xff pass (rule 1.34).
_match_clean_target = re.compile(
    rb"((?:/[^/.%?#\x00-\x20\x7f][^/%?#\x00-\x20\x7f]*+)++/?+|/)"
    rb"(?:\?([^#\x00-\x20\x7f]*+))?+"
).fullmatch

_search_control_or_space = re.compile(rb"[\x00-\x20\x7f]").search
_search_control = re.compile(rb"[\x00-\x1f\x7f]").search

# Any scheme will do (rule 1.43). The host is stricter than in a Host line: no `_`, no userinfo.
_match_absolute_form = re.compile(
    rb"[A-Za-z][A-Za-z0-9+.-]*+://"
    rb"((?:\[[^\[\]/?#@]*+\]|[A-Za-z0-9.-]++)(?::[0-9]*+)?+)"
    rb"([/?].*+)?+",
    re.DOTALL,
).fullmatch

# Already in the spelling that an application gets: nothing to lower, drop or render again.
_match_clean_host = re.compile(
    rb"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
).fullmatch

# RFC 3986, 3.2.2, as loosely as nginx reads it: between brackets anything that an IPvFuture may
# hold, and a '%' in a name needs no digits after it.
_match_host = re.compile(
    rb"(\[[A-Za-z0-9:._~!$&'()*+,;=-]*+\]|[A-Za-z0-9._~!$&'()*+,;=%-]++)(?::([0-9]*+))?+"
).fullmatch

_ESCAPED = {
    (high + low).encode(): bytes.fromhex(high + low) for high in hexdigits for low in hexdigits
}
"""The two digits of an escape, in any mix of cases, and the byte that they stand for."""

# Not pchar (RFC 3986, 3.3) and not '/'.
_sub_unsafe = re.compile(rb"[^A-Za-z0-9._~!$&'()*+,;=:@/-]").sub


def parse_target(
    target: bytes, *, merge_slashes: bool = True, allow_control: bool = False
) -> Target:
    """Take apart the target of a request line (any method but CONNECT).

    Args:
        target: the bytes between the method's space and the version's.
        merge_slashes: make one slash of several (nginx's `merge_slashes`; rule 1.32).
        allow_control: let `%0a` and its like through into the path, as nginx does (rule 1.33).
            Applications write paths into logs and headers. `%00` is refused all the same.

    Raises:
        RequestError: status 400, reason `bad_request_target`.
    """
    clean = _match_clean_target(target)
    if clean is None:
        return _parse_slowly(target, merge_slashes, allow_control)
    path, query = clean.groups(b"")
    # Target(...) would be one more Python call: a sixth of the whole.
    return tuple.__new__(Target, (target, path, query, None))


def parse_host(value: bytes) -> bytes:
    """Return the value of a Host line as the application gets it in HTTP_HOST.

    Lower case, without one trailing dot, the port in plain decimal and gone when it is empty or
    zero (rules 1.40, 1.42). A default port stays when it was sent.

    Raises:
        RequestError: status 400, reason `bad_host`.
    """
    if _match_clean_host(value) is not None:
        return value
    return _normalise_host(value, "bad_host")


def quote_path(path: bytes) -> bytes:
    """Escape a decoded path so that a backend which decodes PATH_INFO itself gets it back.

    gunicorn's sync and gthread workers decode once more: without this, `/%2565` would become
    `/%65` here and `/e` there, past every rule that was applied to the path in between.
    """
    return _sub_unsafe(_escape, path)


def _escape(unsafe: re.Match[bytes]) -> bytes:
    return b"%%%02X" % unsafe[0][0]


def _parse_slowly(target: bytes, merge_slashes: bool, allow_control: bool) -> Target:
    """Do what `parse_target` does, for every target, clean or not."""
    bad = _search_control_or_space(target)
    if bad is not None:
        raise _bad_target(f"byte {bad.start()} is a space or a control character")
    authority = None
    uri = target
    if not target.startswith(b"/"):
        authority, uri = _split_absolute_form(target)
    raw_path, _, query = uri.partition(b"#")[0].partition(b"?")
    path = _decode(raw_path, allow_control) if b"%" in raw_path else raw_path
    return Target(uri, _normalise(path or b"/", merge_slashes), query, authority)


def _split_absolute_form(target: bytes) -> tuple[bytes, bytes]:
    """Return authority and rest. The rest of `http://h?x` is `?x`, that of `http://h` is `/`."""
    parts = _match_absolute_form(target)
    if parts is None:
        raise _bad_target("it is neither a path nor scheme://host with an optional port and path")
    authority, uri = parts.groups(b"/")
    return _normalise_host(authority, "bad_request_target"), uri


def _decode(path: bytes, allow_control: bool) -> bytes:
    """Undo percent-encoding, once (rule 1.28)."""
    first, *rest = path.split(b"%")
    parts = [first]
    for part in rest:
        byte = _ESCAPED.get(part[:2])
        if byte is None:
            raise _bad_target("the path has a '%' without two hexadecimal digits after it")
        parts += (byte, part[2:])
    decoded = b"".join(parts)
    if b"\0" in decoded:
        raise _bad_target("the path has a %00")
    if not allow_control and _search_control(decoded) is not None:
        raise _bad_target("the path has an escaped control character")
    return decoded


def _normalise(path: bytes, merge_slashes: bool) -> bytes:
    """Merge slashes and resolve dot segments of a decoded path (rules 1.29 to 1.32).

    Slashes that were `%2F` count by now. Without merging, `//` holds an empty segment that `..`
    removes like any other.
    """
    kept: list[bytes] = []
    *segments, last = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            _climb(kept)
        elif segment != b"." and (segment or not merge_slashes):
            kept.append(segment)
    if last == b"..":
        _climb(kept)
    kept.append(b"" if last in (b".", b"..") else last)
    return b"/" + b"/".join(kept)


def _climb(kept: list[bytes]) -> None:
    if not kept:
        raise _bad_target("'..' climbs above the root")
    kept.pop()


def _normalise_host(value: bytes, reason: str) -> bytes:
    parts = _match_host(value)
    if parts is None:
        raise RequestError(400, reason, "the host has a byte, a bracket or a port out of place")
    host, port = parts.groups(b"")
    if b".." in host:
        raise RequestError(400, reason, "the host has two dots in a row")
    name = host.lower().removesuffix(b".")
    if not name:
        raise RequestError(400, reason, "the host is empty")
    # Zeros go first: int() refuses thousands of digits, with an error of its own.
    port = port.lstrip(b"0")
    if not port:
        return name
    if len(port) > 5 or int(port) > MAX_PORT:
        raise RequestError(400, reason, f"the host's port is larger than {MAX_PORT}")
    return name + b":" + port


def _bad_target(message: str) -> RequestError:
    return RequestError(400, "bad_request_target", f"bad request target: {message}")
