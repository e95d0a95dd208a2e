"""From what a caller says (method, path, headers) to the packet that this front end would send."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from protocol.errors import RequestError
from protocol.headers import HeaderDigest
from protocol.messages import ConnectionFacts, Field, Request
from protocol.params import PacketBuilder, PacketTooLarge, withheld_headers
from protocol.uri import parse_target
from protocol.uwsgi import HEADER_BYTES, decode_vars
from proxy import __version__, errors
from proxy.errors import ProxyError
from proxy.settings import ClientSettings, PacketSettings

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names and values; a sequence may have a name several times."""

Headers = Mapping[str, str | None] | Iterable[tuple[str, str | None]]
"""The same; None for a header that is usually there and is not to be sent."""

USER_AGENT = f"uwsgi-frontend/{__version__}"

_FACTS = ConnectionFacts(remote_addr=b"127.0.0.1", remote_port=b"0", server_port=b"80")
_METHOD = re.compile(r"[A-Z][A-Z_-]*")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_WITH_BODY = ("POST", "PUT", "PATCH")
"""Methods that say so when they have none."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, ready to be sent."""

    method: str
    packet: bytes
    body: bytes

    @property
    def variables(self) -> list[tuple[str, str]]:
        """What the application is told, in wire order."""
        pairs = decode_vars(self.packet[HEADER_BYTES:])
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


def prepare(
    method: str = "GET",
    path: str = "/",
    headers: Headers = (),
    body: bytes = b"",
    params: Pairs = (),
    modifiers: tuple[int, int] = (0, 0),
) -> Call:
    """Return the call for a request; the variables are those that this front end would send.

    Args:
        path: with its query; spaces and what is not ASCII are percent-encoded.
        headers: instead of the usual ones (Host, User-Agent, Accept, Content-Length); None for
            none.
        params: variables besides those of the request, or in their place.
        modifiers: of the packet; they choose uWSGI's request handler.

    Raises:
        ValueError: with one line that says which part cannot be sent.
        ProxyError: it is too large for a packet.
    """
    if not _METHOD.fullmatch(method):
        raise ValueError(f"{method!r} is not a method such as GET")
    lines = list(headers.items() if isinstance(headers, Mapping) else headers)
    fields = _fields(method, lines, len(body))
    try:
        quoted = quote(path, safe=_PRINTABLE, errors="surrogateescape")
        target = parse_target(quoted.encode())
        host = next((value for name, value in fields if name.lower() == b"host"), b"")
        rules = _rules(params, modifiers, host)
        digest = HeaderDigest(ClientSettings(), rules, withheld_headers(rules))
        block = digest.digest(fields, http_1_1=True)
    except RequestError as error:
        if error.reason == "headers_too_large":
            raise _too_large(error) from error
        raise ValueError(str(error)) from None
    request = Request(b"", method.encode(), target, b"HTTP/1.1", 1, block)
    builder = PacketBuilder(rules)
    try:
        packet = builder.packet(request, builder.connection_vars(_FACTS, b"HTTP/1.1"), None)
    except PacketTooLarge as error:
        raise _too_large(error) from error
    return Call(method, packet, body)


def _too_large(error: Exception) -> ProxyError:
    return ProxyError(errors.PACKET_TOO_LARGE, str(error), nothing_sent=True)


def _pairs(pairs: Pairs) -> Iterable[tuple[str, str]]:
    return pairs.items() if isinstance(pairs, Mapping) else pairs


def _fields(method: str, headers: list[tuple[str, str | None]], body_bytes: int) -> list[Field]:
    """Return the header lines: those that are always there, unless they are given, and `headers`.

    Raises:
        ValueError: a header that a front end would not pass on, or not alone.
    """
    usual = {"Host": "localhost", "User-Agent": USER_AGENT, "Accept": "*/*"}
    if body_bytes or method in _WITH_BODY:
        usual["Content-Length"] = str(body_bytes)
    given = {name.lower() for name, _ in headers}
    lines = [(name, value) for name, value in usual.items() if name.lower() not in given]
    named = [(name, value) for name, value in headers if value is not None]
    for name, value in named:
        if not _NAME.fullmatch(name):
            hint = f"; params set variables: HTTP_{name.upper()}" if "_" in name else ""
            raise ValueError(f"{name!r} is no header name that is passed on{hint}")
        if _CONTROL.search(value):
            raise ValueError(f"the header {name} has a control character in its value")
    return [(name.encode(), _bytes(value.strip())) for name, value in lines + named]


def _bytes(text: str) -> bytes:
    """Return the bytes of a value; what came in undecodable leaves as it was."""
    return text.encode("utf-8", "surrogateescape")


def _rules(params: Pairs, modifiers: tuple[int, int], host: bytes) -> PacketSettings:
    """Return how the packet is made; the one who asks may set any variable."""
    text = host.decode("latin-1").lower()
    name = text if text.startswith("[") else text.partition(":")[0]
    rules = PacketSettings(modifiers[0], modifiers[1], server_name=name)
    return replace(rules, params=tuple(_pairs(params)))
