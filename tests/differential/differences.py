"""The intended differences between nginx and the proxy.

Each has a reason and a change: applied to what nginx did, it gives what the proxy must do. Some are
nginx's own, between the version that is installed and the one that the proxy follows; these carry
`until`, the first version that behaves like the proxy, and are void from there on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.differential.client import Fate, Response
from tests.differential.observe import Observation, Seen, page
from tests.differential.settings import CONFIGURED

Change = Callable[[Observation], Observation]
Version = tuple[int, ...]
Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Differs:
    """One intended difference."""

    reason: str
    change: Change
    until: Version = (9999,)
    idle: bool = False
    """May change nothing: it belongs to no case in particular."""


class StaleDifference(AssertionError):
    """A case names a difference, but nginx did what the proxy is expected to do."""


def apply(differences: tuple[Differs, ...], nginx: Observation, version: Version) -> Observation:
    """Return what the proxy must do where nginx of this version did what `nginx` shows.

    Raises:
        StaleDifference: one of the differences is none.
    """
    expected = nginx
    for difference in differences:
        if version >= difference.until:
            continue
        changed = difference.change(expected)
        if changed == expected and not difference.idle:
            raise StaleDifference(f"no difference: {difference.reason}")
        expected = changed
    return expected


def variables_of(change: Callable[[list[Pair]], list[Pair]]) -> Change:
    """Lift a change of a request's variables to one of an observation."""

    def of_seen(seen: Seen) -> Seen:
        return replace(seen, variables=tuple(change(list(seen.variables))))

    return lambda seen: replace(seen, requests=tuple(map(of_seen, seen.requests)))


def of_last_response(change: Callable[[Response], Response]) -> Change:
    """Lift a change of the last response to one of an observation."""
    return lambda seen: replace(seen, responses=(*seen.responses[:-1], change(seen.responses[-1])))


def chain(*changes: Change) -> Change:
    """Apply one after the other."""

    def change(seen: Observation) -> Observation:
        for one in changes:
            seen = one(seen)
        return seen

    return change


def with_value(name: bytes, value: bytes) -> Change:
    """Give a variable that is there another value."""
    return variables_of(lambda pairs: [(n, value if n == name else v) for n, v in pairs])


def without(name: bytes) -> Change:
    """Leave a variable out."""
    return variables_of(lambda pairs: [pair for pair in pairs if pair[0] != name])


def with_host(value: bytes) -> Change:
    """Set or add HTTP_HOST, at its place."""
    return variables_of(
        lambda pairs: _insert_host([pair for pair in pairs if pair[0] != b"HTTP_HOST"], value)
    )


def _is_header(name: bytes) -> bool:
    return name.startswith(b"HTTP_") and name not in CONFIGURED


def _insert_host(pairs: list[Pair], value: bytes) -> list[Pair]:
    place = next((i for i, (name, _) in enumerate(pairs) if _is_header(name)), len(pairs))
    return [*pairs[:place], (b"HTTP_HOST", value), *pairs[place:]]


def refused(status: int, *, at: int = 0, connection: bytes = b"close", head: bool = True) -> Change:
    """Answer request number `at` with a page of our own, and serve none from there on."""
    fate: Fate = "closed" if connection == b"close" else "open"
    return lambda seen: Observation(
        (*seen.responses[:at], page(status, connection, head=head)),
        fate,
        seen.requests[:at],
        min(at, seen.connections),
    )


def bad_gateway(seen: Observation) -> Observation:
    """Refuse the backend's reply: 502, and the client's connection lives on."""
    return replace(seen, responses=(page(502, b"keep-alive"),), fate="open")


def with_fate(fate: Fate) -> Change:
    """End the client's connection in another way."""
    return lambda seen: replace(seen, fate=fate)


def passes_interim(seen: Observation) -> Observation:
    """Move what nginx adds to an interim response to the final one, which is its place."""
    interim, final = seen.responses
    own = {b"Server", b"Date", b"Connection"}
    front = tuple(pair for pair in interim.headers if pair[0] in own)
    return replace(
        seen,
        responses=(
            replace(interim, headers=tuple(p for p in interim.headers if p[0] not in own)),
            replace(final, headers=(*front[:2], *final.headers, *front[2:])),
        ),
    )


def drops_interim(seen: Observation) -> Observation:
    """Pass on only the final response: 100 is the front end's to send."""
    return replace(seen, responses=passes_interim(seen).responses[1:])


def with_status_line(line: bytes) -> Change:
    """Give the last response another status line."""
    return of_last_response(lambda response: replace(response, status_line=line))


def without_header(*names: bytes) -> Change:
    """Take header lines (names as sent) out of the last response."""

    def change(response: Response) -> Response:
        kept = tuple(pair for pair in response.headers if pair[0] not in names)
        return replace(response, headers=kept)

    return of_last_response(change)


def adds_header(name: bytes, value: bytes) -> Change:
    """Add a header behind the others of the last response."""
    return of_last_response(
        lambda response: replace(response, headers=(*response.headers, (name, value)))
    )


def with_header(name: bytes, value: bytes) -> Change:
    """Give a header of the last response another value."""

    def change(response: Response) -> Response:
        headers = tuple((n, value if n == name else v) for n, v in response.headers)
        return replace(response, headers=headers)

    return of_last_response(change)


def first_of(name: bytes) -> Change:
    """Leave only the first line of this name in the last response."""

    def change(response: Response) -> Response:
        lines = [pair for pair in response.headers if pair[0] == name][1:]
        kept = tuple(pair for pair in response.headers if pair not in lines)
        return replace(response, headers=kept)

    return of_last_response(change)


def with_body(body: bytes) -> Change:
    """Give the last response another body, and all of it."""
    return of_last_response(lambda response: replace(response, body=body, complete=True))


stays_open = chain(with_header(b"Connection", b"keep-alive"), with_fate("open"))
"""Keep the client's connection, where nginx closes it."""

closes = chain(with_header(b"Connection", b"close"), with_fate("closed"))
"""Close the client's connection, where nginx keeps it."""


def _host_first(pairs: list[Pair]) -> list[Pair]:
    host = [pair for pair in pairs if pair[0] == b"HTTP_HOST"]
    rest = [pair for pair in pairs if pair[0] != b"HTTP_HOST"]
    return _insert_host(rest, host[0][1]) if host else rest


def _joined(pairs: list[Pair]) -> list[Pair]:
    values: dict[bytes, bytes] = {}
    if not any(_is_header(name) for name, _ in pairs):
        return pairs
    own = [pair for pair in pairs if not _is_header(pair[0])]
    for name, value in pairs[len(own) :]:
        glue = b"; " if name == b"HTTP_COOKIE" else b", "
        values[name] = values[name] + glue + value if name in values else value
    return [*own, *values.items()]


def _closing(pairs: list[Pair]) -> list[Pair]:
    names = [name for name, _ in pairs]
    if not pairs or b"HTTP_UPGRADE" in names:
        return pairs
    if b"HTTP_CONNECTION" not in names:
        return [*pairs, (b"HTTP_CONNECTION", b"close")]
    return [(n, b"close" if n == b"HTTP_CONNECTION" else v) for n, v in pairs]


ALWAYS = (
    Differs(
        "HTTP_HOST is built in, and stands in front of the other headers",
        variables_of(_host_first),
        until=(1, 29, 5),
        idle=True,
    ),
    Differs(
        "request headers of the same name become one variable",
        variables_of(_joined),
        until=(1, 23, 0),
        idle=True,
    ),
    Differs(
        "Transfer-Encoding is not passed once the body has been decoded",
        without(b"HTTP_TRANSFER_ENCODING"),
        idle=True,
    ),
    Differs(
        "the backend is told to close, since gunicorn would hold the connection open",
        variables_of(_closing),
        idle=True,
    ),
)
"""Those that can show in any case."""
