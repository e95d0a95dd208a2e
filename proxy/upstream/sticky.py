"""The sticky cookie: which backend it names, and the text that sets it (nginx rule 6.29).

Owns the grammar of both directions. A value is what configuration calls the backend (`route`), else
the MD5 of its address, as in nginx, so that clients keep their backend when one front end replaces
the other. MD5 only shortens here and protects nothing: clients choose what they send, and any
value that names no backend is as good as none.
"""

import re
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from hashlib import md5

from protocol.messages import HeaderBlock
from proxy.settings import Address, StickySettings
from proxy.upstream.backend import Backend

MAX_EXPIRES_S = 315_360_000
"""Ten years; nginx's `expires=max` means as much."""

_KNOWN_ADDRESSES = 4096

# RFC 9110, 5.6.2, and RFC 6265, 4.1.1: neither can end the value or the line that it stands in.
_match_name = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_match_value = re.compile(r"[!#-+\--:<-\[\]-~]+").fullmatch
_match_path = re.compile(r"(?:/[ -:<-~]*)?").fullmatch
_match_domain = re.compile(r"(?:\.?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)?").fullmatch

_SAME_SITE = {"lax": "Lax", "strict": "Strict", "none": "None"}


def check_route(route: str) -> None:
    """Find out whether a configured or announced `route` can stand in a cookie; empty is none.

    Raises:
        ValueError: it cannot.
    """
    if route and _match_value(route) is None:
        raise ValueError(
            f"route {route!r} cannot be a cookie's value: visible ASCII only, "
            "without spaces, quotes, commas, semicolons and backslashes"
        )


def value_of(backend: Backend) -> str:
    """Return the cookie value that leads to this backend.

    A route that `check_route` refuses counts as none: it must not get into a header.
    """
    route = backend.settings.route
    return route if _match_value(route) else _digest(backend.address)


def find(members: Sequence[Backend], value: str) -> Backend | None:
    """Return the backend that a cookie value names, usable or not; None if it names none."""
    if not value:
        return None
    return next((backend for backend in members if value_of(backend) == value), None)


def read_cookie(headers: HeaderBlock, name: bytes) -> bytes:
    """Return the value of a request's first cookie of that name, without regard to case.

    nginx looks for cookies so, for sticky ones as for `$cookie_NAME`. Several Cookie lines are
    looked through in their order. Empty when there is none.
    """
    wanted = name.lower()
    for field, line in headers.fields:
        if field.lower() == b"cookie" and wanted in line.lower():
            for pair in line.split(b";"):
                found, equals, value = pair.partition(b"=")
                if equals and found.strip(b" ").lower() == wanted:
                    return value.lstrip(b" ")
    return b""


class StickyCookie:
    """One upstream's cookie."""

    def __init__(self, settings: StickySettings) -> None:
        """Take the attributes.

        Raises:
            ValueError: one of them cannot stand in a Set-Cookie line.
        """
        _check(settings)
        self._name = settings.name.encode()
        self._expires_s = int(settings.expires_s)
        self._attributes = _attributes(settings).encode()

    def read(self, headers: HeaderBlock) -> str:
        """Return the value that a client has sent, or an empty text; for `find`."""
        return read_cookie(headers, self._name).decode("latin-1")

    def render(self, backend: Backend, wall_s: float) -> bytes:
        """Return the value of the Set-Cookie line that leads a client back to this backend.

        Due on every response, as in nginx: that is what moves an expiry on.

        Args:
            backend: which has served the request.
            wall_s: seconds since 1970.
        """
        expires = b""
        if self._expires_s:
            date = formatdate(wall_s + self._expires_s, usegmt=True)
            expires = f"; Expires={date}; Max-Age={self._expires_s}".encode()
        return b"%b=%b%b%b" % (self._name, value_of(backend).encode(), expires, self._attributes)


@lru_cache(_KNOWN_ADDRESSES)
def _digest(address: Address) -> str:
    text = str(address).encode("utf-8", "surrogateescape")
    return md5(text, usedforsecurity=False).hexdigest()


def _check(settings: StickySettings) -> None:
    if _match_name(settings.name) is None:
        raise ValueError(
            f"sticky cookie: {settings.name!r} is no name (letters, digits, !#$%&'*+-.^_`|~)"
        )
    if _match_path(settings.path) is None:
        raise ValueError(
            f"sticky cookie: path {settings.path!r} must begin with '/' and hold neither "
            "semicolons nor control characters"
        )
    if _match_domain(settings.domain) is None:
        raise ValueError(f"sticky cookie: domain {settings.domain!r} is no host name")
    if not 0 <= settings.expires_s <= MAX_EXPIRES_S:
        raise ValueError(
            f"sticky cookie: expires {settings.expires_s} is not within 0 and {MAX_EXPIRES_S} s"
        )


def _attributes(settings: StickySettings) -> str:
    parts = [
        f"; Domain={settings.domain}" if settings.domain else "",
        f"; Path={settings.path}" if settings.path else "",
        "; HttpOnly" if settings.http_only else "",
        "; Secure" if settings.secure else "",
        f"; SameSite={_SAME_SITE[settings.same_site]}" if settings.same_site else "",
    ]
    return "".join(parts)
