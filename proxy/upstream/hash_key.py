"""What `hash` and `consistent-hash` place: a text with variables, made of each request.

Compiled once, when settings are read. The variables are nginx's, by its names and with its values
(`$http_NAME`, `$arg_NAME` and `$cookie_NAME` take the first match without regard to case); what is
missing is empty, and an empty key has no place of its own: such requests take turns (rule 6.26).
"""

import difflib
import re
from collections.abc import Callable

from protocol.headers import variable_name
from protocol.messages import ConnectionFacts, Request
from proxy.upstream.balance.hashes import pack_address
from proxy.upstream.sticky import read_cookie

Key = Callable[[Request, ConnectionFacts], bytes]
"""Makes the key of a request."""

_split = re.compile(r"\$(?:([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})").split


def compile_key(template: str) -> Key:
    """Return what makes keys after this template, such as `$host$request_uri` or `${uri}-x`.

    Raises:
        ValueError: it is empty, or has a variable that is not known, or a lone `$`. The text does
            not repeat the template: whoever reports it says which option it comes from.
    """
    if not template:
        raise ValueError("it is empty, and would place nothing")
    literal, *rest = _split(template)
    parts = [_literal(literal)]
    for bare, braced, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        parts += [_variable(bare or braced), _literal(text)]
    made = [part for part in parts if part is not None]
    if len(made) == 1:
        return made[0]
    return lambda request, facts: b"".join([part(request, facts) for part in made])


def _literal(text: str) -> Key | None:
    if "$" in text:
        raise ValueError("a '$' without a variable's name after it")
    data = text.encode("utf-8", "surrogateescape")
    return (lambda request, facts: data) if data else None


def _variable(name: str) -> Key:
    known = _VARIABLES.get(name)
    if known is not None:
        return known
    kind, _, rest = name.partition("_")
    family = _FAMILIES.get(kind)
    if family is not None and rest:
        return family(rest.encode())
    near = difflib.get_close_matches(name, _VARIABLES, 1)
    hint = f"did you mean ${near[0]}?" if near else f"known are {_names()}"
    raise ValueError(f"${name} is not known; {hint}")


def _names() -> str:
    families = [f"{kind}_NAME" for kind in _FAMILIES]
    return ", ".join(f"${name}" for name in (*_VARIABLES, *families))


def _host(request: Request, facts: ConnectionFacts) -> bytes:
    """Return the host without its port, of the absolute form or else of the Host line."""
    host = request.target.authority or request.headers.host or b""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def _binary_address(request: Request, facts: ConnectionFacts) -> bytes:
    """Return an address as four or sixteen bytes; anything else as it is written."""
    return pack_address(facts.remote_addr.decode("latin-1")) or facts.remote_addr


def _header(name: bytes) -> Key:
    """Several lines are joined, as they are for the application (rule 2.3)."""
    wanted = variable_name(name)
    separator = b"; " if wanted == b"HTTP_COOKIE" else b", "

    def read(request: Request, facts: ConnectionFacts) -> bytes:
        fields = request.headers.fields
        return separator.join([value for field, value in fields if variable_name(field) == wanted])

    return read


def _argument(name: bytes) -> Key:
    """As it stands in the query, not decoded."""
    wanted = name.lower()

    def read(request: Request, facts: ConnectionFacts) -> bytes:
        for pair in request.target.query.split(b"&"):
            found, equals, value = pair.partition(b"=")
            if equals and found.lower() == wanted:
                return value
        return b""

    return read


def _cookie(name: bytes) -> Key:
    return lambda request, facts: read_cookie(request.headers, name)


_VARIABLES: dict[str, Key] = {
    "request_uri": lambda request, facts: request.target.uri,
    "uri": lambda request, facts: request.target.path,
    "document_uri": lambda request, facts: request.target.path,
    "args": lambda request, facts: request.target.query,
    "query_string": lambda request, facts: request.target.query,
    "is_args": lambda request, facts: b"?" if request.target.query else b"",
    "host": _host,
    "request_method": lambda request, facts: request.method,
    "scheme": lambda request, facts: facts.scheme,
    "remote_addr": lambda request, facts: facts.remote_addr,
    "binary_remote_addr": _binary_address,
    "remote_port": lambda request, facts: facts.remote_port,
    "server_port": lambda request, facts: facts.server_port,
}

_FAMILIES: dict[str, Callable[[bytes], Key]] = {
    "http": _header,
    "cookie": _cookie,
    "arg": _argument,
}
