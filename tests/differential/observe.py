"""What one case did, seen from both ends, in a form in which two front ends can be compared.

Owns the list of what may differ without being named: port numbers, dates, the name of the server,
and the wording of the pages and reasons that a front end makes up itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.settings import Address
from proxy.testing import FakeBackend, Received
from tests.differential.client import FOLLOW_UP_PATH, Fate, Framing, Response, Talk

ANY = b"*"
"""Stands for a value that is there and is not compared."""

PAGE = b"<a page of the front end's own>"
"""Stands for the body of a response that no backend made."""

_DATE = re.compile(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_SERVER = re.compile(rb"nginx/[0-9.]+|uwsgi-frontend.*")


@dataclass(frozen=True)
class Seen:
    """A request at the backend."""

    modifier1: int
    modifier2: int
    variables: tuple[tuple[bytes, bytes], ...]
    body: bytes
    ended: str


@dataclass(frozen=True)
class Observation:
    """What the client got, what became of its connection, and what the backend saw."""

    responses: tuple[Response, ...]
    fate: Fate
    requests: tuple[Seen, ...]
    connections: int

    @property
    def statuses(self) -> tuple[int, ...]:
        """The status of each response, interim ones too."""
        return tuple(response.status for response in self.responses)


class Watch:
    """The backends of one front end, from now on."""

    def __init__(self, backends: Sequence[FakeBackend]) -> None:
        self._marks = [(backend, len(backend.requests), backend.accepted) for backend in backends]

    def requests(self) -> list[Received]:
        """Return what has come in since."""
        return [
            received for backend, count, _ in self._marks for received in backend.requests[count:]
        ]

    def connections(self) -> int:
        """Return how many connections were accepted since."""
        return sum(backend.accepted - accepted for backend, _, accepted in self._marks)


def observe(talk: Talk, watch: Watch, front: Address) -> Observation:
    """Put together what happened, without the follow-up request of the client."""
    received = watch.requests()
    requests = [one for one in received if one.value("PATH_INFO") != FOLLOW_UP_PATH]
    return Observation(
        tuple(_plain_response(response) for response in talk.responses),
        talk.fate,
        tuple(_seen(one, talk.port, front) for one in requests),
        watch.connections() - (len(received) - len(requests)),
    )


def _seen(received: Received, port: bytes, front: Address) -> Seen:
    known = {b"REMOTE_PORT": port, b"SERVER_PORT": b"" if front.is_unix else b"%d" % front.port}
    variables = tuple(
        (name, ANY if value and known.get(name) == value else value)
        for name, value in received.variables
    )
    return Seen(received.modifier1, received.modifier2, variables, received.body, received.ended)


def _plain_response(response: Response) -> Response:
    """Hide Date and Server, unless an application has sent one of its own."""
    headers = tuple((name, _plain_value(name, value)) for name, value in response.headers)
    return replace(response, headers=headers)


def _plain_value(name: bytes, value: bytes) -> bytes:
    pattern = {b"date": _DATE, b"server": _SERVER}.get(name.lower())
    return ANY if pattern is not None and pattern.fullmatch(value) else value


def is_page(response: Response, answered: bool) -> bool:
    """Whether nginx made this response up; `answered` tells whether a backend had replied."""
    if b"<center>nginx" in response.body:
        return True
    own = response.values(b"content-type") == [b"text/html"] and not response.body
    return own and (response.status in (502, 504) or not answered)


def page(
    status: int, connection: bytes = b"close", framing: Framing = "length", head: bool = True
) -> Response:
    """Return the response that a front end makes up for `status`."""
    if not head:
        return Response(b"", (), "headless", PAGE)
    headers = (
        (b"Server", ANY),
        (b"Date", ANY),
        (b"Content-Type", b"text/html"),
        (b"Content-Length", ANY),
        (b"Connection", connection),
    )
    return Response(b"HTTP/1.1 %d *" % status, headers, framing, PAGE if framing != "none" else b"")


def hide_page(response: Response) -> Response:
    """Hide what two front ends word differently: reason, length and text of a page."""
    headers = tuple(
        (name, ANY if name == b"Content-Length" and int(value) > 0 else value)
        for name, value in response.headers
    )
    line = response.status_line[:13] + ANY if response.status_line else b""
    return replace(response, status_line=line, headers=headers, body=PAGE if response.body else b"")


def hide_pages(observation: Observation, like: Observation) -> Observation:
    """Hide the pages of `observation` where `like` has one already hidden."""
    expected = like.responses
    responses = tuple(
        hide_page(response) if index < len(expected) and _is_hidden(expected[index]) else response
        for index, response in enumerate(observation.responses)
    )
    return replace(observation, responses=responses)


def _is_hidden(response: Response) -> bool:
    return response.status_line.endswith(b" " + ANY) or response.body == PAGE


def hide_nginx_pages(observation: Observation) -> Observation:
    """Hide the pages that nginx made."""
    answered = bool(observation.requests)
    responses = tuple(
        hide_page(response) if is_page(response, answered) else response
        for response in observation.responses
    )
    return replace(observation, responses=responses)
