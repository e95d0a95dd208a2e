"""Something that serves HTTP on this machine, as a test sees it, with a client that is enough."""

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from proxy.testing.exchanges import Exchanges

if TYPE_CHECKING:
    from proxy.telemetry.reading import Reading

TIMEOUT_S = 30.0
"""For each read of `Site.request`."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: Message = field(repr=False)
    """Looked up in any spelling: `response.headers["content-type"]`."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


def _trusting() -> ssl.SSLContext:
    """Return what takes any certificate: a test knows whom it has started."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _has_no_metrics() -> "Reading":
    raise LookupError("only a front end of ours has metrics to be asked for")


@dataclass(frozen=True)
class Site:
    """A running server; `name` says which way of serving it is."""

    url: str
    """Without a slash at its end: `http://127.0.0.1:43210`, or `https://...` with TLS."""
    name: str = "frontend"
    exchanges: Exchanges = field(default_factory=Exchanges, repr=False)
    """What went through it, if it is a front end of ours."""
    app_failures: list[tuple[str, BaseException]] = field(default_factory=list, repr=False)
    """Requests at which an application in this process has raised, and what."""
    metrics: "Callable[[], Reading]" = field(default=_has_no_metrics, repr=False)
    """Returns all metrics of the moment, to be called with a name and labels."""

    @property
    def host(self) -> str:
        """The address to connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port to connect to."""
        return urlsplit(self.url).port or 0

    def get(self, path: str = "/", headers: Mapping[str, str] | None = None) -> Response:
        """GET a path."""
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, body: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
    ) -> Response:
        """POST a body; an iterator is sent in chunks."""
        return self.request("POST", path, body, headers)

    def request(
        self,
        method: str,
        path: str = "/",
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: there is no whole answer.
        """
        connection = self._make_connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            got = connection.getresponse()
            return Response(got.status, got.headers, got.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """Return a connection, behind TLS if that is spoken, for clients that misbehave."""
        plain = socket.create_connection((self.host, self.port), TIMEOUT_S)
        return _trusting().wrap_socket(plain) if self.is_secure else plain

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https:")

    def _make_connection(self) -> http.client.HTTPConnection:
        if not self.is_secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        context = _trusting()
        return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=context)

    def metric(self, name: str, /, **labels: object) -> float:
        """Return one number of /metrics: the sum over all series that have these labels.

        `site.metric("errors_total", reason="read_timeout")`; nothing has to be scraped, and no
        admin address is needed.

        Raises:
            LookupError: no metric has that name, or not those labels, or there is no such reason.
        """
        return self.metrics()(name, **labels)

    @contextmanager
    def metrics_delta(self) -> "Iterator[MetricsDelta]":
        """Tell by how much metrics change within a block."""
        delta = MetricsDelta(self.metrics)
        yield delta
        delta.end()


class MetricsDelta:
    """By how much metrics have changed: called with a name and labels, as `Site.metric` is."""

    def __init__(self, metrics: "Callable[[], Reading]") -> None:
        self._metrics = metrics
        self._before = metrics()
        self._after: Reading | None = None

    def __call__(self, name: str, /, **labels: object) -> float:
        """Return the change; within the block the one so far."""
        after = (self._after or self._metrics())(name, **labels)
        try:
            return after - self._before(name, **labels)
        except LookupError:  # a series of something that was not there yet
            return after

    def end(self) -> None:
        """Look at nothing that comes later."""
        self._after = self._metrics()
