"""What a reader made of some bytes, in a form that can be compared."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from protocol.errors import HeadlessError, RequestError
from protocol.headers import HeaderDigest
from protocol.http1.engine import Engine
from protocol.http1.h11_engine import H11Engine
from protocol.http1.httptools_engine import HttptoolsEngine
from protocol.http1.reader import END_OF_BODY, NEED_DATA, PAUSED, RequestReader
from protocol.messages import Request
from protocol.uwsgi import decode_vars
from proxy.settings import ClientSettings, PacketSettings

ENGINES: tuple[Engine, ...] = (HttptoolsEngine(), H11Engine())

DEFAULT = ClientSettings()
PACKET = PacketSettings(close_connection=False)
"""Lets HTTP_CONNECTION through as it came."""


class Message(NamedTuple):
    """One request. `host` is what its Host line said, `variables` the others, as HTTP_*."""

    method: bytes = b"GET"
    uri: bytes = b"/"
    protocol: bytes = b"HTTP/1.1"
    host: bytes | None = b"a"
    variables: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    keep_alive: bool = True
    expects_continue: bool = False


class Refused(NamedTuple):
    """How a `RequestError` ends a transcript; `headless` if its client knows no heads."""

    status: int
    reason: str
    headless: bool = False


class Transcript(NamedTuple):
    """What a reader gave out: whole requests, one that has no end yet, and a refusal."""

    messages: tuple[Message, ...] = ()
    unfinished: Message | None = None
    refused: Refused | None = None


def new_reader(engine: Engine, rules: ClientSettings = DEFAULT) -> RequestReader:
    """Return a reader; those with the same rules share a digest, as all of a server's do."""
    return RequestReader(rules, _digest(rules), engine)


@cache
def _digest(rules: ClientSettings) -> HeaderDigest:
    return HeaderDigest(rules, PACKET)


def read(reader: RequestReader, pieces: Iterable[bytes]) -> Transcript:
    """Feed a reader piece by piece, and write down what it gives."""
    return Reading(reader).feed(*pieces)


class Reading:
    """A transcript that goes on."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._messages: list[Message] = []
        self._unfinished: Message | None = None
        self._refused: Refused | None = None

    def feed(self, *pieces: bytes) -> Transcript:
        """Feed and return the transcript so far."""
        for piece in pieces:
            if self._refused is None:
                self._reader.receive_data(piece)
                self._drain()
        return Transcript(tuple(self._messages), self._unfinished, self._refused)

    def _drain(self) -> None:
        try:
            while (event := self._reader.next_event()) is not NEED_DATA:
                if event is PAUSED:
                    self._reader.next_request()
                elif event is END_OF_BODY:
                    self._finish()
                elif isinstance(event, bytes):
                    assert event, "an event without a byte"
                    assert self._unfinished is not None
                    self._unfinished = self._unfinished._replace(body=self._unfinished.body + event)
                else:
                    assert isinstance(event, Request)
                    self._unfinished = describe(event)
                    if not event.has_body:
                        self._finish()
        except RequestError as error:
            self._refused = Refused(error.status, error.reason, isinstance(error, HeadlessError))

    def _finish(self) -> None:
        assert self._unfinished is not None
        self._messages.append(self._unfinished)
        self._unfinished = None


def describe(request: Request) -> Message:
    """Return a request without its body."""
    headers = request.headers
    variables = decode_vars(headers.variables)
    assert len(variables) == headers.count
    return Message(
        request.method,
        request.target.uri,
        request.protocol,
        request.target.authority or headers.host,
        tuple(variables),
        b"",
        request.wants_keep_alive,
        request.wants_continue,
    )


def agrees(got: Transcript, expected: Transcript) -> bool:
    """Whether two transcripts say the same in the end.

    When a body is refused, what came before the mistake in the same read is not given out: how much
    that is depends on the cut.
    """
    if got.refused is None or got.unfinished is None:
        return got == expected
    return is_beginning(got, expected) and len(got.messages) == len(expected.messages)


def is_beginning(part: Transcript, whole: Transcript) -> bool:
    """Whether `part` is what a reader may say on the way to `whole`."""
    done = len(part.messages)
    if part.messages != whole.messages[:done] or part.refused not in (None, whole.refused):
        return False
    if part.unfinished is None:
        return True
    expected = [*whole.messages, whole.unfinished][done]
    return (
        expected is not None
        and part.unfinished._replace(body=b"") == expected._replace(body=b"")
        and expected.body.startswith(part.unfinished.body)
    )
